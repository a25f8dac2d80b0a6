"""A picture of any size, or a clip, as the samples that a graph takes, and the answers as a picture of that size.

The graph's own size may be fixed, or open in multiples. Brought to the model's scale the picture has as many pixels as
those of training; at its own scale it is one sample, or tiles of one size where it is large. Of a clip each sample is
the same tile of all its frames, and the answers are the frame that follows.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

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
    """A picture or a clip, uint8 [..., h, w, 3], as a graph sees it: `seen`, uint8 [..., h', w', c], in channels and
    size of its own. The `samples` [n, ..., tile height, tile width, c] stand for that and for a `border` all round.
    """

    picture: Pixels
    seen: Pixels
    samples: Pixels
    grid: tiles.Grid
    border: int = 0

    def joined(self, outputs: Pixels) -> Pixels:
        """The answers to the samples, uint8 [n, …, c], as one picture of the size that the graph sees, [h', w', c]."""
        whole = tiles.join(outputs, self.grid)
        return whole[self.border : whole.shape[0] - self.border, self.border : whole.shape[1] - self.border]

    def restored(self, joined: Pixels) -> Pixels:
        """A picture of the size that the graph sees, [h', w', c], as one of the size of the original, [h, w, c]."""
        height, width = self.picture.shape[-3:-1]
        return joined if joined.shape[:2] == (height, width) else resize(joined, height, width)

    def followed(self, joined: Pixels) -> "Framed":
        """Of a clip: the one that this frame, of the size that the graph sees, ends; the oldest frame drops out."""
        seen = np.concatenate([self.seen[1:], joined[None]])
        return replace(self, seen=seen, samples=_samples(seen, self.grid, self.border))


def frame(picture: Pixels, taken: Tensor, *, at_model_scale: bool, border: int = BORDER) -> Framed:
    """A picture, uint8 [h, w, 3], as a graph takes it that has this input, an image [n, h, w, c]; or a clip,
    uint8 [k, h, w, 3], as frames [n, k, h, w, c].

    Where the graph's size is fixed, the picture is squeezed into it. At its own scale it is continued by `border`
    pixels on each side, or a few more where they must be a multiple.
    """
    *_, height, width, _ = taken.shape
    *_, usual_height, usual_width, depth = taken.sample
    seen = _each(partial(with_channels, channels=depth), picture)
    around = 0
    if isinstance(height, int) and isinstance(width, int):
        seen = _each(partial(resize, height=height, width=width), seen)
    elif at_model_scale:
        scaled = _scaled(seen.shape[-3], seen.shape[-2], usual_height * usual_width)
        seen = _each(partial(resize, height=scaled[0], width=scaled[1]), seen)
    else:
        around = _multiple(border, taken.multiple)
    overlap = _multiple(OVERLAP, taken.multiple)
    size = _multiple(max(TILE, usual_height, usual_width, 2 * overlap), taken.multiple)
    whole_height, whole_width = (side + 2 * around for side in seen.shape[-3:-1])
    grid = tiles.plan(whole_height, whole_width, size=size, overlap=overlap, multiple=taken.multiple)
    return Framed(picture, seen, _samples(seen, grid, around), grid, around)


def _multiple(pixels: int, of: int) -> int:
    """So many pixels, or a few more that make up whole multiples."""
    return -(-pixels // of) * of


def _samples(seen: Pixels, grid: tiles.Grid, border: int) -> Pixels:
    if border:
        around = [(border, border), (border, border), (0, 0)]
        seen = np.pad(seen, [(0, 0)] * (seen.ndim - 3) + around, "reflect")
    return tiles.cut(seen, grid)


def _each(change: Callable[[Pixels], Pixels], pictures: Pixels) -> Pixels:
    """A change to one picture [h, w, c], or to each of a clip [k, h, w, c]."""
    return change(pictures) if pictures.ndim == 3 else np.stack([change(one) for one in pictures])


def middle(picture: Pixels, taken: Tensor) -> Pixels:
    """A picture, uint8 [h, w, 3], as the one sample [1, …] of a graph that has this input and answers with no picture.

    The largest middle part of the form of training's pictures, at their size, as training itself cuts it: squeezed,
    things would have proportions that the network never saw.
    """
    *_, height, width, depth = taken.sample
    tall, wide, _ = picture.shape
    scale = min(tall / height, wide / width)
    # By a rounding, a side may be longer than the picture's.
    cut_wide, cut_tall = min(wide, scale * width), min(tall, scale * height)
    left, top = (wide - cut_wide) / 2, (tall - cut_tall) / 2
    seen = with_channels(picture, depth)
    return resize(seen, height, width, (left, top, left + cut_wide, top + cut_tall))[None]


def _scaled(height: int, width: int, area: int) -> tuple[int, int]:
    """The sides of a picture of the same form with about so many pixels in all."""
    factor = math.sqrt(area / (height * width))
    return max(1, round(height * factor)), max(1, round(width * factor))
