"""Which of the offered media types a client prefers: the `Accept` header (RFC 9110, section 12.5.1)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from starlette.requests import Request

from app.errors import NotAcceptable

Name = TypeVar("Name", bound=str)


def negotiated(request: Request, offered: Mapping[Name, str]) -> Name:
    """What to send to this client, see `preferred`; raises `NotAcceptable` if it takes nothing of what is offered."""
    accept = ", ".join(request.headers.getlist("accept"))
    chosen = preferred(accept, offered)
    if chosen is None:
        raise NotAcceptable(accept, list(offered.values()))
    return chosen


def preferred(accept: str, offered: Mapping[Name, str]) -> Name | None:
    """The name whose media type `accept` weighs highest, or None if it accepts none of them.

    `offered` maps names to media types, the server's favourite first: it wins ties, and an empty header. The most
    specific range that matches a type sets its weight; parts of the header that make no sense are ignored.
    """
    if accept.strip() in ("", "*/*"):
        return next(iter(offered))
    ranges = dict(_ranges(accept))
    best, most = None, 0.0
    for name, media_type in offered.items():
        weight = _weight(media_type, ranges)
        if weight > most:
            best, most = name, weight
    return best


def _weight(media_type: str, ranges: Mapping[str, float]) -> float:
    """The q-value of a media type: its own, else that of `type/*`, else that of `*/*`, else 0."""
    for candidate in _widening(media_type):
        if candidate in ranges:
            return ranges[candidate]
    return 0.0


def _widening(media_type: str) -> Iterable[str]:
    return media_type, f"{media_type.partition('/')[0]}/*", "*/*"


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    """Media ranges in lower case and their q-values. Parameters other than q are ignored: no offered type has any."""
    for part in accept.lower().split(","):
        media_range, *parameters = (piece.strip() for piece in part.split(";"))
        quality = next((value for name, _, value in (p.partition("=") for p in parameters) if name.strip() == "q"), "1")
        try:
            weight = float(quality)
        except ValueError:
            continue
        if "/" in media_range and 0 <= weight <= 1:
            yield media_range, weight
