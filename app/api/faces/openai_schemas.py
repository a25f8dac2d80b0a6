"""The shapes of the OpenAI face: the parameters of `/v1/images/generations`, its answers, models and errors.

From OpenAI's API reference (Images, Models), with `seed` in addition. Used by `openai` alone.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.api.schemas import Parameters
from app.latents import MAX_SEED
from app.media import images

MOST = 10
"""OpenAI's largest n."""

PROMPT = 32_000
"""OpenAI's longest prompt, in characters."""

Ignored = Annotated[str | None, Field(description="accepted, and without meaning here")]


class ImagesParameters(Parameters):
    """What may be asked of `/v1/images/generations`: what OpenAI's clients send, where null is as good as nothing, and
    `seed`, `timeout` and `priority`. Values are of the very types that OpenAI says.
    """

    model_config = ConfigDict(strict=True, coerce_numbers_to_str=False)
    booleans = frozenset({"stream"})

    prompt: Annotated[
        str,
        Field(
            max_length=PROMPT,
            description="names a class of the model, or the model; a model without classes draws whatever it says",
            examples=["a photo of a dog"],
        ),
    ]
    n: Annotated[int | None, Field(ge=1, description="how many pictures; 1 if not given", examples=[2])] = None
    seed: Annotated[
        int | None, Field(ge=0, le=MAX_SEED, description="drawn, and returned, if not given", examples=[42])
    ] = None
    response_format: Annotated[
        Literal["url", "b64_json"] | None,
        Field(description="url draws nothing yet: whoever asks for the address gets the picture; both if not given"),
    ] = None
    output_format: Annotated[images.Format | None, Field(description="png if not given", examples=["png"])] = None
    size: Annotated[str | None, Field(description="auto, or the size that the model draws", examples=["auto"])] = None
    background: Annotated[
        Literal["transparent", "opaque", "auto"] | None,
        Field(description="transparent, of a model that draws transparency; opaque, of one that doesn't"),
    ] = None
    output_compression: Annotated[int | None, Field(ge=0, le=100, description="100, and no less")] = None
    stream: Annotated[
        bool | None, Field(description="an event for each picture, as soon as it is done, in whatever order")
    ] = None
    partial_images: Annotated[
        int | None, Field(ge=0, le=3, description="at most so many, and that is none: a picture is drawn in one step")
    ] = None
    quality: Ignored = None
    style: Ignored = None
    moderation: Ignored = None
    complexity: Ignored = None
    user: Ignored = None
    safety_identifier: Ignored = None


class Picture(BaseModel):
    """One picture: where it lies for ever, or its file in base64, and what it was drawn as."""

    b64_json: str | None = None
    url: str | None = None
    revised_prompt: Annotated[str, Field(description="what of the prompt was heeded: the class, or the model's title")]


class Images(BaseModel):
    """The answer of `/v1/images/generations`. `model` and `seed`, which OpenAI's own lacks, make it again."""

    created: int
    model: str
    seed: int
    output_format: images.Format
    size: str
    background: Literal["transparent", "opaque"]
    data: list[Picture] = []


class Model(BaseModel):
    """A model that can draw."""

    id: Annotated[str, Field(description="name@version")]
    object: Literal["model"] = "model"
    created: Annotated[int, Field(description="when its training ended, or it was added, in Unix seconds")]
    owned_by: str = "ganymede"
    title: str
    classes: tuple[str, ...]


class Models(BaseModel):
    """Every model that can draw."""

    object: Literal["list"] = "list"
    data: list[Model]


class Fault(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorDocument(BaseModel):
    """An error, in OpenAI's shape."""

    error: Fault


EVENT: dict[str, Any] = {
    "text/event-stream": {
        "schema": {
            "type": "string",
            "description": "With `stream`: an event `image_generation.completed` for each picture, in the order in "
            "which they are done. What fails after the first one ends the stream with an event `error`.",
        }
    }
}
"""How OpenAPI describes the stream."""
