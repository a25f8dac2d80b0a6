"""Several processes, started by `torchrun`: who we are, and the few numbers that must be the same everywhere.

With one process every function here answers at once.
"""

import os
from collections.abc import Iterable

import torch
import torch.distributed.nn  # Imported after a group was made, as an optimiser does, it holds that group for good.
from torch import Tensor, distributed


def start(device: str) -> tuple[int, int]:
    """Joins the group that `torchrun` describes in the environment; (rank, number of processes), or (0, 1) without."""
    if "WORLD_SIZE" not in os.environ:
        return 0, 1
    distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    return distributed.get_rank(), distributed.get_world_size()


def stop() -> None:
    """Leaves the group and ends its threads: one that outlives the interpreter aborts the process."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def average_(tensors: Iterable[Tensor]) -> None:
    """Replaces each tensor by its mean over the processes, in place, in one message."""
    if not distributed.is_initialized():
        return
    parts = list(tensors)
    flat = torch.cat([part.reshape(-1) for part in parts])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for part, mean in zip(parts, torch.split(flat, [part.numel() for part in parts]), strict=True):
        part.copy_(mean.view_as(part))


def largest(values: list[float], device: torch.device) -> list[float]:
    """The largest of each value over the processes: how all of them agree on the time, and on stopping."""
    if not distributed.is_initialized():
        return values
    tensor = torch.tensor(values, dtype=torch.float64, device=device)
    distributed.all_reduce(tensor, distributed.ReduceOp.MAX)
    return [float(value) for value in tensor]
