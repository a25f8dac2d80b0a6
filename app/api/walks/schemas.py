"""The shapes that travel to and from `/interpolate`: its parameters, and its JSON answer."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from app.api.forms import PictureForm
from app.api.layouts import Format, Layout
from app.api.schemas import Parameters
from app.api.walks.sequences import FilmRate, Upscale
from app.api.walks.stops import CLASS, OBJECT, SEED
from app.media.provenance import Derivation, Recipe
from app.walks import Easing

Mode = Literal["slerp", "lerp"]

STOP: dict[str, Any] = {"oneOf": [SEED, OBJECT]}
STOPS: dict[str, Any] = {"oneOf": [{"type": "string"}, {"type": "array", "minItems": 2, "items": STOP}]}


class InterpolateParameters(Parameters):
    """What may be asked of `/interpolate`."""

    from_: Annotated[
        Any,
        WithJsonSchema(STOP),
        Field(alias="from", description="seed of the first picture; drawn, and returned, if not given", examples=[1]),
    ] = None
    to: Annotated[
        Any, WithJsonSchema(STOP), Field(description="seed of the last picture; drawn if not given", examples=[2])
    ] = None
    stops: Annotated[
        Any,
        WithJsonSchema(STOPS),
        Field(description="in place of from and to: seeds such as 1,2,3, two at least; a list may hold objects, too"),
    ] = None
    class_: Annotated[
        Any,
        WithJsonSchema(CLASS),
        Field(
            alias="class",
            description="class by name or index, or weights such as dog:0.7,cat:0.3; one for all stops, or one for "
            "each, such as dog;cat. Drawn from each seed if not given. Between stops weights blend; a model that takes "
            "one class at once changes it half-way",
            examples=["dog"],
        ),
    ] = None
    steps: Annotated[
        int | None,
        Field(
            ge=2, description="pictures from stop to stop, both included, and rows and columns of a grid", examples=[8]
        ),
    ] = None
    mode: Annotated[Mode, Field(description="along the great circle, or straight")] = "slerp"
    easing: Annotated[Easing, Field(description="even steps, or slow ones near each stop")] = "linear"
    loop: Annotated[
        int,
        Field(ge=0, le=1, description="1 goes back to the first stop, without doubling it, and an animation repeats"),
    ] = 0
    truncation: Annotated[
        float, Field(ge=0, le=1, description="of seeds, as in /generate; latents are taken as they are")
    ] = 1.0
    layout: Annotated[
        Layout | None,
        Field(
            description="strip: one row; grid: between four stops, top left, top right, bottom left, bottom right; "
            "animation: one after the other. If not given, what the format is made for"
        ),
    ] = None
    format: Annotated[
        Format | None,
        Field(
            description="form of the answer; wins over the Accept header. png, jpeg and webp are strips and grids, "
            "gif, webp, apng and mp4 animations; json, zip and npy hold the pictures apart",
            examples=["png"],
        ),
    ] = None
    picture: PictureForm = None
    frame: Annotated[
        int | None,
        Field(ge=0, description="this picture of the walk alone, counted from 0; the walk may then be longer"),
    ] = None
    upscale: Upscale = 1
    fps: FilmRate = None


class InterpolatedSample(BaseModel):
    """One picture of a JSON answer."""

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    frame: Annotated[int, Field(description="its number in the walk")]
    stop: Annotated[int | None, Field(description="number of the stop that it is, if it is one")] = None
    class_: Annotated[str | None, Field(alias="class", description="the class, or several with their weights")] = None
    image: Annotated[str, Field(description="picture in base64, a PNG unless another was asked for")]
    url: Annotated[
        str | None,
        Field(
            description="where it lies for ever, if it is a sample of a seed; not if the model draws noise of its own"
        ),
    ] = None
    recipe: Recipe | Derivation


class InterpolatedSamples(BaseModel):
    """The JSON answer of `/interpolate`: the pictures from stop to stop, or those of a grid, row by row."""

    model: str
    samples: list[InterpolatedSample]
