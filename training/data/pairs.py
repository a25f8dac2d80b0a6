"""Pictures in pairs, side by side in one file: what a translator is given, and what it should draw."""

import io
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from training.data import archive, folder
from training.data.decode import opaque, resize
from training.data.examples import Drawn, Facts
from training.data.gather import gather
from training.data.layout import arrange
from training.data.pictures import DataError, Labels, Pixels, Split

Side = Literal["left", "right"]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of one size: images uint8 [N, side, side, 2·C], what is given in the first C channels, the real one after.

    Where `side` is larger than `size`, training sees a random window of the pair and everything else the middle.
    """

    images: Pixels
    size: int
    source: str
    """What it is, for people: the name of the source and the split."""
    mirror: bool = False
    """Whether half of the pairs drawn for training are mirrored left to right."""

    @property
    def facts(self) -> Facts:
        """Their size; there are no classes."""
        return Facts(self.size, self.images.shape[3] // 2)

    def __len__(self) -> int:
        return len(self.images)

    def require(self, batch: int) -> None:
        """`DataError` unless there are at least `batch` pairs."""
        if len(self) < batch:
            raise DataError(
                f"{self.source} has {len(self)} pairs, fewer than a batch of {batch}: "
                f"use a batch of at most {len(self)}, or add pairs"
            )

    def require_classes(self) -> None:
        """`DataError` always: what is asked for is a picture, not a class."""
        raise DataError(f"{self.source} has pairs of pictures and no classes, which a conditional model needs")

    def draw(self, indices: Labels, rng: np.random.Generator | None = None) -> Drawn:
        """The pairs at int64 `indices`, each half uint8 [n, size, size, C]; both halves vary as one."""
        spare = self.images.shape[1] - self.size
        middle = np.full((len(indices), 2), spare // 2)
        corners = middle if rng is None else rng.integers(spare + 1, size=middle.shape)
        pairs = np.stack(
            [
                self.images[index, top : top + self.size, left : left + self.size]
                for index, (top, left) in zip(indices, corners, strict=True)
            ]
        )
        if self.mirror and rng is not None:
            chosen = rng.random(len(pairs)) < 0.5
            pairs[chosen] = pairs[chosen, :, ::-1]
        given, real = np.split(pairs, 2, axis=3)
        return Drawn(real=real, given=given)


def load(
    source: str | Path,
    *,
    given: Side,
    size: int,
    channels: int,
    split: Split = "train",
    jitter: float = 1.0,
    mirror: bool = False,
    max_broken: float = 0.01,
) -> Pairs:
    """Reads pairs from a folder or a zip, laid out as `layout.arrange` says; class folders mean nothing here.

    `given` is the side that holds what the translator is given. The halves are brought to `size`·`jitter`, of which
    windows of `size` are seen (Isola et al. 2017, §6.2: 286 to 256). Up to the share `max_broken` of files may be
    unreadable or no pair; raises `DataError` beyond, and `NoSplit` where only the split is missing.
    """
    path = Path(source)
    if not (path.is_dir() or (path.is_file() and path.suffix.lower() == ".zip")):
        raise DataError(f"{path} holds no pairs: expected a folder or a .zip of pictures, two side by side in each")
    side = round(size * jitter)
    with (folder if path.is_dir() else archive).opened(path) as (files, read):
        paths = arrange(files, split, str(path)).paths
        images, _ = gather(
            [str(file) for file in paths],
            lambda index: halves(read(paths[index]), given, side, channels),
            size=side,
            channels=2 * channels,
            max_broken=max_broken,
            source=f"{path.name} {split}",
        )
    return Pairs(images, size, f"{path.name} {split}", mirror)


def halves(data: bytes, given: Side, size: int, channels: int) -> Pixels:
    """The two halves of an encoded picture, the given one first, as uint8 [size, size, 2·channels].

    Each half is decoded as `decode.decode` does a picture. `ValueError` where the picture can't be two of one size.
    """
    with Image.open(io.BytesIO(data)) as picture:
        whole = opaque(ImageOps.exif_transpose(picture))
    width, height = whole.size
    if width % 2 or width <= height:
        raise ValueError(
            f"{width}×{height} can't be two pictures of one size side by side: "
            "expected an even width, larger than the height"
        )
    fit = partial(resize, size=size, channels=channels)
    left = fit(whole.crop((0, 0, width // 2, height)))
    right = fit(whole.crop((width // 2, 0, width, height)))
    return np.concatenate([left, right] if given == "left" else [right, left], axis=2)
