"""The shapes that travel to and from `/edit`: its parameters, and its JSON answer."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from app.api.forms import PictureForm
from app.api.layouts import STEPS, Format
from app.api.schemas import SampleParameters
from app.api.walks.sequences import FilmRate, Upscale
from app.media.provenance import Derivation, Recipe
from app.walks import Easing

AMOUNT: dict[str, Any] = {
    "oneOf": [
        {"type": "number"},
        {"type": "string"},
        {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "number"}},
    ]
}
DIRECTIONS: dict[str, Any] = {
    "oneOf": [{"type": "string"}, {"type": "object", "minProperties": 1, "additionalProperties": AMOUNT}]
}


class EditParameters(SampleParameters):
    """What may be asked of `/edit`: which samples, along which directions, how far, and in which form."""

    direction: Annotated[
        str | None, Field(description="what to change: one of the model's directions", examples=["warmth"])
    ] = None
    amount: Annotated[
        Any,
        WithJsonSchema(AMOUNT),
        Field(
            description="how far, in standard deviations of the prior, within the range of the direction; below 0 the "
            "other way. Two, such as -3..3, are from where to where a sequence goes; one alone goes from 0",
            examples=[2],
        ),
    ] = None
    directions: Annotated[
        Any,
        WithJsonSchema(DIRECTIONS),
        Field(
            description="in place of direction and amount, several at once: warmth:2,sefa-4:-1, or an object in "
            "JSON, of which each amount may be two"
        ),
    ] = None
    steps: Annotated[
        int | None,
        Field(
            ge=2,
            description="draw a sequence of so many pictures, both ends included; if not given but wanted, since an "
            f"amount is two or the layout says so, {STEPS['strip']}, or {STEPS['animation']} of an animation",
        ),
    ] = None
    easing: Annotated[Easing, Field(description="of a sequence: even steps, or slow ones near each end")] = "linear"
    loop: Annotated[
        int,
        Field(ge=0, le=1, description="of a sequence: 1 goes back to where it began, too, and an animation repeats"),
    ] = 0
    layout: Annotated[
        Literal["strip", "animation"] | None,
        Field(
            description="of a sequence: strip, one row for each sample; or animation, of one sample. If not given, "
            "what the format is made for"
        ),
    ] = None
    format: Annotated[
        Format | None,
        Field(
            description="form of the answer; wins over the Accept header. gif, webp, apng and mp4 are animations; "
            "json, zip and npy hold the pictures apart",
            examples=["png"],
        ),
    ] = None
    picture: PictureForm = None
    grid: Annotated[
        int | None,
        Field(ge=1, description="columns of the sheet that n > 1 pictures are laid in, if they are no sequence"),
    ] = None
    upscale: Upscale = 1
    fps: FilmRate = None


class EditedSample(BaseModel):
    """One picture of a JSON answer."""

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    index: Annotated[int, Field(description="of the sample, or of the latent in those that were sent")]
    amounts: Annotated[dict[str, float], Field(description="how far along each direction")]
    class_: Annotated[str | None, Field(alias="class")] = None
    image: Annotated[str, Field(description="picture in base64, a PNG unless another was asked for")]
    url: Annotated[
        str | None,
        Field(
            description="where this very picture lies for ever; not there if it is no sample of a seed, or the model "
            "draws noise of its own"
        ),
    ] = None
    recipe: Recipe | Derivation


class EditedSamples(BaseModel):
    """The JSON answer of `/edit`: of each sample the pictures of its sequence, one sample after the other."""

    model: str
    seed: int | None = None
    samples: list[EditedSample]
