"""Classes, and stops of walks, as the service names them."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .answers import Sample
from .calls import given
from .payloads import array

Class = str | int | Mapping[str, float] | Mapping[int, float]
"""A class by name or index, or several by their weights, in any unit: `{"dog": 0.7, "cat": 0.3}`."""


@dataclass(frozen=True, eq=False)
class Stop:
    """A place where a walk comes by: sample `index` of `seed`, or in their place a `latent` of the model, [size].

    `class_` is drawn from the seed if not given; a latent draws none.
    """

    seed: int | None = None
    index: int | None = None
    class_: Class | None = None
    latent: ArrayLike | None = None


Waypoint = int | Sample | NDArray[np.floating[Any]] | Stop
"""A seed, a sample, of which seed, index and class count, a latent, or a stop, which may say all of that."""


def class_text(asked: Class | None) -> str | int | None:
    """What names a class, or several by their weights: `dog:0.7,cat:0.3`."""
    if isinstance(asked, Mapping):
        return ",".join(f"{name}:{weight}" for name, weight in asked.items())
    return asked


def members(asked: Sequence[Waypoint] | None) -> list[int | dict[str, Any]] | None:
    """The stops as members of a JSON body.

    `ValueError` for a latent that is no array of numbers, `TypeError` for what is no stop at all.
    """
    return None if asked is None else [_stop(one) for one in asked]


def _stop(asked: Waypoint) -> int | dict[str, Any]:
    if isinstance(asked, np.ndarray):
        asked = Stop(latent=asked)
    if isinstance(asked, Sample):
        return given(seed=asked.seed, index=asked.index, class_=asked.class_name)
    if isinstance(asked, Stop):
        latent = None if asked.latent is None else b64encode(array(asked.latent)).decode()
        return given(seed=asked.seed, index=asked.index, class_=class_text(asked.class_), latent=latent)
    return index(asked)
