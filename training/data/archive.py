"""A zip of pictures, or of class folders of pictures. Nothing is unpacked to disk: pictures are decoded from memory."""

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from training.data.gather import decode_all
from training.data.layout import arrange
from training.data.pictures import DataError, Pictures, Split

LARGEST = 256 * 2**20
"""The most bytes that one entry may unpack to: no picture needs more, and a zip bomb does."""


@contextmanager
def opened(file: Path) -> Iterator[tuple[list[PurePosixPath], Callable[[PurePosixPath], bytes]]]:
    """The entries of `file` by their paths in it, and what unpacks one.

    `DataError` if it is no zip, or if an entry's name points out of it.
    """
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{file} can't be read as a zip: {error}") from error
    with archive:
        entries = {PurePosixPath(entry.filename): entry for entry in archive.infolist() if not entry.is_dir()}
        for path in entries:
            if path.is_absolute() or ".." in path.parts:
                raise DataError(f"{file} names {path}, which lies outside of it: pack it again with relative names")

        def read(path: PurePosixPath) -> bytes:
            entry = entries[path]
            if entry.file_size > LARGEST:
                raise ValueError(f"unpacks to {entry.file_size:,} bytes, more than {LARGEST:,}")
            return archive.read(entry)

        yield list(entries), read


def load(file: Path, *, size: int, channels: int, split: Split, max_broken: float) -> Pictures:
    """The pictures in `file`; see `layout.arrange` for what its folders mean, and `opened` for errors."""
    with opened(file) as (entries, read):
        return decode_all(
            arrange(entries, split, str(file)),
            read,
            size=size,
            channels=channels,
            max_broken=max_broken,
            source=f"{file.name} {split}",
        )
