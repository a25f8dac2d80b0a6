"""What a request for a prediction comes to, and its frames as a file, in each format of `/predict`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from app.api.media_types import offered
from app.contract import Manifest
from app.engine.model import LiveModel
from app.media import animation, bundles, images, png
from app.media.framing import Framed
from app.media.images import Pixels
from app.media.pictures import with_channels
from app.media.provenance import Derivation

Format = Literal["gif", "webp", "apng", "mp4", "zip", "npy", "png"]

MEDIA_TYPES: Mapping[Format, str] = offered("gif", "webp", "apng", "mp4", "zip", "npy", "png")
"""In order of preference, after the clip's own."""

FILMS: tuple[animation.Format, ...] = get_args(animation.Format)
"""Formats that show frames one after the other, at a rate; zip and npy hold them apart, png is a strip of them."""


@dataclass(frozen=True)
class Prediction:
    """The next `steps` frames of a clip by one model, in one format, as a film of `rate` frames a second.

    `clip` is what the model is given. With `context`, the answer begins with those frames. `source` is the SHA-256 of
    the file that they came in, `parameters` what was asked.
    """

    live: LiveModel
    clip: Framed
    steps: int
    context: bool
    format: Format
    rate: float
    source: str
    parameters: Mapping[str, str | int | float]

    @property
    def manifest(self) -> Manifest:
        return self.live.manifest

    def recipe(self, frame: int | None = None) -> Derivation:
        """What the file says of itself, or one of the new frames alone, counted from 1."""
        return Derivation(
            model=self.manifest.name,
            version=self.manifest.version,
            digest=self.live.digest,
            verb="predict",
            source=self.source,
            parameters=dict(self.parameters) if frame is None else {**self.parameters, "frame": frame},
        )

    def file_name(self, number: str = "") -> str:
        """Of the answer, or of a picture in it by its number."""
        stem = f"{self.manifest.name}-{self.manifest.version}"
        return f"{stem}_{number}.png" if number else f"{stem}.{self.format}"


def file(prediction: Prediction, drawn: Pixels) -> bytes:
    """The answer, of the new frames, uint8 [k, h, w, c]. Runs on the encode pool."""
    given = _given(prediction, drawn.shape[3])
    if prediction.format == "zip":
        return bundles.archive(_pictures(prediction, given, drawn))
    frames = np.concatenate([given, drawn])
    if prediction.format == "npy":
        return bundles.npy(frames)
    if prediction.format == "png":
        return images.encode(images.sheet(frames, len(frames)), "png", prediction.recipe())
    return animation.encode(frames, prediction.format, rate=prediction.rate, xmp=prediction.recipe().xmp)


def _given(prediction: Prediction, channels: int) -> Pixels:
    """The clip's frames that the answer begins with, uint8 [k, h, w, channels]; none without context."""
    clip = prediction.clip.picture
    if not prediction.context:
        return np.empty((0, *clip.shape[1:3], channels), np.uint8)
    return np.stack([with_channels(one, channels) for one in clip])


def _pictures(prediction: Prediction, given: Pixels, drawn: Pixels) -> Iterator[tuple[str, bytes]]:
    """Each frame as a PNG of its own; of those that the client sent, none says that a machine made it."""
    digits = len(str(len(given) + len(drawn)))
    coded = [png.encode(one, {}) for one in given]
    coded += [images.encode(one, "png", prediction.recipe(frame)) for frame, one in enumerate(drawn, start=1)]
    for number, data in enumerate(coded, start=1):
        yield prediction.file_name(f"{number:0{digits}}"), data
