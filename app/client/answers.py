"""What the verbs give back, and how it is read from the service's answers."""

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import httpx
from PIL import Image

from .errors import of_document


@dataclass(frozen=True)
class Sample:
    """One picture that was drawn, and where it comes from.

    `png` is its file as the service wrote it, whose metadata holds the recipe: keep that one, and not what
    `image.save` writes, for a picture that can say of itself how it was made. `url` is where this very picture lies
    for ever; None if the model draws noise of its own.
    """

    image: Image.Image
    index: int
    class_name: str | None
    seed: int
    url: str | None
    recipe: Mapping[str, Any]
    png: bytes = field(repr=False)


@dataclass(frozen=True)
class Model:
    """One model version. `document` is all that the service says of it; the rest is what one mostly looks for.

    `state` is ready where it takes requests; `reason` says why not. What a folder without a readable manifest is
    called and can do is not known: its fields are empty.
    """

    reference: str
    state: str
    reason: str | None
    title: str
    tasks: tuple[str, ...]
    classes: tuple[str, ...]
    styles: tuple[str, ...]
    document: Mapping[str, Any] = field(repr=False)


def document(content: bytes, _: httpx.URL) -> Mapping[str, Any]:
    """A JSON object as it is."""
    found: Mapping[str, Any] = json.loads(content)
    return found


def file(content: bytes, _: httpx.URL) -> bytes:
    """A file as it is."""
    return content


def image(content: bytes, _: httpx.URL) -> Image.Image:
    """The picture of a file."""
    picture = Image.open(BytesIO(content))
    picture.load()
    return picture


def samples(content: bytes, at: httpx.URL) -> list[Sample]:
    """The samples of a JSON answer."""
    return [_sample(member, at) for member in json.loads(content)["samples"]]


def sample_of_line(line: bytes, at: httpx.URL) -> Sample:
    """The sample of a line of a stream; raises the `ServiceError` that a last line may be instead."""
    member = json.loads(line)
    if "status" in member:
        raise of_document(member)
    return _sample(member, at)


def model(content: bytes, _: httpx.URL) -> Model:
    """The model that a JSON answer describes."""
    return _model(json.loads(content))


def models(content: bytes, _: httpx.URL) -> list[Model]:
    """The models of a JSON answer."""
    return [_model(member) for member in json.loads(content)["models"]]


def _sample(member: Mapping[str, Any], at: httpx.URL) -> Sample:
    """The sample of a JSON object in the answer of that address."""
    png = b64decode(member["image"])
    address = member.get("url")
    return Sample(
        image=image(png, at),
        index=member["index"],
        class_name=member.get("class"),
        seed=member["recipe"]["seed"],
        # The service names the path below itself; seen from here that is beside the verb, be there a prefix or not.
        url=None if address is None else str(at.join(address.removeprefix("/"))),
        recipe=member["recipe"],
        png=png,
    )


def _model(member: Mapping[str, Any]) -> Model:
    return Model(
        reference=member["model"],
        state=member["state"],
        reason=member["reason"],
        title=member.get("title", ""),
        tasks=tuple(member.get("tasks", ())),
        classes=tuple(member.get("classes", ())),
        styles=tuple(member.get("styles", ())),
        document=member,
    )
