"""Samples of seeds: drawn, streamed, and drawn again."""

from PIL import Image

from .. import answers, payloads
from ..answers import Sample
from ..calls import JSON, LINES, PICTURES, Call, Priority, Stream, given
from ..payloads import File
from ..stops import Class, class_text


def generate(
    class_: Class | None = None,
    *,
    model: str | None = None,
    n: int = 1,
    seed: int | None = None,
    index: int | None = None,
    truncation: float | None = None,
    best_of: int | None = None,
    stage: int | None = None,
    timeout: float | None = None,
    priority: Priority | None = None,
) -> Call[list[Sample]]:
    """Draw `n` samples of a seed, from `index` on; the service draws the seed, and the classes, that are not given.

    `class_` is a class by name or index, or several by their weights, such as `{"dog": 0.7, "cat": 0.3}`, where the
    model mixes them. `truncation` below 1 is more typical and less varied. With `best_of` so many times `n` are drawn,
    and the model's critic chooses: the best come first, with their scores. `stage` 1 is the small picture of a model
    that draws in two stages.
    """
    parameters = given(
        model=model,
        class_=class_text(class_),
        n=n,
        seed=seed,
        index=index,
        truncation=truncation,
        best_of=best_of,
        stage=stage,
        timeout=timeout,
        priority=priority,
        format="json",
    )
    return Call("GET", "/generate", JSON, answers.samples, parameters)


def stream(
    class_: Class | None = None,
    *,
    model: str | None = None,
    n: int = 1,
    seed: int | None = None,
    index: int | None = None,
    truncation: float | None = None,
    best_of: int | None = None,
    stage: int | None = None,
    timeout: float | None = None,
    priority: Priority | None = None,
) -> Stream[Sample]:
    """Draw as `generate` does, and give each sample as soon as it is done, in whatever order that is.

    The request is sent when the first sample is asked for. Who closes the iterator early takes along what isn't drawn.
    """
    parameters = given(
        model=model,
        class_=class_text(class_),
        n=n,
        seed=seed,
        index=index,
        truncation=truncation,
        best_of=best_of,
        stage=stage,
        timeout=timeout,
        priority=priority,
        format="ndjson",
    )
    return Stream("GET", "/generate", LINES, answers.sample_of_line, parameters)


def reproduce(
    picture: File,
    *,
    timeout: float | None = None,
    priority: Priority | None = None,
) -> Call[Image.Image]:
    """Draw a picture of the service again, from the recipe that its file carries: the answer has the very same bytes.

    Else a `ServiceError`, 409, says what differs: the model is gone, its weights are others, the file was written anew,
    or its pixels were altered. A PIL image won't do, since it isn't the file that was drawn.
    """
    parameters = given(timeout=timeout, priority=priority)
    return Call("POST", "/reproduce", PICTURES, answers.image, parameters, payloads.file(picture))
