"""The digits that come with scikit-learn: 1,797 handwritten digits of 8×8 pixels, always there and without a download.

Optical Recognition of Handwritten Digits (Alpaydin, Kaynak 1998), UCI, CC BY 4.0.
"""

import numpy as np
from sklearn.datasets import load_digits

from training.data.arrays import fit
from training.data.pictures import Pictures, Split


def load(*, size: int, channels: int, split: Split) -> Pictures:
    """The digits scaled from 0..16 to 0..255 and resized; of each class, every fifth is in the test split."""
    bundled = load_digits()
    labels = bundled.target.astype(np.int64)
    # Counted within the class: the file runs through 0, 1, 2 … 9, so every fifth of all would be the zeros and fives.
    turn = np.zeros(len(labels), np.int64)
    for label in range(10):
        turn[labels == label] = np.arange(np.count_nonzero(labels == label))
    chosen = (turn % 5 == 4) == (split == "test")
    images = np.round(bundled.images[chosen] * (255 / 16)).astype(np.uint8)[..., None]
    source = f"digits {split}"
    return Pictures(
        fit(images, size, channels, source), labels[chosen], tuple(map(str, bundled.target_names.tolist())), source
    )
