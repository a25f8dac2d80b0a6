"""Which of a graph's outputs is the picture, and how it holds it: by what it gave for some inputs."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from app.contract import Tensor
from app.elsewhere import inputs, ranges
from app.elsewhere.look import Look
from app.elsewhere.wishes import MissingError, RefusedError, Wishes
from app.foreign import AXES, Foreign, Layout

Values = NDArray[np.generic]


def chosen(look: Look, wishes: Wishes, values: Mapping[str, Values], rows: int) -> str:
    """The name of the output that is the picture, by what was given for `rows` rows.

    `RefusedError` if none is, or not the wished one; `MissingError` if several are.
    """
    names = [output.name for output in look.outputs]
    if wishes.output is not None and wishes.output not in names:
        raise RefusedError(f"--output {wishes.output} names no output; there are {', '.join(names)}")
    asked = [wishes.output] if wishes.output else names
    pictures = [name for name in asked if isinstance(values[name], np.ndarray) and _layouts(values[name], wishes)]
    if not pictures:
        gave = "; ".join(f"{name}, {shown(values[name])}" for name in asked)
        raise RefusedError(
            f"what it gives is no picture: {gave}; pictures are [n, c, h, w] or [n, h, w, c], c 1, 3 or 4, or [n, h, w]"
        )
    if len(pictures) > 1:
        each = " or ".join(f"{name}, {shown(values[name])}" for name in pictures)
        raise MissingError([f"--output NAME: which is the picture, {each}"])
    name = pictures[0]
    if len(values[name]) != rows:
        raise RefusedError(
            f"it has no batch axis that can be driven: for {rows} of its inputs it gives {name}, {shown(values[name])}"
        )
    return name


def layout(name: str, values: Values, wishes: Wishes) -> Layout:
    """How the pictures of an output lie; `MissingError` if that can't be seen."""
    fitting = _layouts(values, wishes)
    if len(fitting) > 1:
        raise MissingError([f"--layout {' or '.join(fitting)}: how the pictures of {name}, {shown(values)}, lie"])
    return fitting[0]


def sides(values: Values, lies: Layout) -> tuple[int, int, int]:
    """Height, width and channels."""
    found = [values.shape[axis] for axis in AXES[lies]]
    return found[0], found[1], found[2] if len(found) == 3 else 1


def tensor(name: str, values: Values, rows: int | None, wishes: Wishes, given: Tensor | None) -> tuple[Tensor, str]:
    """The output as the service sees it, and as the graph holds it, in batches of `rows` only, if that isn't None; and
    a remark, or none.

    `values` are samples. Where the picture that it is given has open sides, so has this one. `RefusedError` for values
    that are no numbers, `MissingError` where layout or range can't be told.
    """
    lies = layout(name, values, wishes)
    if values.dtype.name not in inputs.DTYPES:
        raise RefusedError(f"its output {name} is made of {values.dtype.name}, not of {', '.join(inputs.DTYPES)}")
    span, remark = None, ""
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise RefusedError(f"its output {name} holds NaN or infinity")
        span, remark = ranges.seen(name, values, wishes.range)
    found: list[int | str] = list(sides(values, lies))
    is_open = given is not None and given.usual is not None
    if given is not None and is_open:
        found[:2] = given.shape[1:3]
    shape: list[int | str] = [rows or "n", *values.shape[1:]]
    for axis, side in zip(AXES[lies], found, strict=False):
        shape[axis] = side
    foreign = Foreign.model_validate({"dtype": values.dtype.name, "shape": shape, "layout": lies, "range": span})
    natively = rows is None and foreign.dtype == "uint8" and lies == "NHWC"
    made = Tensor(
        name=name,
        meaning="image",
        dtype="uint8",
        shape=("n", *found),
        layout="NHWC",
        range=(0, 255),
        usual=sides(values, lies) if is_open else None,
        multiple=given.multiple if given is not None else 1,
        foreign=None if natively else foreign,
    )
    return made, remark


def _layouts(values: Values, wishes: Wishes) -> list[Layout]:
    return inputs.layouts(values.shape, wishes.layout) if min(values.shape, default=0) > 0 else []


def shown(values: object) -> str:
    """Type and shape of what an output gave."""
    if isinstance(values, np.ndarray):
        return f"{values.dtype.name} [{', '.join(map(str, values.shape))}]"
    return type(values).__name__
