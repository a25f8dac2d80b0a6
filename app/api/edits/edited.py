"""A picture that `/edit` drew, from the recipe that it carries: what `/reproduce` draws again."""

from typing import Any

from pydantic import ValidationError

from app.api.codes import transport
from app.api.edits import amounts, starts
from app.api.edits.editing import Editing
from app.api.edits.schemas import EditParameters
from app.api.edits.settling import settle
from app.api.edits.starts import Start
from app.api.layouts import Format
from app.contract import Manifest
from app.engine.model import LiveModel
from app.errors import InvalidParameter, NotReproduced, Problem
from app.media import images
from app.media.provenance import Derivation
from app.settings import Settings


def edited(
    recipe: Derivation, live: LiveModel, editable: type[EditParameters], kind: images.Format, settings: Settings
) -> Editing:
    """The edit that a recipe is of, in a file of that kind; raises `NotReproduced` for a recipe that can't be followed.

    What began at a picture needs it no more: its code is in the recipe.
    """
    fields: dict[str, Any] = dict(recipe.parameters)
    carried, known = fields.pop("latents", None), fields.pop("latents_sha256", None)
    if known is not None:
        how = f"send those whose SHA-256 is {known} to POST /edit again"
        raise NotReproduced(f"It was made of more latents than a recipe carries: {how}.")
    # A film's kind is that of its first frame.
    file_format: Format = "apng" if fields.get("layout") == "animation" and kind == "png" else kind
    try:
        asked = editable.model_validate(fields)
        named = amounts.read(asked)
        start = _start(asked, live.manifest, carried, recipe.source, settings)
        return settle(asked, live, named, start, asked.layout or "strip", file_format, settings)
    except (ValidationError, Problem) as error:
        raise unfollowed(error) from error


def _start(asked: EditParameters, manifest: Manifest, carried: object, source: str | None, settings: Settings) -> Start:
    """Where the edit began: at latents that the recipe carries, or at the samples of its seed."""
    if carried is None:
        if asked.seed is None:
            raise InvalidParameter.of("seed", "is missing")
        return starts.of_seed(asked, manifest, asked.seed)
    size = manifest.latent.size if manifest.latent else 0
    try:
        latents = transport.unpacked(str(carried), size)
    except ValueError as error:
        raise InvalidParameter.of("latents", f"can't be unpacked: {error}") from error
    latents = transport.settled(manifest, latents, settings.max_samples)
    return starts.of_latents(asked, manifest, latents, source)


def unfollowed(error: ValidationError | Problem) -> NotReproduced:
    """What is said of a recipe whose parameters are refused, by their schema or by the verb."""
    if isinstance(error, Problem):
        said = error.detail
    else:
        said = "; ".join(f"{flaw['loc'][0]}: {flaw['msg']}" for flaw in error.errors())
    return NotReproduced(f"Its recipe is none that this service follows: {said}.")
