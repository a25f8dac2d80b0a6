"""Arrays in an .npz: `x_train, y_train, x_test, y_test` as Keras keeps its sets, or `images, labels`."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

from training.data.arrays import check, fit, label
from training.data.pictures import DataError, NoSplit, Pictures, Split

KEYS = "x_train, y_train, x_test, y_test, or images, labels; labels are optional, and so are their names in classes"


def load(file: Path, *, size: int, channels: int, split: Split) -> Pictures:
    """The pictures of one split; see `arrays.check` and `arrays.label` for what is taken.

    `DataError` for other keys, and for pickled objects, which are never loaded; `NoSplit` where the split isn't there.
    """
    source = f"{file.name} {split}"
    with opened(file) as content:
        keys = content.files
        pair, other = (f"x_{split}", f"y_{split}"), f"y_{'test' if split == 'train' else 'train'}"
        if split == "train" and "images" in keys:
            pair, other = ("images", "labels"), "labels"
        if pair[0] not in keys:
            raise _missing(file, keys, pair[0])
        wanted = {key: content[key] for key in (*pair, other, "classes") if key in keys}
    images = fit(check(wanted[pair[0]], f"{pair[0]} in {file}"), size, channels, source)
    names = [str(name) for name in wanted["classes"]] if "classes" in wanted else None
    return label(images, wanted.get(pair[1]), names, source, wanted.get(other))


@contextmanager
def opened(file: Path) -> Iterator[NpzFile]:
    """The arrays of a file by name, each read when it is asked for.

    `DataError` for what is no .npz, and for what of it can't be read: damaged arrays, and pickled objects.
    """
    try:
        with np.load(file, allow_pickle=False) as content:
            yield content
    except DataError:
        raise
    except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{file} can't be read as an npz of plain arrays: {error}") from error


def _missing(file: Path, keys: list[str], expected: str) -> DataError:
    found = ", ".join(keys) or "none"
    if expected == "x_test" and {"images", "x_train"} & set(keys):
        return NoSplit(f"{file} has no test split: expected the key x_test, found {found}")
    return DataError(f"{file} holds no pictures under a known key: expected {KEYS}; found {found}")
