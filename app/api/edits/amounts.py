"""Directions and how far to go along each: as requests name them, and what they are to a model.

`warmth:2,sefa-4:-3..3` is a text of two; an amount alone, or one from which to which a sequence goes.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic_core import from_json

from app.api.edits.schemas import EditParameters
from app.contract import Manifest, bounds
from app.directions import Direction
from app.errors import InvalidParameter, UnknownDirection
from app.latents import Floats

FORM = "must be a number, or two from which to which a sequence goes, such as -3..3"


@dataclass(frozen=True)
class NamedAmount:
    """A direction as a request names it, not yet held against a model; errors call it `field`.

    `start` is None where the request gives one amount.
    """

    field: str
    name: str
    start: float | None
    end: float


@dataclass(frozen=True)
class Shift:
    """Along a direction from one amount to another, each a number that float32 holds."""

    direction: Direction
    start: float
    end: float

    def at(self, amount: float) -> "Shift":
        """That far along the same direction, and no farther."""
        return Shift(self.direction, amount, amount)


def read(asked: EditParameters) -> list[NamedAmount]:
    """The directions of a request and their amounts, in its order; none if it names none.

    Raises `InvalidParameter` for what is no amount, one without the other, and a direction named twice.
    """
    if asked.directions is None:
        if asked.direction is None and asked.amount is None:
            return []
        if asked.direction is None:
            raise InvalidParameter.of("direction", "is missing: the amount is of none; name one")
        if asked.amount is None:
            raise InvalidParameter.of("amount", f"is missing: how far along {asked.direction}, such as 2, or -3..3")
        return [_named("amount", asked.direction, asked.amount)]
    for name in ("direction", "amount"):
        if getattr(asked, name) is not None:
            raise InvalidParameter.of(
                name, "is said by directions already; give either directions, or direction and amount"
            )
    pairs = _pairs(asked.directions)
    if len(pairs) > bounds.DIRECTIONS:
        raise InvalidParameter.of("directions", f"are {len(pairs)}; no model has more than {bounds.DIRECTIONS}")
    named = [_named("directions", name, amount) for name, amount in pairs]
    if twice := sorted(name for name, times in Counter(one.name for one in named).items() if times > 1):
        raise InvalidParameter.of("directions", f"name {', '.join(twice)} twice; give each direction one amount")
    return named


def settle(named: Sequence[NamedAmount], manifest: Manifest, *, sequence: bool) -> tuple[Shift, ...]:
    """What these are to a model, in the order of its own: which of two comes first must change no bit.

    A single amount begins at 0 if there is a `sequence`, else where it ends. Raises `UnknownDirection`, and
    `InvalidParameter` for an amount out of the range of its direction, and where none is named.
    """
    known = [direction.name for direction in manifest.directions]
    if not named:
        raise InvalidParameter.of("direction", f"is missing: {manifest.reference} has {', '.join(known)}")
    for one in named:
        if one.name not in known:
            raise UnknownDirection(one.name, known, manifest.reference)
    asked = {one.name: one for one in named}
    found = [(asked[one.name], one) for one in manifest.directions if one.name in asked]
    return tuple(_shift(one, direction, manifest, sequence) for one, direction in found)


def names(shifts: Sequence[Shift], *, ranges: bool) -> str:
    """The one text that an address and a recipe hold for shifts; `read` takes it for the same ones."""
    texts = {one.direction.name: (plain(one.start), plain(one.end)) for one in shifts}
    return ",".join(f"{name}:{start}..{end}" if ranges else f"{name}:{end}" for name, (start, end) in texts.items())


def plain(amount: float) -> str:
    """An amount as short as float32 lets it be said."""
    return np.format_float_positional(np.float32(amount), trim="-")


def ends(shifts: Sequence[Shift]) -> Floats:
    """The amounts where shifts begin and where they end, float32 [2, shifts]."""
    return np.array([[one.start for one in shifts], [one.end for one in shifts]], np.float32)


def moved(latents: Floats, shifts: Sequence[Shift], amounts: Floats) -> Floats:
    """Latents float32 [n, size], moved along each of k shifts by float32 [k]; by 0 they stay, to the bit."""
    for one, amount in zip(shifts, amounts.tolist(), strict=True):
        if amount:
            latents = one.direction.move(latents, amount)
    return latents


def _shift(asked: NamedAmount, direction: Direction, manifest: Manifest, sequence: bool) -> Shift:
    start = asked.start if asked.start is not None else 0 if sequence else asked.end
    given = (start, asked.end)
    # As float32, in which latents are moved: what an address says again must be in the range again.
    with np.errstate(over="ignore"):
        low, high, *amounts = np.array([*direction.range, *given], np.float32).tolist()
    for amount, said in zip(amounts, given, strict=True):
        if not low <= amount <= high:
            least, most = direction.range
            limits = f"from {least:g} to {most:g} for {direction.name} of {manifest.reference}"
            raise InvalidParameter.of(asked.field, f"must be {limits}, not {said:g}: beyond, it was hardly trained")
    first, last = (amount + 0.0 for amount in amounts)  # which makes 0 of -0
    return Shift(direction, first, last)


def _pairs(given: object) -> list[tuple[str, object]]:
    """Names and amounts of `warmth:2,sefa-4:-1`, or of a JSON object, be it an object or a text."""
    if isinstance(given, str) and given.lstrip().startswith("{"):
        try:
            given = from_json(given)
        except ValueError as error:
            raise InvalidParameter.of("directions", f"is not JSON: {error}") from error
    if isinstance(given, str):
        return [_pair(piece) for piece in given.split(",")]
    if isinstance(given, Mapping) and given:
        return list(given.items())
    raise InvalidParameter.of("directions", "must be directions with their amounts, such as warmth:2,sefa-4:-1")


def _pair(piece: str) -> tuple[str, str]:
    name, colon, amount = (part.strip() for part in piece.partition(":"))
    if not name or not colon:
        message = f"must be directions with their amounts, such as warmth:2,sefa-4:-1, not {_shown(piece)}"
        raise InvalidParameter.of("directions", message)
    return name, amount


def _named(field: str, name: str, amount: object) -> NamedAmount:
    """One direction with its amount: a number, two in a list, or a text of one or two."""
    given: Sequence[object] = [amount]
    if isinstance(amount, str):
        given = amount.split("..", 1)
    elif isinstance(amount, list) and len(amount) == 2 and not any(isinstance(one, str) for one in amount):
        given = amount
    numbers = [_number(one) for one in given]
    if None in numbers:
        what = f"the amount of {name} " if field == "directions" else ""
        raise InvalidParameter.of(field, f"{what}{FORM}, not {_shown(amount)}")
    found = [number for number in numbers if number is not None]
    return NamedAmount(field, name, found[0] if len(found) > 1 else None, found[-1])


def _number(given: object) -> float | None:
    if isinstance(given, bool) or not isinstance(given, (int, float, str)):
        return None
    try:
        number = float(given)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _shown(given: object) -> str:
    shown = repr(given)
    return shown if len(shown) <= 64 else f"{shown[:64]}…"
