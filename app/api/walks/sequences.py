"""Pictures that follow upon each other, as they are answered: beside what `answers` makes, films and larger pixels.

Used by the verbs that draw walks through the latent space. `body` runs on the encode pool.
"""

import math
from typing import Annotated, Protocol, cast

from pydantic import Field

from app.api import answers
from app.api.answers import Pictured
from app.api.layouts import APART, FPS, Format
from app.contract import Manifest
from app.engine.job import Arrays, Finish
from app.errors import InvalidParameter
from app.media import animation, images

Upscale = Annotated[int, Field(ge=1, le=16, description="each pixel is drawn as that many squared")]
FilmRate = Annotated[
    float | None,
    Field(
        ge=animation.SLOWEST,
        le=animation.FASTEST,
        description=f"frames a second of an animation; {FPS:g} if not given",
    ),
]


class Sending(Protocol):
    """The parameters that say how pictures of a sequence are sent."""

    @property
    def picture(self) -> images.Format | None: ...

    @property
    def upscale(self) -> int: ...

    @property
    def fps(self) -> float | None: ...


class Sequence(Pictured, Protocol):
    """Pictures in their order, in one layout and format."""

    @property
    def manifest(self) -> Manifest:
        """The model that draws them."""
        ...

    @property
    def moves(self) -> bool:
        """Whether the answer is a film."""
        ...

    @property
    def numbers(self) -> range:
        """The numbers of those that are drawn."""
        ...

    @property
    def loop(self) -> bool:
        """Whether a film is shown again and again."""
        ...

    @property
    def fps(self) -> float:
        """Frames a second of a film."""
        ...

    @property
    def upscale(self) -> int:
        """Each pixel is drawn as that many squared."""
        ...


def body(sequence: Sequence, image: str) -> Finish[bytes]:
    """What makes the file of the outputs, of which `image` is the picture, uint8 [h, w, c] of each sample."""
    if sequence.moves:
        return lambda outputs: animation.encode(
            outputs[image],
            cast(animation.Format, sequence.format),
            rate=sequence.fps,
            loop=sequence.loop,
            scale=sequence.upscale,
            xmp=sequence.recipe().xmp,
        )
    if sequence.upscale == 1:
        return answers.body(sequence, image)

    def large(outputs: Arrays) -> bytes:
        pixels = images.sheet(outputs[image], sequence.columns or 1)
        pixels = pixels.repeat(sequence.upscale, axis=0).repeat(sequence.upscale, axis=1)
        return images.encode(pixels, sequence.picture, sequence.recipe())

    return large


def require_fitting(asked: Sending, file_format: Format, *, moves: bool) -> None:
    """Refuses parameters that the format has no place for, or an answer that is no film."""
    if asked.picture is not None and file_format not in ("json", "zip"):
        raise InvalidParameter.of("picture", f"is of json and zip, not of {file_format}; leave picture out")
    if asked.upscale > 1 and file_format in APART:
        apart = "which holds the pictures as they are drawn"
        raise InvalidParameter.of("upscale", f"is not of {file_format}, {apart}; leave upscale out")
    if asked.fps is not None and not moves:
        raise InvalidParameter.of("fps", "is of gif, webp, apng and mp4, if they are animations; leave fps out")


def require_room(sequence: Sequence, pixels: int) -> None:
    """Refuses what its format can't hold, before it is drawn in vain; what is drawn larger has `pixels` at most."""
    _, height, width, _ = sequence.manifest.graphs["generator"].output("image").shape
    if not isinstance(height, int) or not isinstance(width, int) or sequence.format in APART:
        return
    count, columns, scale = len(sequence.numbers), sequence.columns or 1, sequence.upscale
    if scale > 1 and count * height * width * scale**2 > pixels:
        fitting = math.isqrt(pixels // (count * height * width))
        raise InvalidParameter.of(
            "upscale", f"makes more than {pixels} pixels of {count} pictures; at most {max(1, fitting)} fits"
        )
    if sequence.moves:
        side = scale * max(height, width)
        limit = animation.LONGEST_SIDE.get(cast(animation.Format, sequence.format))
    else:
        side = scale * max(columns * width, math.ceil(count / columns) * height)
        limit = images.LONGEST_SIDE.get(sequence.picture)
    if limit is not None and side > limit:
        message = f"can't be {sequence.format}: a side would have {side} pixels, it holds {limit}"
        raise InvalidParameter.of("format", f"{message}; use another, or draw fewer or smaller pictures")
