"""Numbers in numpy's file format: from an upload to an array, and nothing that is pickled.

The header is believed only as far as the file is long: a shape of billions costs nothing.
"""

import math
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC = b"\x93NUMPY"
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
"""What reads shape, order and type, by version of the format; both refuse headers that are too long to parse."""


def read(data: bytes) -> NDArray[Any]:
    """The array in an npy file, of whole or floating numbers in any order of bytes, as a read-only view.

    Raises ValueError, which says what is wrong, for other types and for files that are no such file or not whole.
    """
    if not data.startswith(MAGIC):
        raise ValueError("it doesn't begin as an npy file does")
    file = BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        shape, by_columns, dtype = HEADERS[version](file)
    except Exception as error:
        # Python's own parser reads the header, and has many ways to fail.
        raise ValueError("its header can't be read") from error
    if dtype.kind not in "iuf":
        raise ValueError(f"its values are {dtype}, not numbers")
    size, start = math.prod(shape), file.tell()
    if len(data) - start != size * dtype.itemsize:
        takes = f"its shape, {list(shape)} of {dtype}, takes {size * dtype.itemsize} bytes"
        raise ValueError(f"{takes}, and it has {len(data) - start}")
    return np.frombuffer(data, dtype, size, start).reshape(shape, order="F" if by_columns else "C")
