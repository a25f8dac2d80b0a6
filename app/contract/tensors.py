"""What goes into a graph and comes out of it: the contract's words for tensors and graphs.

Knows pydantic, numpy and the lower floor; the other rooms of the contract build on it.
"""

from collections.abc import Sequence
from math import prod
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app import classes
from app.classes import Class
from app.contract import bounds
from app.contract.errors import ContractError
from app.foreign import Foreign

TURNING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
UNSEEN = frozenset([*map(chr, range(32)), *map(chr, range(0x7F, 0xA0)), *"\u2028\u2029\ufeff", *TURNING])
"""Control characters, and those that turn the direction of a line: what is shown would not be what is there."""


def _shown_as_it_is(text: str) -> str:
    if found := sorted(UNSEEN.intersection(text)):
        raise ValueError(f"it holds {', '.join(f'U+{ord(one):04X}' for one in found)}, which nobody sees")
    return text


def _readable(text: str) -> str:
    _shown_as_it_is(text.replace("\n", "").replace("\t", ""))
    return text


Line = Annotated[str, StringConstraints(max_length=bounds.LINE), AfterValidator(_shown_as_it_is)]
"""A short text, on one line."""
Text = Annotated[str, StringConstraints(max_length=bounds.TEXT), AfterValidator(_readable)]
"""A longer one."""
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=bounds.NAME)]
OnnxName = Annotated[str, StringConstraints(max_length=bounds.NAME), AfterValidator(_shown_as_it_is)]
Side = Annotated[int, Field(ge=1, le=bounds.SIDE)]
Task = Literal["generate", "translate", "style", "reconstruct", "enhance", "predict"]
Meaning = Literal["latent", "deviation", "label", "image", "audio", "frames", "score"]
Pixels = NDArray[np.uint8]
Values = NDArray[np.generic]

SCORES = ("realness", "match")
"""Outputs of a critic by name, logits: how real a picture is, and, if it can say, how well it matches a class."""

GIVEN: dict[Task, Meaning] = {"translate": "image", "style": "image", "enhance": "audio", "predict": "frames"}
"""What the generator takes in the tasks that don't start from noise."""


class Part(BaseModel):
    """Base of the manifest's parts: immutable, unknown fields are errors, and so are NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Tensor(Part):
    """One input or output of a graph. `shape` holds ints, or names for dynamic axes; the first axis is the batch.

    Pictures are uint8 [n, h, w, c], frames uint8 [n, k, h, w, c], the oldest first, audio float32 [n, t] in [-1, 1].
    A label is the class's index, int64 [n], or weights of all classes, float32 [n, classes].
    That is what the service sees. A graph that was made elsewhere may hold it otherwise: then `foreign` says how.
    """

    name: OnnxName
    meaning: Meaning
    dtype: Literal["float32", "int64", "uint8"]
    shape: tuple[Side | OnnxName, ...] = Field(min_length=1, max_length=bounds.AXES)
    layout: Literal["NHWC"] | None = None
    range: tuple[float, float] | None = None
    usual: Annotated[tuple[Side, ...], Field(max_length=bounds.AXES)] | None = None
    """One sample's shape as it was in training, where `shape` leaves it open."""
    multiple: int = Field(1, ge=1, le=bounds.SIDE)
    """What the dynamic axes must be multiples of."""
    rate: int | None = Field(None, gt=0, le=bounds.SIDE)
    """Of audio: values a second."""
    foreign: Foreign | None = None

    @model_validator(mode="after")
    def _can_be_held_so(self) -> "Tensor":
        if self.foreign is not None and (flaw := self.foreign.flaw(self.meaning, self.shape)):
            raise ValueError(f"{self.name} is foreign: {flaw}")
        return self

    @model_validator(mode="after")
    def _is_of_a_size(self) -> "Tensor":
        if self.usual is not None:
            pairs = zip(self.shape[1:], self.usual, strict=False)
            if len(self.usual) != len(self.shape) - 1 or any(isinstance(due, int) and due != is_ for due, is_ in pairs):
                raise ValueError(f"{self.name} can't be {list(self.usual)} as a rule, since it is {list(self.shape)}")
        values = prod(side for side in (self.usual or self.shape[1:]) if isinstance(side, int))
        if values > bounds.VALUES:
            raise ValueError(f"a sample of {self.name} has {values:,} values; {bounds.VALUES:,} are taken at most")
        return self

    @property
    def sample(self) -> tuple[int, ...]:
        """The shape of one sample, open axes as they were in training; `ContractError` if that isn't stated."""
        fixed = tuple(side for side in self.shape[1:] if isinstance(side, int))
        if self.usual is None and len(fixed) != len(self.shape) - 1:
            raise ContractError(f"{self.name} is {list(self.shape)}, and no usual shape is stated")
        return fixed if self.usual is None else self.usual

    def labels(self, asked: Sequence[Class]) -> Values:
        """What this input, a label, takes for the class of each sample: int64 [n], or float32 [n, classes].

        ValueError for a mixture where it takes an index; else for weights that are none, or a class that is not there.
        """
        if self.dtype == "int64":
            return classes.indices(asked)
        (count,) = self.sample
        return classes.weights(asked, count)


class Graph(Part):
    """One ONNX file of the folder and what goes in and comes out of it."""

    file: FileName
    inputs: tuple[Tensor, ...] = Field(min_length=1, max_length=bounds.TENSORS)
    outputs: tuple[Tensor, ...] = Field(max_length=bounds.TENSORS)
    unread: tuple[OnnxName, ...] = Field((), max_length=bounds.AXES * bounds.TENSORS)
    """Further outputs that the graph has, by name: nobody computes them."""
    random: bool = False
    """Whether it draws noise of its own, so that equal inputs give other outputs each time."""

    @model_validator(mode="after")
    def _takes_one_batch(self) -> "Graph":
        batches = {one.foreign.batch for one in (*self.inputs, *self.outputs) if one.foreign and one.foreign.batch}
        if len(batches) > 1:
            raise ValueError(f"{self.file} can't have batches of {' and of '.join(map(str, sorted(batches)))} only")
        return self

    @property
    def native(self) -> bool:
        """Whether all that it takes and gives is as the service sees it."""
        return all(one.foreign is None for one in (*self.inputs, *self.outputs))

    @property
    def batch(self) -> int | None:
        """The only batch size that it takes; None if it takes any."""
        tensors = (*self.inputs, *self.outputs)
        return next((one.foreign.batch for one in tensors if one.foreign and one.foreign.batch), None)

    def input(self, meaning: Meaning) -> Tensor | None:
        """The input of that meaning, or None."""
        return next((tensor for tensor in self.inputs if tensor.meaning == meaning), None)

    def given(self, meaning: Meaning) -> Tensor:
        """The input of that meaning; `ContractError` if the graph has none."""
        if (tensor := self.input(meaning)) is None:
            raise ContractError(f"{self.file} has no input that means {meaning!r}")
        return tensor

    def output(self, meaning: Meaning) -> Tensor:
        """The output of that meaning; `ContractError` if the graph has none."""
        for tensor in self.outputs:
            if tensor.meaning == meaning:
                return tensor
        raise ContractError(f"{self.file} has no output that means {meaning!r}")
