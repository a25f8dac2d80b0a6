"""What a graph's inputs mean, and how it holds them: by their types and shapes, and by what is said of them."""

from collections.abc import Sequence
from math import prod
from typing import get_args

from app.contract import Meaning, Tensor
from app.elsewhere.look import Held, Look
from app.elsewhere.wishes import MEANT, RANGES, MissingError, RefusedError, Wishes
from app.foreign import AXES, Foreign, Layout

CHANNELS = (1, 3, 4)
"""Of grey, RGB and RGBA."""

USUAL = 128
"""Pixels in the side of the pictures that a graph of any size is tried with, unless it is said."""

DTYPES = get_args(Foreign.model_fields["dtype"].annotation)


def meanings(look: Look, wishes: Wishes) -> dict[str, Meaning]:
    """What each input is, by name. `RefusedError` for inputs, or a choice of them, that no task has; `MissingError` if
    two could be the label.
    """
    _named(look, wishes)
    found = {held.name: _meaning(held, wishes) for held in look.inputs}
    drawn = [held for held in look.inputs if found[held.name] == "latent"]
    if len(drawn) > 1 and "label" not in found.values():
        fitting = [held for held in drawn if wishes.classes and held.shape[1:] == (len(wishes.classes),)]
        if len(fitting) != 1:
            either = " or ".join(held.name for held in drawn)
            raise MissingError([f"--label NAME: {either}, which of them is the class, as a row with a value for each"])
        found[fitting[0].name] = "label"
    taken = sorted(found.values())
    if taken in (["latent"], ["label", "latent"], ["image"], ["image", "latent"]):
        return found
    raise RefusedError(
        f"no task takes {' and '.join(taken) or 'nothing'} ({'; '.join(map(str, look.inputs))}): a graph is to take a "
        "latent, a latent and a label, a picture, or a picture and a latent; make constants of what else it takes"
    )


def rows_declared(look: Look) -> int | None:
    """The batch that the inputs are fixed to; None if they declare none. `RefusedError` if they differ."""
    fixed = {held.name: held.shape[0] for held in look.inputs if isinstance(held.shape[0], int)}
    sizes = set(fixed.values())
    if len(sizes) > 1 or 0 in sizes:
        each = ", ".join(f"{name} {rows}" for name, rows in fixed.items())
        raise RefusedError(f"it has no batch axis that can be driven: rows of {each}")
    return sizes.pop() if sizes else None


def layouts(shape: Sequence[int | str | None], wished: Layout | None) -> list[Layout]:
    """The layouts that pictures of a shape may have: where 1, 3 or 4 channels can be. Only the wished one if it can."""
    # Open axes are sides of pictures. Without channels, what looks like a batch may be one picture's channels.
    fitting: list[Layout] = ["NHW"] if len(shape) == 3 and all(side not in CHANNELS for side in shape[1:]) else []
    for layout in ("NCHW", "NHWC"):
        if (
            len(shape) == 4
            and shape[AXES[layout][2]] in CHANNELS
            and all(shape[axis] != 1 for axis in AXES[layout][:2])
        ):
            fitting.append(layout)
    return [wished] if wished in fitting else fitting


def tensor(held: Held, meaning: Meaning, wishes: Wishes, rows: int | None, multiple: int = 1) -> Tensor:
    """An input as the service sees it, and as the graph holds it, in batches of `rows` only, if that isn't None.

    `MissingError` for a picture whose layout or range can't be seen, `RefusedError` for one that no layout has.
    """
    if meaning == "image":
        return _picture(held, wishes, rows, multiple)
    sample = tuple(side for side in held.shape[1:] if isinstance(side, int))
    native = "float32" if meaning == "latent" else "int64"
    seen = ("n", prod(sample)) if meaning == "latent" else ("n",)
    same = rows is None and held.dtype == native and held.shape[1:] == seen[1:]
    foreign = None if same else Foreign.model_validate({"dtype": held.dtype, "shape": (rows or "n", *sample)})
    return Tensor(name=held.name, meaning=meaning, dtype=native, shape=seen, foreign=foreign)


def _picture(held: Held, wishes: Wishes, rows: int | None, multiple: int) -> Tensor:
    fitting = layouts(held.shape, wishes.layout)
    if not fitting:
        raise RefusedError(
            f"its input {held}, is no picture: those are [n, c, h, w], [n, h, w, c] or [n, h, w], c 1, 3 or 4"
        )
    needs = []
    if len(fitting) > 1:
        needs.append(f"--layout {' or '.join(fitting)}: how the pictures of {held}, lie")
    if held.dtype.startswith("float") and wishes.input_range is None:
        needs.append(f"--input-range RANGE: what black and white are in {held.name}: {MEANT}")
    if needs:
        raise MissingError(needs)
    axes = AXES[fitting[0]]
    sides = [
        side if isinstance(side := held.shape[axis], int) else name for axis, name in zip(axes, "hwc", strict=False)
    ]
    seen = ("n", *sides, *([1] if len(axes) == 2 else []))
    shape = list(held.shape)
    for axis, side in zip(axes, sides, strict=True):
        shape[axis] = side
    foreign = Foreign.model_validate(
        {
            "dtype": held.dtype,
            "shape": (rows or "n", *shape[1:]),
            "layout": fitting[0],
            "range": RANGES[wishes.input_range] if wishes.input_range and held.dtype.startswith("float") else None,
        }
    )
    natively = rows is None and held.dtype == "uint8" and foreign.layout == "NHWC"
    usual = _multiple_of(wishes.size or USUAL, multiple)
    is_open = any(isinstance(side, str) for side in sides)
    return Tensor(
        name=held.name,
        meaning="image",
        dtype="uint8",
        shape=seen,
        layout="NHWC",
        range=(0, 255),
        usual=tuple(side if isinstance(side, int) else usual for side in seen[1:]) if is_open else None,
        multiple=multiple if is_open else 1,
        foreign=None if natively else foreign,
    )


def _multiple_of(side: int, multiple: int) -> int:
    return max(1, side // multiple) * multiple


def _named(look: Look, wishes: Wishes) -> None:
    names = [held.name for held in look.inputs]
    for flag, wished in (("--latent", wishes.latent), ("--label", wishes.label)):
        if wished is not None and wished not in names:
            raise RefusedError(f"{flag} {wished} names no input; there are {', '.join(names)}")


def _meaning(held: Held, wishes: Wishes) -> Meaning:
    """What an input is; `RefusedError` if it is nothing that the service has."""
    sample = held.shape[1:]
    known = all(isinstance(side, int) for side in sample)
    if held.name == wishes.label:
        if not held.shape or len(sample) > 1 or not known or held.dtype not in DTYPES:
            raise RefusedError(f"--label {held}: a label is [n], or [n, classes] with a value for each")
        return "label"
    if (len(held.shape) == 3 and held.shape[0] in CHANNELS[1:]) or (
        held.dtype.startswith("float") and len(held.shape) == 1
    ):
        raise RefusedError(f"it has no batch axis that can be driven: its input {held}, is one sample")
    if held.dtype in DTYPES and held.shape:
        if len(sample) > 1 and held.name != wishes.latent and sum(side != 1 for side in sample) > 1:
            return "image"
        if held.dtype.startswith("int") and known and len(sample) < 2:
            return "label"
        if held.dtype.startswith("float") and known and sample:
            return "latent"
    raise RefusedError(
        f"its input {held}, is neither a latent, floats [n, …] of a stated size, nor a label, integers [n], nor a "
        "picture, [n, c, h, w] or [n, h, w, c]; what only sets it up is to be a constant inside"
    )
