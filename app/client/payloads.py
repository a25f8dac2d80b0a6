"""What is given to a verb, as the bytes of a file that the service reads."""

from collections.abc import Sequence
from io import BytesIO
from os import PathLike
from pathlib import Path
from zipfile import ZipFile

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

File = bytes | str | PathLike[str]
"""A file's bytes, or its path."""

Picture = File | Image.Image | NDArray[np.uint8]
"""A picture: a file of any kind that the service reads, a PIL image, or uint8 [h, w], [h, w, 3] or [h, w, 4]."""

Clip = File | NDArray[np.uint8] | Sequence[Picture]
"""Frames: a film's file of any kind that the service reads, uint8 [k, h, w] or [k, h, w, c], or a list of pictures."""


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


def clip(given: Clip) -> bytes:
    """The bytes of a clip's file; arrays become npy, and lists of pictures a zip of them.

    Raises `ValueError` for an array that is no such clip, and what `picture` raises.
    """
    if isinstance(given, np.ndarray):
        if given.dtype != np.uint8 or given.ndim not in (3, 4):
            raise ValueError(f"a clip must be uint8 [k, h, w] or [k, h, w, c], not {_form(given)}")
        return _npy(given)
    if isinstance(given, bytes | str | PathLike):
        return file(given)
    out = BytesIO()
    with ZipFile(out, "w") as archive:
        for number, one in enumerate(given):
            archive.writestr(f"{number:06}", picture(one))
    return out.getvalue()


def array(latents: ArrayLike) -> bytes:
    """Latents as float32 in numpy's file format, npy; `ValueError` for what is no array of numbers."""
    return _npy(numbers(latents))


def numbers(latents: ArrayLike) -> NDArray[np.float32]:
    """Latents as float32, of whatever shape; `ValueError` for what is no array of numbers."""
    try:
        return np.asarray(latents, np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"latents must be numbers, [n, size] or [size]: {error}") from error


def _npy(values: NDArray[np.uint8] | NDArray[np.float32]) -> bytes:
    out = BytesIO()
    np.save(out, values, allow_pickle=False)
    return out.getvalue()


def _form(values: NDArray[np.uint8]) -> str:
    """The type and shape of an array, in words."""
    return f"{values.dtype} [{', '.join(map(str, values.shape))}]"


def _image(pixels: NDArray[np.uint8]) -> Image.Image:
    channels = 1 if pixels.ndim == 2 else pixels.shape[-1]
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or channels not in (1, 3, 4):
        raise ValueError(f"a picture must be uint8 [h, w], [h, w, 3] or [h, w, 4], not {_form(pixels)}")
    return Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and channels == 1 else pixels)
