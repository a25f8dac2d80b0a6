"""Codes: from pictures to latents, from latents to pictures, and both ways at once."""

from numpy.typing import ArrayLike
from PIL import Image

from .. import answers, payloads
from ..answers import Code
from ..calls import JSON, PNG, ZIP, Call, Priority, given, model_path
from ..payloads import Picture
from ..stops import Class, class_text


def encode(
    picture: Picture,
    *,
    model: str | None = None,
    timeout: float | None = None,
    priority: Priority | None = None,
) -> Call[Code]:
    """Find the code of a picture, by a model with an encoder, which sees its middle; `decode` takes its latent."""
    parameters = given(model=model, timeout=timeout, priority=priority, format="json")
    return Call("POST", "/encode", JSON, answers.code, parameters, payloads.picture(picture))


def decode(
    latents: ArrayLike,
    *,
    model: str | None = None,
    class_: Class | None = None,
    timeout: float | None = None,
    priority: Priority | None = None,
) -> Call[list[Image.Image]]:
    """Draw the pictures of latents, [n, size] or one of [size], which mean something to one model alone: name it.

    `class_` must be given where the model has classes. `ValueError` for what is no array of numbers.
    """
    parameters = given(model=model, class_=class_text(class_), timeout=timeout, priority=priority, format="zip")
    return Call("POST", "/decode", ZIP, answers.images, parameters, payloads.array(latents))


def reconstruct(
    picture: Picture,
    *,
    model: str | None = None,
    class_: Class | None = None,
    seed: int | None = None,
    timeout: float | None = None,
    priority: Priority | None = None,
) -> Call[Image.Image]:
    """Encode a picture and decode it again: what the model keeps of it, at its size.

    Of a variational encoder, `seed` draws the code around the mean, as far off as the encoder is unsure.
    """
    parameters = given(
        model=model, class_=class_text(class_), seed=seed, timeout=timeout, priority=priority, format="png"
    )
    return Call("POST", "/reconstruct", PNG, answers.image, parameters, payloads.picture(picture))


def code_map(
    model: str,
    *,
    class_: Class | None = None,
    rows: int | None = None,
    columns: int | None = None,
    dimensions: tuple[int, int] | None = None,
    extent: float | None = None,
    timeout: float | None = None,
    priority: Priority | None = None,
) -> Call[Image.Image]:
    """What a model draws over a plane of its latent space, as one sheet of `rows` × `columns` pictures.

    Of the two `dimensions`, from 0, the first grows to the right and the second upwards, from -`extent` to `extent`
    standard deviations; without an extent, every picture stands for an equal share of all samples.
    """
    parameters = given(
        class_=class_text(class_),
        rows=rows,
        columns=columns,
        dimensions=None if dimensions is None else ",".join(map(str, dimensions)),
        extent=extent,
        timeout=timeout,
        priority=priority,
        format="png",
    )
    return Call("GET", f"{model_path(model)}/map", PNG, answers.image, parameters)
