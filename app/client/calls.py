"""Calls as data: what a verb asks of the service, and how the answer is read. Sends nothing; the verbs make them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote

import httpx

T = TypeVar("T")

Priority = Literal["interactive", "bulk"]

JSON, LINES, ZIP = ("application/json",), ("application/x-ndjson",), ("application/zip",)
PNG, PICTURES = ("image/png",), ("image/png", "image/jpeg", "image/webp", "image/apng")
FILMS = ("image/gif", "image/webp", "image/apng", "video/mp4")
SOUNDS = ("audio/wav", "audio/flac")


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request; its answer is of one of the media types `kinds`, and `read` makes a `T` of content and address.

    `parameters` travel in the query of a GET, and beside a `file`, which is the whole body: they are texts and numbers
    there. Else they are a JSON body.
    """

    method: str
    path: str
    kinds: tuple[str, ...]
    read: Callable[[bytes, httpx.URL], T]
    parameters: Mapping[str, Any]
    file: bytes | None = None


class Stream(Call[T]):
    """A call whose answer is lines, each of which `read` makes a `T` of."""


def given(**parameters: Any) -> dict[str, Any]:
    """The parameters that have a value: the service knows best what the others are. `class_` is called `class`."""
    return {name.rstrip("_"): value for name, value in parameters.items() if value is not None}


def model_path(reference: str) -> str:
    """Where a model lies on the service, whatever characters its name has."""
    return f"/models/{quote(reference, safe='@')}"


class Lines:
    """Bytes as they come, cut into lines.

    At line feeds alone: httpx's own lines end at every character that Unicode calls a break, which JSON may hold.
    """

    def __init__(self) -> None:
        self._rest = b""

    def of(self, chunk: bytes) -> list[bytes]:
        """The lines that this chunk completes."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return lines
