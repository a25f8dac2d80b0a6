"""A large picture in tiles of one size, and the tiles back to a picture without seams; `overlap` in two dimensions.

A translator that looks at no more than its neighbourhood can draw a picture of any size piece by piece. `cut` and
`join` are inverse: what comes back of untouched tiles equals what went in, bit for bit. Used by the service. numpy
only.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from app.overlap import fade

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Grid:
    """Where the tiles of a picture of height × width lie: each of `tile`, height and width, at `rows` and `columns`."""

    height: int
    width: int
    tile: tuple[int, int]
    rows: tuple[int, ...]
    columns: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)


def plan(height: int, width: int, *, size: int = 256, overlap: int = 64, multiple: int = 1) -> Grid:
    """The fewest tiles that cover a picture and overlap by `overlap` pixels or more, evenly spread.

    A picture that fits in size × size pixels is one tile, no larger than it must be in a `multiple` of pixels; all
    others have tiles of size × size. Each begins at a multiple, so that a network which halves its picture sees the
    same pixels together wherever the tile lies. ValueError unless 0 ≤ overlap ≤ size / 2 and both are multiples.

    With an overlap of 64, the shipped models of Monet's style paint a photo as they paint it whole, within one grey
    level; with 32 a seam remains.
    """
    if size % multiple or overlap % multiple or not 0 <= 2 * overlap <= size:
        needs = f"both in multiples of {multiple}, at most half a tile"
        raise ValueError(f"tiles of {size} pixels can't overlap by {overlap}: {needs}")
    # What is covered is the picture and as much beyond its far edges as makes up whole multiples.
    needed = [-(-extent // multiple) * multiple for extent in (height, width)]
    if max(needed) <= size:
        return Grid(height, width, (needed[0], needed[1]), (0,), (0,))
    rows, columns = (_starts(extent, size, overlap, multiple) for extent in needed)
    return Grid(height, width, (size, size), rows, columns)


def cut(picture: Pixels, grid: Grid) -> Pixels:
    """A picture [..., h, w, c], or a stack of them, as tiles [n, ..., tile height, tile width, c], row by row.

    Beyond its far edges the picture is continued by its reflection.
    """
    tile_height, tile_width = grid.tile
    below = grid.rows[-1] + tile_height - grid.height
    beside = grid.columns[-1] + tile_width - grid.width
    padding = [(0, 0)] * (picture.ndim - 3) + [(0, below), (0, beside), (0, 0)]
    whole = np.pad(picture, padding, "reflect") if below or beside else picture
    tiles = np.empty((len(grid), *picture.shape[:-3], tile_height, tile_width, picture.shape[-1]), np.uint8)
    corners = ((top, left) for top in grid.rows for left in grid.columns)
    for tile, (top, left) in zip(tiles, corners, strict=True):
        tile[:] = whole[..., top : top + tile_height, left : left + tile_width, :]
    return tiles


def join(tiles: Pixels, grid: Grid) -> Pixels:
    """Tiles [n, ..., tile height, tile width, c], made of what `cut` gave, as a picture [..., h, w, c].

    Of each overlap only the middle quarter is a crossfade: the three eighths at the edge of a tile, where a network
    knows too little of what lies beyond, are not seen.
    """
    tile_height, tile_width = grid.tile
    lead, channels = tiles.shape[1:-3], tiles.shape[-1]
    width = grid.columns[-1] + tile_width

    def strip(row: Pixels) -> Floats:
        return _faded(row, grid.columns, np.empty((*lead, tile_height, width, channels), np.float32), axis=-2)

    rows = tiles.reshape(len(grid.rows), len(grid.columns), *tiles.shape[1:])
    whole = np.empty((*lead, grid.rows[-1] + tile_height, width, channels), np.float32)
    # One strip at a time: a second picture of floats would be the most that this takes.
    _faded(map(strip, rows), grid.rows, whole, axis=-3)
    return np.rint(whole, out=whole)[..., : grid.height, : grid.width, :].astype(np.uint8)


def _starts(extent: int, size: int, overlap: int, multiple: int) -> tuple[int, ...]:
    """Where tiles that cover `extent` pixels in one direction begin; the last one ends there, or is the only one."""
    beyond = max(extent - size, 0)
    steps = -(-beyond // (size - overlap))
    return tuple(beyond // multiple * step // max(steps, 1) * multiple for step in range(steps + 1))


def _faded(pieces: Iterable[Pixels | Floats], starts: tuple[int, ...], out: Floats, axis: int) -> Floats:
    """Fills `out` with pieces that begin at `starts` along an axis, each faded into the next."""
    along = np.moveaxis(out, axis, 0)
    nothing = np.empty(0, np.float32)
    size = len(along) - starts[-1]
    seams = [(0, nothing), *(_seam(*pair, size) for pair in pairwise(starts)), (len(along), nothing)]
    for piece, start, (before, rising), (after, falling) in zip(pieces, starts, seams[:-1], seams[1:], strict=True):
        part = np.moveaxis(piece, axis, 0)
        alone = before + len(rising)
        end = after + len(falling)
        shape = -1, *[1] * (part.ndim - 1)
        along[before:alone] += rising.reshape(shape) * part[before - start : alone - start]
        along[alone:after] = part[alone - start : after - start]
        along[after:end] = (1 - falling).reshape(shape) * part[after - start : end - start]
    return out


def _seam(start: int, following: int, size: int) -> tuple[int, Floats]:
    """Where a piece begins to fade into the one that follows it, and the weights of that one."""
    weights = fade(start + size - following)
    rising = (weights > 0) & (weights < 1)
    return following + int(np.count_nonzero(weights == 0)), weights[rising].astype(np.float32)
