"""Pictures that are no samples of a seed: drawn from what a request brought, or laid out by a rule.

What they say of themselves is the verb and its parameters. Used by the verbs that draw from codes.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field

from app.api import headers, openapi
from app.api.forms import Form
from app.api.media_types import offered
from app.api.schemas import Format
from app.engine.model import LiveModel
from app.media import images
from app.media.provenance import Derivation

DerivedFormat = Literal["png", "jpeg", "webp", "json", "zip", "npy"]

MEDIA_TYPES: dict[DerivedFormat, str] = offered(*get_args(DerivedFormat))


class DerivedSample(BaseModel):
    """One picture of a JSON answer."""

    image: Annotated[str, Field(description="picture in base64, a PNG unless another was asked for")]
    recipe: Derivation


class DerivedSamples(BaseModel):
    """The JSON answer of a verb that draws pictures of what it was given."""

    model: str
    samples: list[DerivedSample]


ANSWER: openapi.Responses = {
    200: {
        "model": DerivedSamples,
        "description": "The pictures.",
        "content": {kind: {} for kind in MEDIA_TYPES.values()},
        "headers": openapi.headers(headers.WORKED),
    },
    **openapi.problems(404, 406, 422, 429, 500, 503, 504),
}


@dataclass(frozen=True)
class Derived:
    """Pictures of one model in one form; `recipes` has that of each alone, `whole` that of the answer.

    `stem` is the file's name without its ending.
    """

    live: LiveModel
    stem: str
    form: Form
    whole: Derivation
    recipes: tuple[Derivation, ...]

    @property
    def format(self) -> Format:
        return self.form.format

    @property
    def picture(self) -> images.Format:
        return self.form.picture

    @property
    def columns(self) -> int | None:
        return self.form.columns

    def single(self, offset: int) -> "Derived":
        """One of the pictures alone."""
        recipe = self.recipes[offset]
        stem = self.stem if len(self.recipes) == 1 else f"{self.stem}_{offset}"
        return replace(self, stem=stem, form=Form(self.picture, self.picture, None), whole=recipe, recipes=(recipe,))

    def recipe(self) -> Derivation:
        return self.whole

    def head(self) -> dict[str, Any]:
        """What a JSON answer says of all pictures."""
        return {"model": self.live.manifest.reference}

    def member(self, image: str) -> bytes:
        """This picture, in base64, as a JSON object on one line; see `DerivedSample`."""
        return DerivedSample(image=image, recipe=self.whole).model_dump_json(exclude_none=True).encode()

    def file_name(self) -> str:
        return f"{self.stem}.{self.format}"


def derivation(live: LiveModel, verb: str, parameters: dict[str, Any], source: str | None = None) -> Derivation:
    """The recipe of what a verb drew with this model; parameters that are None are left out."""
    manifest = live.manifest
    given = {name: value for name, value in parameters.items() if value is not None}
    return Derivation(
        model=manifest.name,
        version=manifest.version,
        digest=live.digest,
        verb=verb,
        source=source,
        parameters=given,
    )
