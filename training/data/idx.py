"""idx files, as MNIST is kept: `train-images-idx3-ubyte`, the test file and the labels beside it, plain or .gz."""

import gzip
import math
import re
import zlib
from pathlib import Path

import numpy as np

from training.data.arrays import check, fit, label
from training.data.pictures import DataError, NoSplit, Pictures, Pixels, Split

IMAGES = re.compile(r"images[-.]idx3-ubyte(\.gz)?$")
SPLIT = re.compile(r"train|t10k|test")


def holds(path: Path) -> bool:
    """Whether the path is an idx file of pictures, or a folder with one in it."""
    return bool(_images(path))


def load(path: Path, *, size: int, channels: int, split: Split) -> Pictures:
    """The pictures of one split of a folder, or of the set that a file belongs to; classes are named by their numbers.

    `DataError` for a malformed file, and for a folder of several sets; `NoSplit` where the split's file isn't there.
    """
    files = _images(path) if path.is_dir() else [file for file in _images(path.parent) if _set(file) == _set(path)]
    if len({_set(file) for file in files}) > 1:
        raise DataError(f"{path} holds several sets ({', '.join(file.name for file in files)}): give one of the files")
    by_split = {_split(file): file for file in files}
    if split not in by_split:
        raise NoSplit(f"{path} has no {split} split: found {', '.join(file.name for file in files)}")
    file = by_split[split]
    source = f"{file.name} {split}"
    images = fit(check(_read(file), str(file)), size, channels, source)
    labels = {name: _labels(file) for name, file in by_split.items()}
    return label(images, labels[split], None, source, labels.get("test" if split == "train" else "train"))


def _images(path: Path) -> list[Path]:
    files = path.iterdir() if path.is_dir() else [path]
    return sorted(file for file in files if file.is_file() and IMAGES.search(file.name))


def _set(file: Path) -> str:
    """What the files of one data set have in common, e.g. `emnist-letters-` of its training and its test pictures."""
    return SPLIT.sub("", IMAGES.sub("", file.name))


def _split(file: Path) -> Split:
    word = SPLIT.search(file.name)
    return "test" if word and word[0] != "train" else "train"


def _labels(images: Path) -> Pixels | None:
    name = images.name.replace("images", "labels").replace("idx3", "idx1").removesuffix(".gz")
    found = [file for file in (images.with_name(name), images.with_name(f"{name}.gz")) if file.exists()]
    return _read(found[0]) if found else None


def _read(file: Path) -> Pixels:
    """The array in an idx file: two zero bytes, the type (8 is uint8), the rank, big-endian sizes, values."""
    try:
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{file} can't be read: {error}") from error
    if len(data) < 4 or data[:3] != b"\0\0\x08" or len(data) < 4 + 4 * data[3]:
        raise DataError(
            f"{file} is no idx file of bytes: expected it to begin with 00 00 08, found {data[:4].hex(' ')}"
        )
    shape = tuple(np.frombuffer(data, ">u4", data[3], 4).tolist())
    start = 4 + 4 * len(shape)
    if len(data) - start != math.prod(shape):
        raise DataError(f"{file} holds {len(data) - start} values, its header says {shape}: it is cut off or altered")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
