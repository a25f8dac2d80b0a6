"""From examples as they are stored to a batch as networks see it."""

from collections.abc import Sized
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.data import Drawn
from training.data.pictures import Labels
from training.recipes import Batch

CPU = torch.device("cpu")


def batch_of(drawn: Drawn, device: torch.device = CPU, *, step: int = 0, progress: float = 1.0) -> Batch:
    """The examples as tensors on the device."""
    labels = None if drawn.labels is None else _moved(drawn.labels, device)
    given = None if drawn.given is None else tensor(drawn.given, device)
    return Batch(tensor(drawn.real, device), labels, given, step, torch.full((), progress, device=device))


def tensor(array: NDArray[Any], device: torch.device = CPU) -> Tensor:
    """Drawn examples (see `data.Drawn`) as networks take them, float32.

    Pictures become [n, c, h, w] and frames [n, k·c, h, w] in [-1, 1], channels last in memory; sound [n, 1, t].
    """
    if array.dtype == np.float32:
        return _moved(array, device).unsqueeze(1)
    height, width = array.shape[-3:-1]
    planes = np.moveaxis(array, -1, -3).reshape(len(array), -1, height, width)
    pictures = _moved(np.ascontiguousarray(planes), device)
    return pictures.contiguous(memory_format=torch.channels_last).float().div(127.5).sub(1)


def _moved(array: NDArray[Any], device: torch.device) -> Tensor:
    """An array on the device. To a GPU it goes from pinned memory: the copy waits in its queue, and nobody for it."""
    here = torch.from_numpy(array)
    return here.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else here.to(device)


def fixed(examples: Sized, count: int) -> Labels:
    """Indices of `count` examples, or of all where there are fewer: the same in every call and every run."""
    order = np.random.Generator(np.random.Philox(key=[0, 0])).permutation(len(examples))
    return np.sort(order[:count])
