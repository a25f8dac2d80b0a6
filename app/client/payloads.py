"""What is given to a verb, as the bytes of a file that the service reads."""

from io import BytesIO
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

File = bytes | str | PathLike[str]
"""A file's bytes, or its path."""

Picture = File | Image.Image | NDArray[np.uint8]
"""A picture: a file of any kind that the service reads, a PIL image, or uint8 [h, w], [h, w, 3] or [h, w, 4]."""


def file(given: File) -> bytes:
    """The bytes of a file; `OSError` if it can't be read."""
    return given if isinstance(given, bytes) else Path(given).read_bytes()


def picture(given: Picture) -> bytes:
    """The bytes of a picture's file; PIL images and arrays become PNG, which loses nothing.

    Raises `ValueError` for an array or an image that is no such picture.
    """
    if isinstance(given, np.ndarray):
        given = _image(given)
    if isinstance(given, Image.Image):
        out = BytesIO()
        try:
            given.save(out, "png", compress_level=1)
        except OSError as error:
            message = f"an image of mode {given.mode} can't be sent as PNG; convert it to RGB, or give its file"
            raise ValueError(message) from error
        return out.getvalue()
    return file(given)


def _image(pixels: NDArray[np.uint8]) -> Image.Image:
    channels = 1 if pixels.ndim == 2 else pixels.shape[-1]
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or channels not in (1, 3, 4):
        found = f"{pixels.dtype} [{', '.join(map(str, pixels.shape))}]"
        raise ValueError(f"a picture must be uint8 [h, w], [h, w, 3] or [h, w, 4], not {found}")
    return Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and channels == 1 else pixels)
