"""What the verbs give back, and how it is read from the service's answers."""

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .errors import of_document


@dataclass(frozen=True)
class Sample:
    """One picture that was drawn, and where it comes from.

    `png` is its file as the service wrote it, whose metadata holds the recipe: keep that one, and not what
    `image.save` writes, for a picture that can say of itself how it was made. `url` is where this very picture lies
    for ever; None if the model draws noise of its own. `scores` are those that made a critic choose it: realness, and
    match with its class; None unless `best_of` was asked for.
    """

    image: Image.Image
    index: int
    class_name: str | None
    seed: int
    url: str | None
    scores: Mapping[str, float] | None
    recipe: Mapping[str, Any]
    png: bytes = field(repr=False)


@dataclass(frozen=True)
class Frame:
    """One picture of a walk, `number` from 0; `stop` is the number of the stop that it is, None between them.

    `class_name` is the class, or several with their weights, None without classes. `url` is where the picture of a
    seed lies for ever. `png` is its file as the service wrote it, with its recipe.
    """

    image: Image.Image
    number: int
    stop: int | None
    class_name: str | None
    url: str | None
    recipe: Mapping[str, Any]
    png: bytes = field(repr=False)


@dataclass(frozen=True)
class Edited:
    """One picture that was edited: `amounts` is how far along each direction.

    `index` is that of the sample of the seed, or of the latent in those that were sent; these, and a picture that was
    sent, have no `seed` and no `url`. The rest is as of a `Sample`.
    """

    image: Image.Image
    amounts: Mapping[str, float]
    index: int
    class_name: str | None
    seed: int | None
    url: str | None
    recipe: Mapping[str, Any]
    png: bytes = field(repr=False)


@dataclass(frozen=True, eq=False)
class Code:
    """What a picture is to a model with an encoder: `latent`, float32 [size], of a variational encoder the mean.

    `deviation`, float32 [size], is how far codes of this picture lie from the mean; None of another encoder.
    """

    model: str
    latent: NDArray[np.float32]
    deviation: NDArray[np.float32] | None


@dataclass(frozen=True)
class Score:
    """What a model's critic says of a picture, in logits, which compare pictures under one model.

    `realness` is the higher, the more real. `match` is how well the picture matches each class that was asked about,
    the best first; empty where the model has no classes.
    """

    model: str
    realness: float
    match: Mapping[str, float]


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


def images(content: bytes, at: httpx.URL) -> list[Image.Image]:
    """The pictures of a zip, in the order in which they lie in it."""
    with ZipFile(BytesIO(content)) as archive:
        return [image(archive.read(name), at) for name in archive.namelist()]


def code(content: bytes, _: httpx.URL) -> Code:
    """The code of a JSON answer, which holds that of one picture."""
    found = json.loads(content)
    [latent], deviations = found["latents"], found.get("deviations")
    return Code(
        model=found["model"],
        latent=np.array(latent, np.float32),
        deviation=None if deviations is None else np.array(deviations[0], np.float32),
    )


def score(content: bytes, _: httpx.URL) -> Score:
    """The score of a JSON answer."""
    found = json.loads(content)
    return Score(found["model"], found["realness"], found.get("match", {}))


def frames(content: bytes, at: httpx.URL) -> list[Frame]:
    """The pictures of a walk in a JSON answer."""
    return [_frame(member, at) for member in json.loads(content)["samples"]]


def edited(content: bytes, at: httpx.URL) -> list[Edited]:
    """The pictures of a JSON answer of an edit."""
    answer = json.loads(content)
    return [_edited(member, answer.get("seed"), at) for member in answer["samples"]]


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
    return Sample(
        image=image(png, at),
        index=member["index"],
        class_name=member.get("class"),
        seed=member["recipe"]["seed"],
        url=_url(member, at),
        scores=member.get("scores"),
        recipe=member["recipe"],
        png=png,
    )


def _frame(member: Mapping[str, Any], at: httpx.URL) -> Frame:
    """The picture of a walk of a JSON object in the answer of that address."""
    png = b64decode(member["image"])
    return Frame(
        image=image(png, at),
        number=member["frame"],
        stop=member.get("stop"),
        class_name=member.get("class"),
        url=_url(member, at),
        recipe=member["recipe"],
        png=png,
    )


def _edited(member: Mapping[str, Any], seed: int | None, at: httpx.URL) -> Edited:
    """The edited picture of a JSON object in the answer of that address."""
    png = b64decode(member["image"])
    return Edited(
        image=image(png, at),
        amounts=member["amounts"],
        index=member["index"],
        class_name=member.get("class"),
        seed=seed,
        url=_url(member, at),
        recipe=member["recipe"],
        png=png,
    )


def _url(member: Mapping[str, Any], at: httpx.URL) -> str | None:
    """Where the picture of a JSON object in the answer of that address lies."""
    address: str | None = member.get("url")
    # The service names the path below itself; seen from here that is beside the verb, be there a prefix or not.
    return None if address is None else str(at.join(address.removeprefix("/")))


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
