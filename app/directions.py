"""Directions of a latent space: the part of the contract by which pictures are edited.

Found by `training.directions` in an exported graph; `app.contract` makes them part of a manifest. Knows pydantic and
numpy only.
"""

import base64
from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Kind = Literal["sefa", "pca"]
Floats = NDArray[np.float32]


class Direction(BaseModel):
    """A way through the latent space along which pictures change in one respect, and how it was found.

    `vector` is float32 [size] in little-endian bytes and base64, of length 1. People may give it another name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    kind: Kind
    vector: str
    range: tuple[float, float]
    """From the least to the most amount that is of use, 0 between them: standard deviations of the prior."""

    @classmethod
    def of(cls, name: str, kind: Kind, vector: NDArray[np.floating], range: tuple[float, float]) -> "Direction":  # noqa: A002
        packed = base64.b64encode(vector.astype("<f4").tobytes()).decode()
        return cls(name=name, kind=kind, vector=packed, range=range)

    def array(self) -> Floats:
        """The vector, float32 [size]; ValueError unless it is one of length 1."""
        try:
            vector = np.frombuffer(base64.b64decode(self.vector, validate=True), "<f4").astype(np.float32)
        except ValueError as error:
            raise ValueError(f"direction {self.name} can't be unpacked: {error}") from error
        if not abs(float(np.linalg.norm(vector)) - 1) < 1e-4:
            raise ValueError(f"direction {self.name} is no vector of length 1")
        return vector

    def move(self, start: Floats, amount: float) -> Floats:
        """Latents float32 [n, size], moved along the direction; by 0 they stay what they are."""
        return start + np.float32(amount) * self.array()


def check(directions: Sequence[Direction], size: int | None) -> None:
    """ValueError unless they have names of their own and are vectors of a latent of that size, or if it is None."""
    names = [direction.name for direction in directions]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two directions are called {', '.join(twice)}")
    for direction in directions:
        length = len(direction.array())
        if length != size:
            has = "has none" if size is None else f"is of size {size}"
            raise ValueError(f"direction {direction.name} is of size {length}, the model's latent {has}")
        low, high = direction.range
        if not low <= 0 <= high or low == high:
            raise ValueError(f"direction {direction.name} leads from {low:g} to {high:g}: 0 must lie between them")
