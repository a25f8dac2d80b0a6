"""HTTP/1.1 to a server of this machine at the least cost: what is asked, one connection that asks it, what came back.

A bare `asyncio.Protocol`: a client library would cost more than the servers that are measured.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import cast

HOST = "127.0.0.1"
PNG = "\x89PNG\r\n\x1a\n"
"""How a PNG begins, its bytes as Latin-1."""
BASE64_PNG = b64encode(PNG.encode("latin-1"))[:10].decode()
"""How a PNG in base64 begins, as far as what follows the signature can't change it."""


@dataclass(frozen=True)
class Ask:
    """A request, with `{seed}` where the seed goes, and what the body of a right answer holds.

    `body` is Latin-1, so it may be a file, and `kind` its media type.
    """

    target: str = "/generate?seed={seed}"
    body: str = ""
    method: str = "POST"
    holds: str = PNG
    kind: str = "application/json"

    def request(self, seed: int) -> bytes:
        number = str(seed)
        body = self.body.replace("{seed}", number)
        kind = f"Content-Type: {self.kind}\r\n" if body else ""
        head = f"{self.method} {self.target} HTTP/1.1\r\nHost: {HOST}\r\n{kind}Content-Length: {len(body)}\r\n\r\n"
        return (head.replace("{seed}", number) + body).encode("latin-1")

    def flaw(self, answer: "Answer") -> str | None:
        """What is wrong with an answer; None if it is what was asked for."""
        if answer.status != 200:
            return f"status {answer.status}"
        if self.holds.encode("latin-1") not in answer.body[:1024]:
            return "not a PNG" if self.holds in (PNG, BASE64_PNG) else f"no {self.holds}"
        return None

    def picture(self, body: bytes) -> bytes:
        """The PNG in the body of a right answer, which may hold it in base64 inside of JSON."""
        if self.holds == PNG:
            return body
        return b64decode(body[body.index(self.holds.encode()) :].partition(b'"')[0])


@dataclass(frozen=True)
class Answer:
    """Status, head in lower case, and body."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: bytes) -> str | None:
        """The value of a header, its name in lower case; None without it."""
        _, found, rest = self.head.partition(b"\r\n" + name + b":")
        return rest.partition(b"\r\n")[0].strip().decode() if found else None


class Connection(asyncio.Protocol, ABC):
    """One request after the other: `next` says what is asked first, `answered` what happens then."""

    def __init__(self, done: "asyncio.Future[None]") -> None:
        self.done = done
        self.asked = 0.0
        """When the request was sent that has no answer yet; 0 if there is none."""
        self._received = b""

    @abstractmethod
    def next(self) -> None:
        """Calls `send` or `close`."""

    @abstractmethod
    def answered(self, answer: Answer, asked: float) -> None:
        """Takes in the answer to what was asked at `asked`; then `next`, now or later."""

    @abstractmethod
    def lost(self) -> None:
        """Takes in that the server hung up before its answer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has no part in the hierarchy
        self.next()

    def send(self, request: bytes) -> None:
        if self._transport.is_closing():
            return
        self.asked = time.perf_counter()
        self._transport.write(request)

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if not blank:
            return
        answer = Answer(int(head[9:12]), head.lower(), body)
        if len(body) < int(answer.header(b"content-length") or 0):
            return
        self._received = b""
        asked, self.asked = self.asked, 0.0
        self.answered(answer, asked)

    def connection_lost(self, _: Exception | None) -> None:
        if self.asked:
            self.lost()
        if not self.done.done():
            self.done.set_result(None)


def percentiles(seconds: list[float]) -> tuple[float, float]:
    """Median and 99th percentile in milliseconds; infinite if nothing was answered."""
    ordered = sorted(seconds) or [float("inf")]
    return 1000 * ordered[len(ordered) // 2], 1000 * ordered[len(ordered) * 99 // 100]
