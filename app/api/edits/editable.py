"""Which model an edit is of: the one that is named, or the first that has the directions."""

from collections.abc import Collection, Sequence

from app.api.classes import class_of
from app.api.deps import Service
from app.api.edits.amounts import NamedAmount
from app.api.edits.schemas import EditParameters
from app.contract import Manifest
from app.engine.catalog import Catalog
from app.engine.model import LiveModel
from app.errors import InvalidParameter, UnknownClass, UnknownDirection

HOW = "`ganymede directions models/NAME/VERSION` finds those of a model with a latent"


def model_for(
    here: Service, asked: EditParameters, named: Sequence[NamedAmount], roles: Collection[str] = ()
) -> LiveModel:
    """The model asked for; where neither request nor settings name one, the first with these graphs that has the
    directions, and the class if it can.

    A default model without directions is passed over, as is one without the task by other verbs. Raises what
    `Catalog.get` raises, `UnknownDirection` if no model has one, and `InvalidParameter` if the model has none at all.
    """
    catalog, default = here.catalog, here.settings.default_model
    if asked.model is not None:
        live = catalog.get(asked.model, task=None, roles=roles)
        if not live.manifest.directions:
            raise _none(catalog, roles, live.manifest)
        return live
    if default is not None and _able(live := catalog.named(default), roles):
        return live
    able = [live for live in catalog.able(None) if _able(live, roles)]
    if not able:
        raise _none(catalog, roles)
    for one in named:
        if not any(_has(live.manifest, one) for live in able):
            known = {direction.name for live in able for direction in live.manifest.directions}
            raise UnknownDirection(one.name, sorted(known))
    fitting = [live for live in able if all(_has(live.manifest, one) for one in named)] or able
    return next((live for live in fitting if _draws(live.manifest, asked.class_)), fitting[0])


def _able(live: LiveModel, roles: Collection[str]) -> bool:
    return bool(live.manifest.directions) and set(roles) <= set(live.manifest.graphs)


def _has(manifest: Manifest, named: NamedAmount) -> bool:
    return any(direction.name == named.name for direction in manifest.directions)


def _draws(manifest: Manifest, text: str | None) -> bool:
    """Whether the model has the class."""
    try:
        return text is None or class_of(manifest, text) is not None
    except (UnknownClass, InvalidParameter):
        return False


def _none(catalog: Catalog, roles: Collection[str], manifest: Manifest | None = None) -> InvalidParameter:
    """The refusal where a model, or each, has no directions: which have some, and how to find others."""
    entries = [entry for entry in catalog.entries() if entry.manifest is not None and entry.manifest.directions]
    some = ", ".join(entry.reference for entry in entries)
    able = "".join(f" with a graph {role!r}" for role in roles)
    lacks = f"no model{able} has directions" if manifest is None else f"{manifest.reference} has no directions"
    message = "; ".join([lacks, *([f"some are of {some}"] if some else []), HOW])
    return InvalidParameter.of("model", message)
