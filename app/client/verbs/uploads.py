"""Files that are sent, and what a model makes of them: pictures for pictures, sound for sound, frames for frames."""

from typing import Literal

from PIL import Image

from .. import answers, payloads
from ..answers import Score
from ..calls import JSON, PNG, SOUNDS, ZIP, Call, Priority, given
from ..payloads import Clip, File, Picture

Scale = Literal["model", "original"]
SoundFormat = Literal["wav", "flac"]


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


def predict(
    clip: Clip,
    *,
    model: str | None = None,
    steps: int | None = None,
    context: bool = False,
    timeout: float | None = None,
    priority: Priority | None = None,
) -> Call[list[Image.Image]]:
    """Predict how a clip goes on: the next `steps` frames, of its size.

    With `context` they come after those that the model was given.

    `clip` is the file of a film, of whatever form, or an array of frames, uint8 [k, h, w] or [k, h, w, c], or a list of
    pictures.
    """
    parameters = given(model=model, steps=steps, context=int(context), timeout=timeout, priority=priority, format="zip")
    return Call("POST", "/predict", ZIP, answers.images, parameters, payloads.clip(clip))


def score(
    picture: Picture,
    class_: str | int | None = None,
    *,
    model: str | None = None,
    timeout: float | None = None,
    priority: Priority | None = None,
) -> Call[Score]:
    """Ask a model's critic about a picture: is it real, and does it match this class, or each if none is given?"""
    parameters = given(model=model, class_=class_, timeout=timeout, priority=priority)
    return Call("POST", "/score", JSON, answers.score, parameters, payloads.picture(picture))
