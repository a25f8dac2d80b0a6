"""What lies between samples: walks from stop to stop, as pictures and as films."""

from collections.abc import Sequence
from typing import Literal

from .. import answers
from ..answers import Frame
from ..calls import FILMS, JSON, Call, Priority, given
from ..stops import Class, Waypoint, class_text, members

Layout = Literal["strip", "grid", "animation"]
Mode = Literal["slerp", "lerp"]
Easing = Literal["linear", "smooth"]
Film = Literal["gif", "webp", "apng", "mp4"]


def interpolate(
    stops: Sequence[Waypoint] | None = None,
    *,
    model: str | None = None,
    class_: Class | None = None,
    steps: int | None = None,
    mode: Mode | None = None,
    easing: Easing | None = None,
    loop: bool = False,
    truncation: float | None = None,
    layout: Layout | None = None,
    frame: int | None = None,
    timeout: float | None = None,
    priority: Priority | None = None,
) -> Call[list[Frame]]:
    """Draw what lies between samples, from each of the `stops` to the next, which are the very pictures of their seeds.

    A stop is a seed, a `Sample`, of which seed, index and class count, an array, which is a latent, or a `Stop`; if
    none are given, the service draws them. `class_` is that of all stops without one of their own. `steps` are the
    pictures from stop to stop, both included. `mode` is along the great circle ("slerp") or straight; `easing` may slow
    down near each stop; `loop` goes back to the first. A `layout` of "grid" lies between four stops, its corners, row
    by row. `frame` wants this picture of the walk alone.
    """
    parameters = given(
        model=model,
        stops=members(stops),
        class_=class_text(class_),
        steps=steps,
        mode=mode,
        easing=easing,
        loop=int(loop),
        truncation=truncation,
        layout=layout,
        frame=frame,
        timeout=timeout,
        priority=priority,
        format="json",
    )
    return Call("POST", "/interpolate", JSON, answers.frames, parameters)


def animate(
    stops: Sequence[Waypoint] | None = None,
    *,
    model: str | None = None,
    class_: Class | None = None,
    steps: int | None = None,
    mode: Mode | None = None,
    easing: Easing | None = None,
    loop: bool = False,
    truncation: float | None = None,
    fps: float | None = None,
    upscale: int | None = None,
    format: Film = "gif",  # noqa: A002 (the service calls it so)
    timeout: float | None = None,
    priority: Priority | None = None,
) -> Call[bytes]:
    """A film of what `interpolate` draws between `stops`, as the bytes of a file.

    `fps` are frames a second; with `upscale` each pixel is drawn as that many squared; with `loop` the film repeats
    without a jump.
    """
    parameters = given(
        model=model,
        stops=members(stops),
        class_=class_text(class_),
        steps=steps,
        mode=mode,
        easing=easing,
        loop=int(loop),
        truncation=truncation,
        layout="animation",
        fps=fps,
        upscale=upscale,
        timeout=timeout,
        priority=priority,
        format=format,
    )
    return Call("POST", "/interpolate", FILMS, answers.file, parameters)
