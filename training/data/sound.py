"""Recordings from a folder to arrays: any rate, any number of channels in; mono at 16 kHz out, by split."""

import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from training.data.pictures import DataError, NoSplit, Split

log = logging.getLogger("ganymede.data")

Sound = NDArray[np.float32]

RATE = 16_000
"""Samples a second of everything that comes out of here, in Hz."""
EXTENSIONS = (".aif", ".aiff", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".wav")
SPLITS: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "test": ("test", "testing", "evaluation", "val", "valid", "validation"),
}
"""The folder names of each split, the preferred one first."""
SILENCE = 1e-3
"""A recording that never leaves ±SILENCE, −60 dB of full scale, is silent."""
CLIPPED = 0.01
"""The largest share of samples that may lie at full scale."""
HELD_OUT = 5
"""One recording in so many is held out where no folders say which."""
NAMED = 10
"""How many files a message lists."""


@dataclass(frozen=True, eq=False)
class Recording:
    """Sound in mono at `RATE`, float32 [t] in [-1, 1], and its path under the source."""

    name: str
    samples: Sound

    @cached_property
    def level(self) -> float:
        """Root mean square over the whole recording, above 0."""
        return rms(self.samples)


def rms(samples: Sound) -> float:
    """Root mean square of samples [t]; 0 without any."""
    return float(np.sqrt(np.vdot(samples, samples) / max(len(samples), 1)))


def load(
    source: str | Path, *, split: Split, shortest: int = 1, without: Path | None = None, hold_out: bool = False
) -> tuple[Recording, ...]:
    """The recordings of one split under the folder `source`, in the order of their names.

    Folders `training/` and `evaluation/` (or train, test, val …) are splits. Without such folders everything is for
    training and `NoSplit` is raised for the rest, unless `hold_out`: then of each folder one recording in five is
    for testing, whatever the names; files that differ only after the last hyphen are takes of one recording and stay
    together. Files under `without` don't count.

    Other rates are resampled, other numbers of channels mixed down, and the log says so. Left out, and named in the
    log: what is silent, clipped, or has less than `shortest` samples at 16 kHz. `DataError` where a file can't be
    read, or nothing is left.
    """
    folder = Path(source)
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder: expected one of recordings ({', '.join(EXTENSIONS)})")
    paths = _divided(_found(folder, without), split, folder, hold_out)
    told = _Told(folder)
    recordings = []
    for path in paths:
        samples = _read(folder / path, told)
        flaw = _flaw(samples, shortest)
        if flaw:
            told.note(flaw, str(path))
        else:
            recordings.append(Recording(str(path), samples))
    told.tell()
    if not recordings:
        raise DataError(f"{folder}: no recording of the {split} split can be used: {told.summary()}")
    return tuple(recordings)


class _Told:
    """What was noticed while reading, by kind, so that a thousand files of another rate make one line of the log."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.files: dict[str, list[str]] = {}

    def note(self, what: str, file: str) -> None:
        self.files.setdefault(what, []).append(file)

    def tell(self) -> None:
        for what, files in self.files.items():
            log.warning("%s: %d %s: %s", self.source, len(files), what, _list(files))

    def summary(self) -> str:
        return "; ".join(f"{len(files)} {what} ({_list(files)})" for what, files in self.files.items())


def _found(folder: Path, without: Path | None) -> list[PurePosixPath]:
    """Every sound file by its ending, hidden ones left out, sorted; `DataError` if there is none."""
    left_out = None if without is None else without.resolve()
    found = []
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if Path(parent, name).resolve() != left_out and name[0] != "."]
        found += [
            PurePosixPath(Path(parent, name).relative_to(folder).as_posix())
            for name in names
            if Path(name).suffix.lower() in EXTENSIONS and name[0] != "."
        ]
    if not found:
        raise DataError(f"{folder} holds no recordings: expected files ending in {', '.join(EXTENSIONS)}")
    return sorted(found)


def _divided(paths: Sequence[PurePosixPath], split: Split, folder: Path, hold_out: bool) -> list[PurePosixPath]:
    """The paths of one split."""
    tops = {path.parts[0].lower() for path in paths if len(path.parts) > 1}
    if tops & {name for names in SPLITS.values() for name in names}:
        name = next((name for name in SPLITS[split] if name in tops), None)
        if name is None:
            raise NoSplit(f"{folder} has no {split} split: expected {' or '.join(SPLITS[split])}, found {_list(tops)}")
        return [path for path in paths if path.parts[0].lower() == name]
    if hold_out:
        held = set(_held_out(paths))
        chosen = [path for path in paths if (path in held) == (split == "test")]
        if not chosen:
            raise NoSplit(
                f"{folder} has too few recordings to hold one out in {HELD_OUT}: add some, or folders of splits"
            )
        return chosen
    if split != "train":
        raise NoSplit(f"{folder} has no {split} split: expected the folders training/ and evaluation/")
    return list(paths)


def _held_out(paths: Iterable[PurePosixPath]) -> Iterable[PurePosixPath]:
    """Of each folder, the takes of every fifth recording, the third first: even three recordings give one."""
    folders: dict[PurePosixPath, dict[str, list[PurePosixPath]]] = {}
    for path in paths:
        recordings = folders.setdefault(path.parent, {})
        recordings.setdefault(path.stem.rpartition("-")[0] or path.stem, []).append(path)
    for recordings in folders.values():
        for index, takes in enumerate(recordings.values()):
            if index % HELD_OUT == 2:
                yield from takes


def _read(path: Path, told: _Told) -> Sound:
    """One file, mono at `RATE`; `DataError` if it can't be decoded."""
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise DataError(f"{path} can't be read as sound ({error}): replace it, or take it away") from error
    if samples.shape[1] > 1:
        told.note(f"of {samples.shape[1]} channels, mixed down to one", path.name)
    mono: Sound = samples.mean(1)
    if rate != RATE:
        told.note(f"of {rate} Hz, resampled to {RATE}", path.name)
        mono = soxr.resample(mono, rate, RATE)
    return mono


def _flaw(samples: Sound, shortest: int) -> str:
    """Why these samples can't be used; empty if they can."""
    if len(samples) < shortest:
        return f"shorter than {shortest / RATE:.3g} s, left out"
    size = np.abs(samples)
    if not np.isfinite(size).all():
        return "with values that are no numbers, left out"
    if size.max(initial=0) < SILENCE:
        return "silent, left out"
    if np.mean(size >= 0.999) > CLIPPED:
        return f"clipped (more than {CLIPPED:.0%} at full scale), left out"
    return ""


def _list(names: Iterable[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:NAMED]) + (" …" if len(names) > NAMED else "")
