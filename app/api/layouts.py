"""How pictures that follow upon each other are laid out, and in which formats each layout can be sent."""

from typing import Literal

from starlette.requests import Request

from app.api.media_types import offered
from app.api.negotiation import negotiated
from app.errors import InvalidParameter

Layout = Literal["strip", "grid", "animation"]
Format = Literal["png", "jpeg", "webp", "gif", "apng", "mp4", "zip", "json", "npy"]

MEDIA_TYPES: dict[Format, str] = offered("png", "jpeg", "webp", "gif", "apng", "mp4", "json", "zip", "npy")
"""In order of preference: the first is what a client gets that says neither format nor layout."""

APART: tuple[Format, ...] = ("json", "zip", "npy")
"""Formats that hold the pictures apart, whatever their layout would be."""
FORMATS: dict[Layout, tuple[Format, ...]] = {
    "strip": ("png", "jpeg", "webp", *APART),
    "grid": ("png", "jpeg", "webp", *APART),
    "animation": ("gif", "webp", "apng", "mp4", *APART),
}
"""What each layout can be sent as, in order of preference."""

STEPS: dict[Layout, int] = {"strip": 8, "grid": 8, "animation": 24}
"""Pictures from one end to the other where the request doesn't say."""
FPS = 12.0
"""Frames a second of an animation where the request doesn't say."""


def chosen(request: Request, layout: Layout | None, file_format: Format | None) -> tuple[Layout, Format]:
    """The layout and the format of an answer, where a request names one of them, both or neither.

    A format that the request doesn't name is what its `Accept` header likes best of those that the layout can be; a
    layout that it doesn't name is a strip, or an animation where the format is nothing else. Raises `InvalidParameter`
    for two that don't go together, and `NotAcceptable`.
    """
    if file_format is None:
        file_format = negotiated(request, MEDIA_TYPES if layout is None else offered(*FORMATS[layout]))
    if layout is None:
        layout = "strip" if file_format in FORMATS["strip"] else "animation"
    if file_format not in FORMATS[layout]:
        fitting = " or ".join(name for name, formats in FORMATS.items() if file_format in formats)
        message = f"a layout of {layout} is sent as {', '.join(FORMATS[layout])}, not {file_format}; that is {fitting}"
        raise InvalidParameter.of("format", message)
    return layout, file_format
