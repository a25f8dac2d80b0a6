"""A reader of pictures that move: GIF, animated WebP and APNG, through Pillow.

Each frame comes as it is seen, with what earlier ones left standing, in sRGB as a still comes from `pictures`.
"""

import struct
from collections.abc import Iterator
from io import BytesIO

import numpy as np

from app.errors import Problem, UnreadableClip, UnreadablePicture
from app.media import headers, pictures
from app.media.colour import RGB, ModeError, to_srgb
from app.media.frames import Frame, Limits

FRAME_CHUNKS = {b"acTL", b"fcTL", b"IDAT", b"fdAT"}
"""Of an APNG."""

UNSEEN, INSTEAD = 11, 100
"""Milliseconds: browsers show a frame that asks for ten or fewer for a hundred."""


def read(data: bytes, kind: str, limits: Limits, background: RGB) -> Iterator[Frame]:
    """The frames of an animation, or the one of a still, which has no time, what is transparent laid on `background`.

    Raises `ClipTooLong` by the header, before anything is unpacked, and `UnreadableClip` for a file that is truncated
    or damaged, and for a GIF whose later frames reach beyond its screen.
    """
    try:
        header = headers.read(data)
    except UnreadablePicture as problem:
        raise UnreadableClip(kind, "it is truncated or damaged") from problem
    limits.require(header.frames, header.height, header.width)
    try:
        with pictures.READERS[kind](BytesIO(_needed(data, header))) as film:
            # Again, of what the decoder itself will make room for.
            limits.require(1, film.height, film.width)
            # An APNG may have a picture besides, for those who can't show it move.
            numbers = range(int(getattr(film, "default_image", False)), getattr(film, "n_frames", 1))
            for number in numbers:
                film.seek(number)
                film.load()
                seconds = _seconds(film.info.get("duration", 0)) if len(numbers) > 1 else None
                yield Frame(np.asarray(to_srgb(film, background)), seconds)
    except (Problem, MemoryError):
        raise
    except ModeError as error:
        raise UnreadableClip(kind, str(error)) from error
    except Exception as error:
        # Damaged bytes make Pillow's readers raise nearly anything.
        raise UnreadableClip(kind, f"it is truncated or damaged ({error})") from error


def _seconds(milliseconds: float) -> float:
    return (milliseconds if milliseconds >= UNSEEN else INSTEAD) / 1000


def _needed(data: bytes, header: headers.Header) -> bytes:
    """What of a file bears on its frames: texts can unpack to four thousand times their size."""
    match header.kind:
        case "GIF":
            return _gif(data, header.width, header.height)
        case "PNG":
            return _png(data)
    return data


def _gif(data: bytes, width: int, height: int) -> bytes:
    """Head, frames and their controls. Raises `UnreadableClip` if one reaches beyond the first: Pillow would grow."""
    head, *blocks = headers.gif_blocks(data)
    kept = [block for block in blocks if block[0] == headers.GIF_FRAME or block[1] == headers.GIF_CONTROL]
    for block in kept:
        if block[0] == headers.GIF_FRAME:
            left, top, wide, high = struct.unpack_from("<4H", block, 1)
            if left + wide > width or top + high > height:
                raise UnreadableClip("GIF", f"a frame reaches beyond its screen of {width}×{height} pixels")
    return head + b"".join(kept)


def _png(data: bytes) -> bytes:
    """What a still needs, each kind once, and the frames."""
    kept = [data[:8]]
    seen: set[bytes] = set()
    for kind, chunk in headers.png_chunks(data):
        if kind in FRAME_CHUNKS or kind in headers.PNG_CHUNKS - seen:
            kept.append(chunk)
        seen.add(kind)
    return b"".join(kept)
