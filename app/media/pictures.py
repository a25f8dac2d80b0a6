"""Uploaded bytes to pixels, and pixels to the size and the channels that a model takes.

A picture is refused by its header, before it costs memory. What comes out is sRGB as it is meant to be seen. Runs off
the event loop; used by the endpoints that take pictures.
"""

from io import BytesIO

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from app.errors import PictureTooLarge, Problem, TooManyFrames, UnreadablePicture
from app.media import headers, tiff
from app.media.colour import RGB, ModeError, to_srgb
from app.media.images import MODES, Pixels

WHITE: RGB = (255, 255, 255)

Box = tuple[float, float, float, float]
"""Left, top, right and bottom of a part of a picture, in pixels."""

READERS: dict[str, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
}
"""By kind. `Image.open` would do the same, and warn or refuse by limits of its own, which are global."""

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes an orientation (Exif 3.0, section 4.6.5.1.6)."""

UNPACKED = 4
"""How many times `max_pixels` a file may unpack to in all: its picture, its alpha, a thumbnail, margins of tiles."""


def decode(data: bytes, *, max_pixels: int, max_frames: int, background: RGB = WHITE) -> Pixels:
    """The picture in an uploaded file, uint8 [h, w, 3], sRGB, read-only.

    JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF, by its bytes; of an animation the first frame, of pages the first. Turned
    as its EXIF says, brought to sRGB by its ICC profile, what is transparent laid on `background`. Raises
    `UnsupportedPicture` for any other kind of file, `PictureTooLarge` and `TooManyFrames` before anything is unpacked,
    `UnreadablePicture` for files that are truncated or damaged, or hold what can't be shown.
    """
    header = headers.read(data)
    _require(header.width, header.height, max_pixels)
    if header.unpacked > UNPACKED * max_pixels:
        flaw = (
            f"its parts unpack to {header.unpacked} pixels in all, more than {UNPACKED} times the {max_pixels} allowed"
        )
        raise UnreadablePicture(header.kind, flaw)
    if header.frames > max_frames:
        raise TooManyFrames(max_frames)
    try:
        with READERS[header.kind](BytesIO(header.data)) as picture:
            # Again, of what the decoder itself will make room for.
            _require(*picture.size, max_pixels)
            picture.load()
            seen = to_srgb(picture, background)
            turn = TURNS.get(tiff.orientation(picture.info.get("exif", b"")))
    except (Problem, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        # Pillow's own limit, 179 million pixels unless it was changed, holds for WebP and TIFF whatever ours is.
        raise PictureTooLarge(header.width, header.height, max_pixels) from error
    except ModeError as error:
        raise UnreadablePicture(header.kind, str(error)) from error
    except Exception as error:
        # Damaged bytes make Pillow's readers raise nearly anything.
        flaw = f"it is truncated, damaged or of a make that isn't supported ({error})"
        raise UnreadablePicture(header.kind, flaw) from error
    return np.asarray(seen if turn is None else seen.transpose(turn))


def resize(pixels: Pixels, height: int, width: int, box: Box | None = None) -> Pixels:
    """The picture, uint8 [h, w, c] with 1, 3 or 4 channels, or a box of it, at another size.

    By Lanczos' filter, without aliasing. Raises ValueError for any other number of channels.
    """
    channels = _supported(pixels.shape[-1])
    # Transparent pixels don't bleed into others: Pillow weighs colours by their alpha.
    picture = Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)
    resized = picture.resize((width, height), Image.Resampling.LANCZOS, box)
    return np.asarray(resized).reshape(height, width, channels)


def with_channels(pixels: Pixels, channels: int) -> Pixels:
    """A picture, uint8 [h, w, 3], as [h, w, channels]: 1 is its luma (ITU-R BT.601), 4 has an opaque alpha.

    Raises ValueError for any other number of channels.
    """
    converted = Image.fromarray(pixels).convert(MODES[_supported(channels)])
    return np.asarray(converted).reshape(*pixels.shape[:2], channels)


def _supported(channels: int) -> int:
    if channels not in MODES:
        raise ValueError(f"a picture has 1, 3 or 4 channels, not {channels}")
    return channels


def _require(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise PictureTooLarge(width, height, max_pixels)
