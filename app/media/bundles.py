"""Many samples in one file: a zip of pictures, or the bare array. Deterministic, like the pictures themselves."""

import math
from collections.abc import Iterable
from io import BytesIO
from typing import Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

# The earliest date that zip can hold: a fixed one keeps the bytes a function of the content.
EPOCH = (1980, 1, 1, 0, 0, 0)

NPY_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
"""What reads shape, order and type, by version of the format; both refuse headers that are too long to parse."""


def archive(files: Iterable[tuple[str, bytes]]) -> bytes:
    """A zip of named files. Stored, not deflated: pictures are compressed already."""
    out = BytesIO()
    with ZipFile(out, "w", ZIP_STORED) as bundle:
        for name, data in files:
            entry = ZipInfo(name, EPOCH)
            entry.external_attr = 0o644 << 16
            bundle.writestr(entry, data)
    return out.getvalue()


def npy(array: NDArray[Any]) -> bytes:
    """An array of numbers in numpy's file format, version 1.0."""
    out = BytesIO()
    np.lib.format.write_array(out, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return out.getvalue()


def from_npy(data: bytes, *types: str) -> NDArray[Any]:
    """The array in a file of numpy's format, of any shape and of one of these types (`uint8`), as a view of the bytes.

    Nothing is unpickled, and a header that promises more than there is costs nothing. Raises ValueError, with what is
    wrong, for other types and for files that aren't whole.
    """
    file = BytesIO(data)
    try:
        shape, by_columns, dtype = NPY_HEADERS[np.lib.format.read_magic(file)](file)
    except Exception as error:
        # The header is an expression of Python's: what it raises can be nearly anything.
        raise ValueError("its header is damaged or cut off, or of a version that no array of numbers needs") from error
    if dtype.name not in types:
        raise ValueError(f"its values are {dtype.name}, not {' or '.join(types)}")
    count = math.prod(shape)
    size, there = count * dtype.itemsize, len(data) - file.tell()
    if min(shape, default=0) < 0 or there != size:
        raise ValueError(f"its shape, {list(shape)}, takes {size} bytes, and it has {there}")
    return np.frombuffer(data, dtype, count, file.tell()).reshape(shape, order="F" if by_columns else "C")
