"""A decoded picture of any mode in sRGB, without transparency.

Modes are Pillow's; profiles are ICC profiles, followed by Little CMS. Used by `pictures`.
"""

from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

RGB = tuple[int, int, int]

SRGB = ImageCms.createProfile("sRGB")

SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
"""The colour space that a profile must be of, by mode, as ICC.1:2022 names it (section 7.2.6)."""

SWATCHES = (15 * np.indices((18, 18, 18))).reshape(3, 18, 18 * 18).transpose(1, 2, 0).astype(np.uint8)
"""Colours from all over the cube."""

KEPT_PROFILE = 2**15
"""Bytes of the largest profile that is remembered."""


class ModeError(ValueError):
    """A picture whose values have no stated range or meaning; the message says what to do."""


def to_srgb(picture: Image.Image, background: RGB) -> Image.Image:
    """A loaded picture as RGB, its colours converted by its ICC profile, what is transparent laid on `background`.

    A profile that is broken, or of another colour space than the picture, is passed over, as browsers do. Raises
    `ModeError` for whole numbers of 32 bits, floats and CIELAB.
    """
    profile = picture.info.get("icc_profile")
    picture, alpha = _parts(picture)
    if profile:
        picture = _converted(picture, profile)
    opaque = _as(picture, "RGB")
    if alpha is None:
        return opaque
    canvas = Image.new("RGB", picture.size, background)
    canvas.paste(opaque, mask=alpha)
    return canvas


def _parts(picture: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """The colours of a picture, in a mode of `SPACES`, and its alpha, L, if it has any."""
    if picture.mode.startswith("I;16"):
        return _eight_bits(picture)
    if picture.mode not in {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"}:
        raise ModeError(f"its values are of mode {picture.mode!r}: save it as RGB or grey of 8 or 16 bits")
    grey = picture.mode in {"1", "L", "LA", "La"}
    if not picture.has_transparency_data:
        return picture if picture.mode == "CMYK" else _as(picture, "L" if grey else "RGB"), None
    if picture.mode == "La":
        picture = picture.convert("LA")
    picture = _as(picture, "LA" if grey else "RGBA")
    return picture.convert("L" if grey else "RGB"), picture.getchannel("A")


def _eight_bits(picture: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Grey of 16 bits rounded to 8, which Pillow would clip, and its alpha where PNG names a value transparent."""
    values = np.asarray(picture).astype(np.uint32)
    clear = picture.info.get("transparency")
    alpha = None if clear is None else Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8))
    return Image.fromarray(((values + 128) // 257).astype(np.uint8)), alpha


def _converted(picture: Image.Image, profile: bytes) -> Image.Image:
    """The picture in sRGB where its profile says that it isn't, and can be followed."""
    # A profile takes some milliseconds to work out, more than a small picture; cameras and programs have few of them.
    # Only small ones are kept, so that uploads can't fill the memory.
    follow = _transform if len(profile) <= KEPT_PROFILE else _transform.__wrapped__
    transform = follow(profile, picture.mode)
    return picture if transform is None else transform.apply(picture)


@lru_cache(maxsize=64)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """What brings pictures of a mode to sRGB by a profile; None where they are to stay as they are."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if source.profile.xcolor_space.strip() != SPACES[mode]:
            return None
        transform = ImageCms.buildTransform(source, SRGB, mode, "RGB")
    except (ImageCms.PyCMSError, OSError):
        return None
    if mode != "RGB":
        return transform
    # Most profiles are sRGB under one of its many names. The pixels of such pictures stay as they are.
    converted = np.asarray(transform.apply(Image.fromarray(SWATCHES))).astype(int)
    return transform if np.abs(converted - SWATCHES).max() > 1 else None


def _as(picture: Image.Image, mode: str) -> Image.Image:
    """The picture in a mode; itself, not a copy, if it is in that mode."""
    return picture if picture.mode == mode else picture.convert(mode)
