"""What the folders of a data set mean: splits, classes, or nothing. Works on paths, for folders and zips alike."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from training.data.pictures import DataError, Labels, NoSplit, Split

EXTENSIONS = (".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
SPLITS: dict[Split, tuple[str, ...]] = {"train": ("train",), "test": ("test", "val", "valid", "validation")}
"""The folder names of each split, the preferred one first."""


@dataclass(frozen=True, eq=False)
class Layout:
    """The pictures of one split in sorted order, their classes by index into `classes`; labels are None without any."""

    paths: tuple[PurePosixPath, ...]
    labels: Labels | None
    classes: tuple[str, ...]


def arrange(paths: Iterable[PurePosixPath], split: Split, source: str) -> Layout:
    """Reads meaning into relative paths; files that are no pictures by their ending, and hidden ones, don't count.

    Known: `dog.png …`, `<class>/dog.png …`, both under `train/` and `test/` or `val/`, and all of these under folders
    that hold nothing else. Class indices are the same in every split. `DataError` where nothing or two things fit,
    `NoSplit` where the split isn't there.
    """
    every = sorted(path for path in paths if _is_picture(path))
    if not every:
        raise DataError(f"{source} holds no pictures: expected files ending in {', '.join(EXTENSIONS)}")
    depth = _wrapping(every)
    chosen = every
    folders = _folders(every, depth)
    if _are_splits(folders):
        name = next((name for name in SPLITS[split] if name in folders), None)
        if name is None:
            raise NoSplit(f"{source} has no {split} split: expected {_either(split)}, found {_list(folders)}")
        every = [path for path in every if path.parts[depth] in (*SPLITS["train"], *SPLITS["test"])]
        chosen = [path for path in every if path.parts[depth] == name]
        depth += 1
    elif split != "train":
        raise NoSplit(f"{source} has no {split} split: expected the folders train/ and {_either(split)}")
    loose = [path for path in chosen if len(path.parts) == depth + 1]
    if len(loose) == len(chosen):
        return Layout(tuple(chosen), None, ())
    classes = sorted(_folders(every, depth))
    if loose:
        raise DataError(
            f"{source} holds pictures both in class folders ({_list(classes)}) and beside them ({loose[0]} …): "
            "move the loose ones into a class folder, or away"
        )
    index = {name: label for label, name in enumerate(classes)}
    labels = np.array([index[path.parts[depth]] for path in chosen], np.int64)
    return Layout(tuple(chosen), labels, tuple(classes))


def _is_picture(path: PurePosixPath) -> bool:
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return path.suffix.lower() in EXTENSIONS and not hidden


def _folders(paths: Iterable[PurePosixPath], depth: int) -> set[str]:
    """The names of the folders at `depth` that hold pictures."""
    return {path.parts[depth] for path in paths if len(path.parts) > depth + 1}


def _wrapping(paths: list[PurePosixPath]) -> int:
    """How many outer folders hold nothing but one folder of folders."""
    depth = 0
    while all(len(path.parts) > depth + 2 for path in paths):
        folders = _folders(paths, depth)
        if len(folders) > 1 or _are_splits(folders):
            break
        depth += 1
    return depth


def _are_splits(folders: set[str]) -> bool:
    """`train` beside `test` is a split; `train` beside `plane` and `ship` is a class."""
    tests = set(SPLITS["test"])
    return bool(folders) and (folders <= tests | {"train"} or ("train" in folders and bool(folders & tests)))


def _either(split: Split) -> str:
    return " or ".join(f"{name}/" for name in SPLITS[split])


def _list(names: Iterable[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:10]) + (" …" if len(names) > 10 else "")
