"""Many samples in one file: a zip of pictures, or the bare array. Deterministic, like the pictures themselves."""

from collections.abc import Iterable
from io import BytesIO
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np

from app.media.images import Pixels

# The earliest date that zip can hold: a fixed one keeps the bytes a function of the content.
EPOCH = (1980, 1, 1, 0, 0, 0)


def archive(files: Iterable[tuple[str, bytes]]) -> bytes:
    """A zip of named files. Stored, not deflated: pictures are compressed already."""
    out = BytesIO()
    with ZipFile(out, "w", ZIP_STORED) as bundle:
        for name, data in files:
            entry = ZipInfo(name, EPOCH)
            entry.external_attr = 0o644 << 16
            bundle.writestr(entry, data)
    return out.getvalue()


def npy(pixels: Pixels) -> bytes:
    """An array, uint8 [n, h, w, c], in numpy's file format, version 1.0."""
    out = BytesIO()
    np.lib.format.write_array(out, np.ascontiguousarray(pixels), version=(1, 0), allow_pickle=False)
    return out.getvalue()
