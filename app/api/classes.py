"""Classes as requests name them: one by name or index, or several with weights, and the model that has them.

`dog`, `5` and `dog:0.7,cat:0.3` are texts; `app.classes` knows what they stand for. Used by every verb that takes a
class.
"""

import math
import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Annotated

from pydantic import Field

from app.api.deps import Service
from app.classes import Class
from app.contract import Manifest
from app.engine.model import LiveModel
from app.errors import InvalidParameter, UnknownClass

SHARE = re.compile(r"(.+?):([^:,]*)(?:,|$)")
"""A class and its weight in a mixture. A name may hold colons and commas, as those of ImageNet do."""


GivenClass = Annotated[
    str | None,
    Field(alias="class", description="class by name or index, or several by weights; a must where there are classes"),
]
"""Of parameters, where no seed draws the class."""


def model_for(here: Service, reference: str | None, text: str | None, roles: Collection[str] = ()) -> LiveModel:
    """The model asked for; where neither request nor settings name one, the first with these graphs and classes.

    Raises what `Catalog.get` raises. A model that is named may lack the classes and the graphs: the verb says so.
    """
    if reference is not None:
        return here.catalog.get(reference)
    if text is None or here.settings.default_model is not None:
        return here.catalog.get(roles=roles)
    try:
        return here.catalog.get(classes=[text], roles=roles)
    except UnknownClass:
        if text.isdecimal():
            return here.catalog.get(roles=roles)  # an index, then: it says nothing of which model is meant
        shares = _shares(text)
        if shares is None:
            raise
        return here.catalog.get(classes=[name for name, _ in shares if not name.isdecimal()], roles=roles)


def class_of(manifest: Manifest, text: str) -> Class:
    """What a text asks this model to draw: the index of a class, or the weights of several by theirs.

    Raises `UnknownClass`, and `InvalidParameter` for a model without classes, for weights that are none, for a class
    named twice, and for a mixture where the model draws one class at once.
    """
    if not manifest.classes:
        raise _invalid(f"{manifest.reference} is unconditional, it has no classes; leave class out")
    index = _indices(manifest.classes).get(text)
    if index is not None:
        return index
    shares = _shares(text)
    if shares is None:
        raise UnknownClass(text, manifest.classes, manifest.reference)
    return _mixture(manifest, shares)


def required_class(manifest: Manifest, text: str | None) -> Class | None:
    """As `class_of`, where no seed draws the class; None without classes.

    Raises `InvalidParameter` if the model has classes and none is asked for, too.
    """
    if text is not None:
        return class_of(manifest, text)
    if manifest.classes:
        raise _invalid(f"is missing: {manifest.reference} draws by class; known: {', '.join(manifest.classes)}")
    return None


def name_of(manifest: Manifest, asked: Class | None) -> str | None:
    """The one text that an address holds for a class or a mixture: by name, in the model's order; None for None."""
    if asked is None:
        return None
    if isinstance(asked, int):
        return manifest.classes[asked]
    shares = (f"{manifest.classes[index]}:{_plain(weight)}" for index, weight in sorted(asked.items()))
    return ",".join(shares)


def _mixture(manifest: Manifest, shares: list[tuple[str, str]]) -> Class:
    """The class of each share with its weight; an index where there is one share."""
    if len(shares) > len(manifest.classes):
        raise _invalid(f"names {len(shares)} classes; {manifest.reference} has {len(manifest.classes)}")
    known = _indices(manifest.classes)
    found = [(known.get(text), text, weight) for text, weight in shares]
    if unknown := [text for index, text, _ in found if index is None]:
        raise UnknownClass(unknown[0], manifest.classes, manifest.reference, unknown[1:])
    mixture: dict[int, float] = {}
    for index, text, weight in found:
        assert index is not None  # noqa: S101 (those that are None were refused above)
        if index in mixture:
            raise _invalid(f"names {manifest.classes[index]} twice; give each class one weight")
        mixture[index] = _weight(text, weight)
    if len(mixture) == 1:
        return next(iter(mixture))
    taken = manifest.graphs["generator"].input("label")
    if taken is None or taken.dtype == "int64":
        mixed = " and ".join(text for text, _ in shares)
        raise _invalid(f"{manifest.reference} draws one class at once, it can't mix {mixed}; give one")
    return mixture


def _shares(text: str) -> list[tuple[str, str]] | None:
    """The classes of a mixture and their weights, as texts; None if it names no weights.

    Raises `InvalidParameter` where some have a weight and others none.
    """
    if ":" not in text:
        return None
    found, at = [], 0
    while at < len(text):
        share = SHARE.match(text, at)
        if share is None:
            shown = text if len(text) <= 64 else f"{text[:64]}…"
            raise _invalid(f"must be a class, or classes with their weights, such as cat:0.7,dog:0.3, not {shown!r}")
        found.append((share[1].strip(), share[2].strip()))
        at = share.end()
    return found


@lru_cache(maxsize=64)
def _indices(classes: tuple[str, ...]) -> Mapping[str, int]:
    """The indices of classes by what requests call them: the name, or the index where no class has that name."""
    return {str(index): index for index in range(len(classes))} | {name: index for index, name in enumerate(classes)}


def _weight(text: str, given: str) -> float:
    try:
        weight = float(given)
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight > 0):
        raise _invalid(f"the weight of {text} must be a number above 0, such as 0.7, not {given!r}")
    return weight


def _plain(weight: float) -> str:
    """A weight as short as it can be said exactly."""
    return repr(weight).removesuffix(".0")


def _invalid(message: str) -> InvalidParameter:
    return InvalidParameter.of("class", message)
