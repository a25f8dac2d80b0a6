"""From what is asked of `/edit` to an `Editing`, or to the reason why there is none.

Used by the verb, and by `/reproduce`, which asks it again.
"""

from collections.abc import Mapping

from app.api.edits import amounts
from app.api.edits.amounts import NamedAmount
from app.api.edits.editing import Editing
from app.api.edits.schemas import EditParameters
from app.api.edits.starts import Start
from app.api.forms import PICTURES, require_short
from app.api.layouts import APART, FPS, STEPS, Format, Layout
from app.api.walks import sequences
from app.engine.model import LiveModel
from app.errors import InvalidParameter
from app.media import images
from app.settings import Settings
from app.walks import Walk, most_steps


def settle(
    asked: EditParameters,
    live: LiveModel,
    named: list[NamedAmount],
    start: Start,
    layout: Layout,
    file_format: Format,
    settings: Settings,
) -> Editing:
    """What `asked` comes to with this model, from that start, along the directions that are `named`.

    Raises `UnknownDirection`, and `InvalidParameter` for an amount out of its range, more pictures than this server
    draws in one request, and what doesn't go with the layout or the format.
    """
    moves = layout == "animation" and file_format not in APART
    sequence = layout == "animation" or asked.layout is not None or asked.steps is not None
    sequence |= any(one.start is not None for one in named)
    shifts = amounts.settle(named, live.manifest, sequence=sequence)
    sequences.require_fitting(asked, file_format, moves=moves)
    _require_fitting(asked, file_format, sequence=sequence)
    if moves and start.n > 1:
        raise InvalidParameter.of(
            "n", f"must be 1 of {file_format}: an animation shows one sample; use a strip, or zip"
        )
    walk = _walk(asked, start.n, layout, settings.max_samples) if sequence else None
    columns = None
    if file_format in PICTURES and not moves:
        columns = _columns(asked, start.n) if walk is None else len(walk)
    editing = Editing(
        live=live,
        start=start,
        shifts=shifts,
        walk=walk,
        format=file_format,
        picture=file_format if file_format in PICTURES else asked.picture or "png",
        columns=columns,
        moves=moves,
        upscale=asked.upscale,
        fps=FPS if asked.fps is None else asked.fps,
    )
    sequences.require_room(editing, settings.max_pixels)
    if isinstance(start.label, Mapping):
        require_short(len(editing.derivation().xmp), editing.picture, "class", "fewer classes")
    return editing


def _require_fitting(asked: EditParameters, file_format: Format, *, sequence: bool) -> None:
    """Refuses parameters that a sequence has no place for, or what is none."""
    if asked.grid is not None and (sequence or file_format not in PICTURES):
        raise InvalidParameter.of("grid", "is of png, jpeg and webp that show no sequence; leave grid out")
    for name in ("easing", "loop"):
        if name in asked.model_fields_set and not sequence:
            raise InvalidParameter.of(name, f"is of a sequence; ask for one by steps, or leave {name} out")


def _walk(asked: EditParameters, n: int, layout: Layout, pictures: int) -> Walk:
    """The walk of each of `n` samples, which have so many pictures at most in all."""
    loop = bool(asked.loop)
    most = most_steps(2, pictures // n, loop=loop, grid=False)
    if most < 2:
        raise InvalidParameter.of(
            "n", f"is too many for a sequence: this server draws {pictures} pictures in one request"
        )
    walk = Walk(2, asked.steps or min(STEPS[layout], most), asked.easing, loop)
    if len(walk) * n > pictures:
        message = f"makes {len(walk) * n} pictures of {n} samples; this server draws {pictures} in one request: "
        raise InvalidParameter.of("steps", message + f"{most} steps at most")
    return walk


def _columns(asked: EditParameters, n: int) -> int | None:
    """The columns of a sheet that shows no sequence; None for a picture alone."""
    return None if n == 1 else min(asked.grid or images.square(n), n)
