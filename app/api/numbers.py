"""Numbers as JSON brings them."""

import numpy as np
from numpy.typing import NDArray


def read(data: object) -> NDArray[np.float64]:
    """A number, or nested lists of them, in that shape.

    Raises ValueError for anything else, for lists of different lengths, and for numbers beyond any float.
    """
    # As objects first: numpy would take texts for numbers, or store each as long as the longest.
    found = np.array(data, object)
    if not set(map(type, found.ravel())) <= {int, float}:
        raise ValueError("there is more than numbers in it")
    try:
        return found.astype(np.float64)
    except OverflowError as error:
        raise ValueError(str(error)) from error
