"""One encoded picture to one array: oriented, opaque, antialiased, centre-cropped. Pillow only."""

import io

import numpy as np
from PIL import Image, ImageOps

from training.data.pictures import Pixels


def decode(data: bytes, size: int, channels: int) -> Pixels:
    """The picture in `data`, of any mode and size, as uint8 [size, size, channels].

    EXIF orientation is applied, transparency is composed on white, of an animation the first frame is taken, and
    16-bit grey is scaled to 8. Raises what Pillow raises on a broken file or a decompression bomb, and `ValueError`
    for float pictures, whose range nobody knows.
    """
    with Image.open(io.BytesIO(data)) as picture:
        # JPEG only: lets the decoder leave out detail that the resize would average away, down to twice the size.
        picture.draft(None, (2 * size, 2 * size))
        return resize(opaque(ImageOps.exif_transpose(picture)), size, channels)


def resize(picture: Image.Image, size: int, channels: int) -> Pixels:
    """The centre square of a picture as uint8 [size, size, channels], Lanczos; left as it is where the size fits."""
    side = min(picture.size)
    left, top = (picture.width - side) / 2, (picture.height - side) / 2
    plain = picture.convert("RGB" if channels == 3 else "L")
    square = plain.resize((size, size), Image.Resampling.LANCZOS, box=(left, top, left + side, top + side))
    return np.array(square, np.uint8).reshape(size, size, channels)


def opaque(picture: Image.Image) -> Image.Image:
    """The same picture in 8 bits and without transparency; `ValueError` for float pictures."""
    if picture.mode == "F":
        raise ValueError("32-bit float pictures have no stated range: save it with 8 or 16 bits")
    if picture.mode == "I" or picture.mode.startswith("I;16"):
        return Image.fromarray((np.clip(np.asarray(picture.convert("I")), 0, 65535) // 257).astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture
