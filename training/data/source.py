"""Any source of pictures, by what it looks like."""

from pathlib import Path

from training.data import archive, digits, folder, idx, npz
from training.data.pictures import DataError, Pictures, Split

READABLE = (
    "a folder of pictures or of class folders, a .zip of one, an .npz, idx files (…-images-idx3-ubyte), or 'digits'"
)


def load(source: str | Path, *, size: int, channels: int, split: Split = "train", max_broken: float = 0.01) -> Pictures:
    """Reads pictures as uint8 [N, size, size, channels] in a fixed order.

    `source` is a path (a folder called digits is `./digits`), `channels` 1 (grey) or 3 (RGB); up to the share
    `max_broken` of pictures may be unreadable. Raises `DataError`, or `NoSplit` where only the split is missing.
    """
    if size < 1 or channels not in (1, 3):
        raise DataError(f"pictures of size {size} with {channels} channels: expected a size from 1 and 1 or 3 channels")
    if source == "digits":
        return digits.load(size=size, channels=channels, split=split)
    path = Path(source)
    if not path.exists():
        raise DataError(f"{path} doesn't exist: expected {READABLE}")
    if path.is_dir() and not idx.holds(path):
        return folder.load(path.resolve(), size=size, channels=channels, split=split, max_broken=max_broken)
    if path.suffix.lower() == ".zip":
        return archive.load(path, size=size, channels=channels, split=split, max_broken=max_broken)
    if path.suffix.lower() == ".npz":
        return npz.load(path, size=size, channels=channels, split=split)
    if idx.holds(path):
        return idx.load(path, size=size, channels=channels, split=split)
    raise DataError(f"{path} is no known kind of data set: expected {READABLE}")
