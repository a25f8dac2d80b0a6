"""Pictures to files: PNG, JPEG and WebP with their recipe inside, and sheets of many pictures.

Encoding is a pure function: same pixels, recipe and codec versions (`ENCODER`), same bytes. Runs on the encode pool.
"""

import math
from io import BytesIO
from typing import Any, Literal

import isal
import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, features

from app.media import png
from app.media.provenance import Provenance

Pixels = NDArray[np.uint8]
Format = Literal["png", "jpeg", "webp"]

MODES = {1: "L", 3: "RGB", 4: "RGBA"}

# JPEG keeps full colour resolution: generated pictures are small. WebP is lossless and so holds the PNG's pixels;
# method 0 is its quickest. PNG has a writer of its own.
OPTIONS: dict[Format, dict[str, Any]] = {
    "jpeg": {"quality": 95, "subsampling": 0},
    "webp": {"lossless": True, "method": 0, "exact": True},
}

LONGEST_SIDE: dict[Format, int] = {"jpeg": 65_500, "webp": 16_383}
"""Pixels that a side may have in the formats that have such a limit."""

LONGEST_RECIPE: dict[Format, int] = {"jpeg": 65_504}
"""Bytes of XMP in the formats that have such a limit; JPEG holds it in a segment, whose length has two bytes."""

CODECS = ("libjpeg_turbo", "jpg", "webp")
LIBRARIES = {
    "isal": isal.ISAL_VERSION,
    "pillow": PIL.__version__,
    **{name: features.version(name) for name in CODECS},
}
ENCODER = "4 " + " ".join(f"{name}/{version}" for name, version in LIBRARIES.items())
"""What the bytes depend on besides pixels and recipe. The first number counts changes of options and metadata."""


def encode(pixels: Pixels, file_format: Format, recipe: Provenance) -> bytes:
    """One picture, uint8 [h, w, c] with 1, 3 or 4 channels, as a file that carries its recipe.

    JPEG has no transparency: RGBA is laid on white. Raises `ValueError` for any other number of channels.
    """
    mode = MODES.get(pixels.shape[-1])
    if pixels.ndim != 3 or mode is None:
        raise ValueError(f"a picture is uint8 [h, w, c] with 1, 3 or 4 channels, not {list(pixels.shape)}")
    if file_format == "png":
        return png.encode(pixels, _texts(recipe))
    height, width = pixels.shape[:2]
    picture = Image.frombuffer(mode, (width, height), np.ascontiguousarray(pixels), "raw", mode, 0, 1)
    if file_format == "jpeg" and mode == "RGBA":
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture).convert("RGB")
    out = BytesIO()
    picture.save(out, file_format, xmp=recipe.xmp, **OPTIONS[file_format])
    return out.getvalue()


def sheet(pictures: Pixels, columns: int) -> Pixels:
    """Pictures uint8 [n, h, w, c] laid in rows of `columns`, uint8 [rows·h, columns·w, c]; empty cells are zero."""
    n, height, width, channels = pictures.shape
    rows = math.ceil(n / columns)
    cells = np.zeros((rows * columns, height, width, channels), np.uint8)
    cells[:n] = pictures
    table = cells.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return table.reshape(rows * height, columns * width, channels)


def square(n: int) -> int:
    """The columns of a near-square sheet of `n` pictures: never fewer columns than rows."""
    return math.ceil(math.sqrt(n))


def _texts(recipe: Provenance) -> dict[str, bytes]:
    """PNG's texts: XMP for programs, and the recipe as plain JSON for whoever looks inside."""
    return {
        "Software": recipe.software.encode(),
        "Recipe": recipe.json_text.encode(),
        "XML:com.adobe.xmp": recipe.xmp,
    }
