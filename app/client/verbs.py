"""The verbs, each described once as a function that makes a `Call`: `Client` and `AsyncClient` send what it says.

What isn't given is left to the service. Of every verb that draws, `model` is a name, or `name@version`, the service's
choice if not given; `timeout` is the seconds after which the answer is of no more use, so that nothing works on it any
longer; `priority` may be "bulk", which yields to requests that somebody waits for.
"""

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

from PIL import Image

from . import answers, payloads
from .answers import Model, Sample
from .calls import Call, Stream, given
from .payloads import File, Picture

JSON, LINES, PNG = ("application/json",), ("application/x-ndjson",), ("image/png",)
SOUNDS = ("audio/wav", "audio/flac")

Priority = Literal["interactive", "bulk"]
Scale = Literal["model", "original"]
SoundFormat = Literal["wav", "flac"]


def generate(
    class_: str | int | None = None,
    *,
    model: str | None = None,
    n: int = 1,
    seed: int | None = None,
    index: int | None = None,
    truncation: float | None = None,
    timeout: float | None = None,
    priority: Priority | None = None,
) -> Call[list[Sample]]:
    """Draw `n` samples of a seed, from `index` on; the service draws the seed, and the classes, that are not given.

    `class_` is a class by name or index. `truncation` below 1 is more typical and less varied.
    """
    parameters = given(
        model=model,
        class_=class_,
        n=n,
        seed=seed,
        index=index,
        truncation=truncation,
        timeout=timeout,
        priority=priority,
        format="json",
    )
    return Call("GET", "/generate", JSON, answers.samples, parameters)


def stream(
    class_: str | int | None = None,
    *,
    model: str | None = None,
    n: int = 1,
    seed: int | None = None,
    index: int | None = None,
    truncation: float | None = None,
    timeout: float | None = None,
    priority: Priority | None = None,
) -> Stream[Sample]:
    """Draw as `generate` does, and give each sample as soon as it is done, in whatever order that is.

    The request is sent when the first sample is asked for. Who closes the iterator early takes along what isn't drawn.
    """
    parameters = given(
        model=model,
        class_=class_,
        n=n,
        seed=seed,
        index=index,
        truncation=truncation,
        timeout=timeout,
        priority=priority,
        format="ndjson",
    )
    return Stream("GET", "/generate", LINES, answers.sample_of_line, parameters)


def translate(
    picture: Picture,
    *,
    model: str | None = None,
    scale: Scale | None = None,
    timeout: float | None = None,
    priority: Priority | None = None,
) -> Call[Image.Image]:
    """Translate a picture, labels to a photo, say, whatever the model was trained for; the answer has its size.

    `scale` is how the model sees it: brought to the size of training ("model"), or as it is ("original").
    """
    parameters = given(model=model, scale=scale, timeout=timeout, priority=priority, format="png")
    return Call("POST", "/translate", PNG, answers.image, parameters, payloads.picture(picture))


def style(
    picture: Picture,
    style: str | None = None,
    *,
    model: str | None = None,
    strength: float | None = None,
    scale: Scale | None = None,
    timeout: float | None = None,
    priority: Priority | None = None,
) -> Call[Image.Image]:
    """Paint a picture in a style, one of those that the models list; the answer has its size.

    `strength` is from 0, which leaves the picture as it was, to 1. `scale` is how the model sees it: brought to the
    size of training ("model"), or as it is ("original"), with strokes of training's size.
    """
    parameters = given(
        model=model, style=style, strength=strength, scale=scale, timeout=timeout, priority=priority, format="png"
    )
    return Call("POST", "/style", PNG, answers.image, parameters, payloads.picture(picture))


def enhance(
    sound: File,
    *,
    model: str | None = None,
    format: SoundFormat | None = None,  # noqa: A002 (the service calls it so)
    timeout: float | None = None,
    priority: Priority | None = None,
) -> Call[bytes]:
    """Enhance a recording, take the noise out of speech, say; the answer is a file of its rate, channels and length.

    `sound` is a WAV, FLAC, Ogg or MP3 file; `format` is that of the answer: if not given that of the recording, or FLAC
    where that is neither.
    """
    parameters = given(model=model, format=format, timeout=timeout, priority=priority)
    return Call("POST", "/enhance", SOUNDS, answers.file, parameters, payloads.file(sound))


def models() -> Call[list[Model]]:
    """Every model version, its state, and the exact reason of each that isn't served."""
    return Call("GET", "/models", JSON, answers.models, {})


def model(reference: str) -> Call[Model]:
    """One model by its name, which means its newest version, or `name@version`; with all that its manifest says."""
    return Call("GET", f"/models/{quote(reference, safe='@')}", JSON, answers.model, {})


def health() -> Call[Mapping[str, Any]]:
    """That the process lives, in its own words; `NoAnswerError` if it doesn't."""
    return Call("GET", "/healthz", JSON, answers.document, {})


def ready() -> Call[Mapping[str, Any]]:
    """That it can take work, with the state of each model; else a `ServiceError`, 503, with the reason of each."""
    return Call("GET", "/readyz", JSON, answers.document, {})
