"""How a graph made elsewhere holds what the service sees otherwise: the part of the contract that `app.engine.adapt`
converts by.

Knows pydantic only; `app.contract` makes it part of a tensor.
"""

from math import prod
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

Layout = Literal["NHWC", "NCHW", "NHW"]
Shape = tuple[int | str, ...]

AXES: dict[Layout, tuple[int, ...]] = {"NHWC": (1, 2, 3), "NCHW": (2, 3, 1), "NHW": (1, 2)}
"""Where height, width and channels are in a layout. The last one is of grey pictures, without an axis for channels."""


class Foreign(BaseModel):
    """A tensor of a graph made elsewhere, as the graph has it. The first axis is the batch: a name, or the only size
    that the graph takes.

    Pictures have a `layout` and, where they are floats, a `range`: the values of black and of white, 0 and 255 to the
    service. Values beyond it are clipped. Integers are levels from 0 to 255. Latents may have further axes. Labels are
    numbers [n] or [n, 1], of any type, or one-hot rows [n, classes].
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dtype: Literal["float16", "float32", "float64", "int32", "int64", "uint8"]
    shape: Shape
    layout: Layout | None = None
    range: tuple[float, float] | None = None

    @property
    def batch(self) -> int | None:
        """The only batch size that the graph takes; None if it takes any."""
        rows = self.shape[0] if self.shape else 1
        return rows if isinstance(rows, int) else None

    @property
    def floating(self) -> bool:
        """Whether its values are floats."""
        return self.dtype.startswith("float")

    def sample(self, seen: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of one sample as the graph holds it, of a sample that the service sees in a shape."""
        shape = list(self.shape)
        for axis, side in zip(AXES[self.layout] if self.layout else (), seen, strict=False):
            shape[axis] = side
        return tuple(int(side) for side in shape[1:])

    @property
    def one_hot(self) -> bool:
        """Of a label: whether it is a row with a value for each class."""
        return prod(side for side in self.shape[1:] if isinstance(side, int)) > 1

    @model_validator(mode="after")
    def _has_a_batch(self) -> "Foreign":
        if not self.shape or self.batch == 0:
            raise ValueError("a foreign tensor has the batch as its first axis")
        return self

    def flaw(self, meaning: str, seen: Shape) -> str | None:
        """Why this can't be what the service sees as `meaning`, of shape `seen`, in words; None if it can."""
        if meaning == "image":
            return self._picture_flaw(seen)
        if meaning not in ("latent", "label"):
            return f"a graph made elsewhere can't hold {meaning} otherwise"
        if self.layout is not None or self.range is not None:
            return f"only pictures have layout and range, not a {meaning}"
        sample = self.shape[1:]
        if meaning == "label" and len(seen) > 1:
            return "a graph made elsewhere can't hold weights of classes otherwise"
        if meaning == "label":
            plain = len(sample) < 2 and all(isinstance(side, int) for side in sample)
            return None if plain else f"a label is a number, or a row with a value for each class, not {_shown(sample)}"
        if not self.floating:
            return f"a latent is made of floats, not of {self.dtype}"
        if not all(isinstance(side, int) for side in sample) or prod(map(int, sample)) != prod(map(int, seen[1:])):
            return f"it holds {_shown(sample)} of a latent that is {_shown(seen[1:])}"
        return None

    def _picture_flaw(self, seen: Shape) -> str | None:
        if self.layout is None:
            return f"a picture has a layout: {', '.join(AXES)}"
        axes = AXES[self.layout]
        if len(self.shape) != len(axes) + 1:
            return f"{self.layout} has {len(axes) + 1} axes, not {len(self.shape)}"
        held = [self.shape[axis] for axis in axes] + [1] * (3 - len(axes))
        if held != list(seen[1:]):
            return f"it holds pictures of {_shown(held)}, the service sees {_shown(seen[1:])}"
        if self.floating != (self.range is not None):
            return "a picture of floats has a range, one of integers has levels from 0 to 255"
        if self.range is not None and not self.range[0] < self.range[1]:
            return "a range is the value of black, then the larger one of white"
        return None


def _shown(shape: tuple[int | str, ...] | list[int | str]) -> str:
    return f"[{', '.join(map(str, shape))}]"
