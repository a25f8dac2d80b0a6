"""A picture of any size as the samples that a graph takes, and the graph's answers as a picture of that size.

The graph's own size may be fixed, or open in multiples. Brought to the model's scale the picture has as many pixels as
those of training; at its own scale it is one sample, or tiles of one size where it is large.
"""

import math
from dataclasses import dataclass

import numpy as np

from app import tiles
from app.contract import Tensor
from app.media.images import Pixels
from app.media.pictures import resize, with_channels

TILE = 256
"""Pixels in the side of a tile."""
OVERLAP = 64
"""Pixels that neighbouring tiles share."""
BORDER = 16
"""Pixels by which a picture at its own scale is continued on each side: a network draws its outermost ones badly."""


@dataclass(frozen=True)
class Framed:
    """A picture, uint8 [h, w, 3], and the `samples` [n, …] that stand for it and for a `border` all round."""

    picture: Pixels
    samples: Pixels
    grid: tiles.Grid
    border: int = 0

    def restored(self, outputs: Pixels) -> Pixels:
        """The answers to the samples, uint8 [n, …, c], as one picture of the size of the original, [h, w, c]."""
        joined = tiles.join(outputs, self.grid)
        joined = joined[self.border : joined.shape[0] - self.border, self.border : joined.shape[1] - self.border]
        height, width = self.picture.shape[:2]
        return joined if joined.shape[:2] == (height, width) else resize(joined, height, width)


def frame(picture: Pixels, taken: Tensor, *, at_model_scale: bool) -> Framed:
    """A picture, uint8 [h, w, 3], as a graph takes it that has this input, an image [n, h, w, c].

    Where the graph's size is fixed, the picture is squeezed into it.
    """
    _, height, width, _ = taken.shape
    *_, usual_height, usual_width, depth = taken.sample
    seen = with_channels(picture, depth)
    border = 0
    if isinstance(height, int) and isinstance(width, int):
        seen = resize(seen, height, width)
    elif at_model_scale:
        seen = resize(seen, *_scaled(seen.shape[0], seen.shape[1], usual_height * usual_width))
    else:
        border = -(-BORDER // taken.multiple) * taken.multiple
        seen = np.pad(seen, ((border, border), (border, border), (0, 0)), "reflect")
    size = max(TILE, usual_height, usual_width)
    grid = tiles.plan(*seen.shape[:2], size=size, overlap=OVERLAP, multiple=taken.multiple)
    return Framed(picture, tiles.cut(seen, grid), grid, border)


def middle(picture: Pixels, taken: Tensor) -> Pixels:
    """A picture, uint8 [h, w, 3], as the one sample [1, …] of a graph that has this input and answers with no picture.

    The largest middle part of the form of training's pictures, at their size, as training itself cuts it: squeezed,
    things would have proportions that the network never saw.
    """
    *_, height, width, depth = taken.sample
    tall, wide, _ = picture.shape
    scale = min(tall / height, wide / width)
    left, top = (wide - scale * width) / 2, (tall - scale * height) / 2
    seen = with_channels(picture, depth)
    return resize(seen, height, width, (left, top, left + scale * width, top + scale * height))[None]


def _scaled(height: int, width: int, area: int) -> tuple[int, int]:
    """The sides of a picture of the same form with about so many pixels in all."""
    factor = math.sqrt(area / (height * width))
    return max(1, round(height * factor)), max(1, round(width * factor))
