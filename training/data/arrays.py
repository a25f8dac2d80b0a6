"""Pictures that come as arrays: checked, labelled and brought to size. npz, idx and the bundled digits end here."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.data.decode import resize
from training.data.gather import gather
from training.data.pictures import DataError, Pictures, Pixels

Labelling = NDArray[np.generic]


def check(images: NDArray[np.generic], what: str) -> Pixels:
    """The array as uint8 [N, H, W, C]; `DataError` unless it is uint8 [N, H, W] or [N, H, W, 1 or 3] and not empty."""
    if images.dtype != np.uint8:
        raise DataError(f"{what} is {images.dtype}: expected uint8 with values from 0 to 255")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise DataError(
            f"{what} has the shape {images.shape}: expected [N, height, width] or [N, height, width, 1 or 3]"
        )
    if images.size == 0:
        raise DataError(f"{what} has the shape {images.shape}: there are no pictures in it")
    return images.astype(np.uint8, copy=False)


def label(
    images: Pixels, labels: Labelling | None, names: Sequence[str] | None, source: str, others: Labelling | None = None
) -> Pictures:
    """Pictures with their labels, any whole numbers, turned into indices of class names; `names` are in label order.

    `others` holds the labels of the other split, so that a class has the same index in both. `DataError` unless there
    is a whole number for each picture and a name for each number.
    """
    if labels is None:
        return Pictures(images, None, (), source)
    if not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"{source}: the labels are {labels.dtype}, expected whole numbers")
    flat = labels.reshape(-1).astype(np.int64)
    if len(flat) != len(images):
        raise DataError(f"{source}: {len(flat)} labels for {len(images)} pictures, expected one each")
    every = flat if others is None else np.concatenate([flat, others.reshape(-1).astype(np.int64)])
    values = np.unique(every)
    if names is None:
        names = [str(value) for value in values]
    elif values[0] < 0 or values[-1] >= len(names):
        raise DataError(
            f"{source}: labels from {values[0]} to {values[-1]} for {len(names)} class names, expected from 0"
        )
    else:
        values = np.arange(len(names))
    return Pictures(images, np.searchsorted(values, flat).astype(np.int64), tuple(names), source)


def fit(images: Pixels, size: int, channels: int, source: str) -> Pixels:
    """Pictures [N, H, W, C] as uint8 [N, size, size, channels].

    Pictures on a plain background that miss the size by an eighth or less are padded with the background, which keeps
    them crisp (28×28 to 32×32); all others are resized and centre-cropped as files are.
    """
    images = _pad(images, size)
    if images.shape[1:] == (size, size, channels):
        return images
    # Pillow has no mode for [H, W, 1].
    planes = images[..., 0] if images.shape[3] == 1 else images
    fitted, _ = gather(
        [f"picture {index}" for index in range(len(images))],
        lambda index: resize(Image.fromarray(planes[index]), size, channels),
        size=size,
        channels=channels,
        max_broken=0,
        source=source,
    )
    return fitted


def _pad(images: Pixels, size: int) -> Pixels:
    height, width = images.shape[1:3]
    if not all(size * 7 / 8 <= side <= size for side in (height, width)) or (height, width) == (size, size):
        return images
    border = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1)
    codes = border.astype(np.int64) @ 256 ** np.arange(images.shape[3])
    values, counts = np.unique(codes, return_counts=True)
    if 2 * counts.max() < len(codes.reshape(-1)):
        return images
    background = border.reshape(-1, images.shape[3])[np.argmax(codes.reshape(-1) == values[counts.argmax()])]
    top, left = (size - height) // 2, (size - width) // 2
    padded = np.empty((len(images), size, size, images.shape[3]), np.uint8)
    padded[:] = background
    padded[:, top : top + height, left : left + width] = images
    return padded
