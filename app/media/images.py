"""Pictures to files: PNG, JPEG and WebP with their recipe inside, and sheets of many pictures.

Encoding is a pure function: same pixels, recipe and codec versions (`ENCODER`), same bytes. Runs on the encode pool.
"""

import math
from io import BytesIO
from typing import Any, Literal

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, features
from PIL.PngImagePlugin import PngInfo

from app.media.provenance import Recipe, xmp

Pixels = NDArray[np.uint8]
Format = Literal["png", "jpeg", "webp"]

MODES = {1: "L", 3: "RGB", 4: "RGBA"}

# Level 1 draws 64×64 pictures into PNG 1.1 to 1.2 times as fast as level 6 and 256×256 ones 1.5 times, 8 to 10 %
# larger; levels 2 and 3 gain nothing over it. JPEG keeps full colour resolution: generated pictures are small. WebP is
# lossless and so holds the PNG's pixels; method 0 is its quickest.
OPTIONS: dict[Format, dict[str, Any]] = {
    "png": {"compress_level": 1},
    "jpeg": {"quality": 95, "subsampling": 0},
    "webp": {"lossless": True, "method": 0, "exact": True},
}

LONGEST_SIDE: dict[Format, int] = {"jpeg": 65_500, "webp": 16_383}
"""Pixels that a side may have in the formats that have such a limit."""

CODECS = ("zlib", "zlib_ng", "libjpeg_turbo", "jpg", "webp")
ENCODER = "1 " + " ".join([f"pillow/{PIL.__version__}", *(f"{name}/{features.version(name)}" for name in CODECS)])
"""What the bytes depend on besides pixels and recipe. The first number counts changes of options and metadata."""


def encode(pixels: Pixels, file_format: Format, recipe: Recipe) -> bytes:
    """One picture, uint8 [h, w, c] with 1, 3 or 4 channels, as a file that carries its recipe.

    JPEG has no transparency: RGBA is laid on white. Raises `ValueError` for any other number of channels.
    """
    picture = _picture(pixels)
    extra: dict[str, Any] = {"xmp": xmp(recipe)}
    if file_format == "png":
        extra = {"pnginfo": _chunks(recipe)}
    elif file_format == "jpeg" and picture.mode == "RGBA":
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture).convert("RGB")
    out = BytesIO()
    picture.save(out, file_format, **OPTIONS[file_format], **extra)
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


def _picture(pixels: Pixels) -> Image.Image:
    mode = MODES.get(pixels.shape[-1])
    if pixels.ndim != 3 or mode is None:
        raise ValueError(f"a picture is uint8 [h, w, c] with 1, 3 or 4 channels, not {list(pixels.shape)}")
    height, width = pixels.shape[:2]
    return Image.frombuffer(mode, (width, height), np.ascontiguousarray(pixels), "raw", mode, 0, 1)


def _chunks(recipe: Recipe) -> PngInfo:
    """PNG's text chunks: XMP for programs, and the recipe as plain JSON for whoever looks inside."""
    chunks = PngInfo()
    chunks.add_text("Software", recipe.software)
    chunks.add_itxt("Recipe", recipe.json_text())
    chunks.add_itxt("XML:com.adobe.xmp", xmp(recipe))
    return chunks
