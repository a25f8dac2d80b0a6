"""Everything that a run is, in one file: networks, averages, optimisers, counters, settings and the best measure.

The random state and the sampler's position are not among it, and need not be: both are functions of the seed and of
the pictures seen (see `training.run`), which are. Holds tensors and plain values only, so loading runs no code.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

LAST, BEST = "last.pt", "best.pt"
UNREADABLE = (
    OSError,
    RuntimeError,
    UnpicklingError,
    EOFError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    AssertionError,
    struct.error,
)
"""What torch raises for a file that is none of its own, or a damaged one."""


class CheckpointError(ValueError):
    """A checkpoint that is missing, unreadable, or of another run."""


@dataclass
class Progress:
    """How far a run is: steps done, real pictures seen, seconds spent, and the lowest measure so far."""

    step: int = 0
    images: int = 0
    seconds: float = 0.0
    best: float = float("inf")


@dataclass(frozen=True)
class Checkpoint:
    """The content of the file: `config.build` reads `settings`, and the recipe makes its networks for `source`."""

    settings: dict[str, Any]
    source: dict[str, Any]
    progress: dict[str, Any]
    networks: dict[str, dict[str, Any]]
    averages: dict[str, dict[str, Any]]
    optimisers: dict[str, dict[str, Any]]
    device: str = "CPU"
    """The kind of device that it ran on, for the model card."""
    world: int | None = None
    """The number of processes that trained it; None in files from before it was kept."""


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Writes beside, syncs, renames: whatever happens, `path` holds a whole checkpoint, the old or the new."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        torch.save(vars(checkpoint), file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def load(path: Path) -> Checkpoint:
    """Reads a checkpoint to the CPU; CheckpointError if it isn't one."""
    try:
        return Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no checkpoint {path}") from error
    except UNREADABLE as error:
        raise CheckpointError(f"{path} is not a whole checkpoint: {error}") from error
