"""Films: sequences of frames in order of time, from an .npz of named arrays or a folder of frame folders.

What is held out for testing is time, not frames at random: neighbouring frames are nearly the same.
"""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from training.data import npz
from training.data.layout import EXTENSIONS, SPLITS
from training.data.pictures import DataError, NoSplit, Pixels, Split

HELD_OUT = 4
"""One frame in so many is held out where a source has no splits of its own: the last ones."""
NAMED = 5
"""How many sequences an error lists."""
READABLE = "an .npz of sequences uint8 [t, h, w] or [t, h, w, 1 or 3], a folder of frames, or a folder of such folders"
_SPLIT = re.compile(rf"({'|'.join(name for names in SPLITS.values() for name in names)})(?:_|$)")


@dataclass(frozen=True, eq=False)
class Sequence:
    """Frames uint8 [t, h, w, c] in order of time."""

    name: str
    frames: Pixels


def load(source: Path, *, channels: int, least: int, split: Split) -> tuple[Sequence, ...]:
    """The sequences of one split, in the order of their names, each of `least` frames or more.

    Splits are folders `train/` and `test/` or `val/`, or arrays whose names begin with `train_` and `test_`. Without
    them, the last quarter of all frames is the test split, counted back from the end of the last sequence; what the
    cut leaves too short for `least` frames is left out. `DataError` for a sequence that is shorter to begin with, and
    for anything that can't be read; `NoSplit` where only the split is missing.
    """
    every = _npz(source) if source.suffix.lower() == ".npz" else _folder(source)
    short = [f"{sequence.name} ({len(sequence.frames)})" for sequence in every if len(sequence.frames) < least]
    if short:
        more = f" and {len(short) - NAMED} more" if len(short) > NAMED else ""
        raise DataError(
            f"{source} has sequences that are too short: {', '.join(short[:NAMED])}{more}; a clip needs {least} "
            "frames, those given and those ahead: remove them, or ask for fewer frames"
        )
    return tuple(
        replace(sequence, frames=_convert(sequence.frames, channels)) for sequence in _pick(source, every, split, least)
    )


def _pick(source: Path, every: list[Sequence], split: Split, least: int) -> list[Sequence]:
    """Those of the split: named so, or cut off in time."""
    named = {sequence.name: _named(sequence.name) for sequence in every}
    if any(named.values()):
        if not all(named.values()):
            loose = next(name for name, of in named.items() if of is None)
            raise DataError(f"{source} has splits, and {loose} is in none: name every sequence's split, or no one's")
        chosen = [sequence for sequence in every if named[sequence.name] == split]
        if not chosen:
            raise NoSplit(f"{source} has no {split} split: found {_list(every)}")
        return chosen
    ahead = sum(len(sequence.frames) for sequence in every) * (HELD_OUT - 1) // HELD_OUT
    parts = []
    for sequence in every:
        cut = max(0, min(ahead, len(sequence.frames)))
        ahead -= len(sequence.frames)
        part = sequence.frames[:cut] if split == "train" else sequence.frames[cut:]
        if len(part) >= least:
            where = f"frames 0 to {cut - 1}" if split == "train" else f"frames {cut} to {len(sequence.frames) - 1}"
            whole = len(part) == len(sequence.frames)
            parts.append(Sequence(sequence.name if whole else f"{sequence.name} {where}", part))
    if not parts:
        kept = "first three quarters" if split == "train" else "last quarter"
        raise DataError(
            f"{source}: its {kept}, the {split} split, holds no {least} frames in a row, which a clip needs: "
            "add frames, name the splits (train/ and test/, train_… and test_…), or ask for fewer frames"
        )
    return parts


def _named(name: str) -> Split | None:
    """The split that the first part of a name says, if it does."""
    found = _SPLIT.match(name.split("/")[0])
    if found is None:
        return None
    return "train" if found[1] == "train" else "test"


def _npz(file: Path) -> list[Sequence]:
    with npz.opened(file) as content:
        arrays = {key: content[key] for key in sorted(content.files)}
    if not arrays:
        raise DataError(f"{file} is empty: expected {READABLE}")
    for key, array in arrays.items():
        if array.dtype != np.uint8:
            raise DataError(f"{key} in {file} is {array.dtype}: expected uint8 with values from 0 to 255")
        if not (array.ndim == 3 or (array.ndim == 4 and array.shape[3] in (1, 3))) or array.size == 0:
            raise DataError(
                f"{key} in {file} has the shape {array.shape}: expected [time, height, width] or "
                "[time, height, width, 1 or 3]"
            )
    return [Sequence(key, array if array.ndim == 4 else array[..., None]) for key, array in arrays.items()]


def _folder(folder: Path) -> list[Sequence]:
    """Every folder that holds pictures is a sequence: its pictures in the order of their numbers."""
    if not folder.is_dir():
        raise DataError(f"{folder} is no source of clips: expected {READABLE}")
    found = []
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders.sort()
        files = [name for name in names if Path(name).suffix.lower() in EXTENSIONS and not name.startswith(".")]
        if files:
            path = Path(parent)
            name = path.relative_to(folder).as_posix() if path != folder else folder.resolve().name
            found.append((name, [path / file for file in sorted(files, key=_natural)]))
    if not found:
        raise DataError(f"{folder} holds no frames: expected files ending in {', '.join(EXTENSIONS)}")
    return [Sequence(name, _stack(files)) for name, files in found]


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts frame2 before frame10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name) if part]


def _stack(files: list[Path]) -> Pixels:
    frames = [_frame(file) for file in files]
    for file, frame in zip(files, frames, strict=True):
        if frame.shape != frames[0].shape:
            raise DataError(
                f"{file} is {frame.shape[1]}×{frame.shape[0]} px, {files[0].name} before it "
                f"{frames[0].shape[1]}×{frames[0].shape[0]}: the frames of a sequence need one size"
            )
    return np.stack(frames)


def _frame(file: Path) -> Pixels:
    """One frame, uint8 [h, w, 3]."""
    try:
        with Image.open(file) as picture:
            mode, frame = picture.mode, np.asarray(picture.convert("RGB"))
    except Exception as error:  # a broken file makes Pillow raise nearly anything
        raise DataError(f"{file} can't be read as a picture, and a film can't miss a frame: {error}") from error
    if mode == "F" or mode.startswith("I"):
        raise DataError(f"{file} has more than 8 bits a value: save it with 8")
    return frame


def _convert(frames: Pixels, channels: int) -> Pixels:
    """Grey to RGB by repetition, RGB to grey by luma (ITU-R 601), as Pillow does."""
    if frames.shape[3] == channels:
        return frames
    if channels == 3:
        return frames.repeat(3, axis=3)
    return np.stack([np.asarray(Image.fromarray(frame).convert("L")) for frame in frames])[..., None]


def _list(sequences: list[Sequence]) -> str:
    names = [sequence.name for sequence in sequences]
    return ", ".join(names[:NAMED]) + (" …" if len(names) > NAMED else "")
