"""A connection that costs no more than itself, whatever its client does: how much it says, and how slowly, is bounded.

Uvicorn's protocol has none of these bounds. All connections of a process are looked at once a second, so that a request
pays for no timer: a look asks what a connection waits for its client to do, and whether that goes on. Knows uvicorn and
HTTP's framing, and nothing of what is served.
"""

import asyncio
import fcntl
import logging
import socket
import struct
import sys
import termios
from array import array
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal, cast

from httptools import HttpParserError, HttpParserUpgrade
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.metrics import Closed
from app.processes import refusals
from app.processes.gathering import Gathering
from app.processes.refusals import LEAST
from app.settings import Settings

PIPELINED = 32
"""Requests that may wait on one connection behind one that is being answered. Uvicorn would take as many as come."""
CROWDED = 0.9
"""Of the connections that there may be: from there on who hasn't asked anything gets no longer than a second."""
LINGER = 2.0
"""Seconds in which a client that was refused may go on sending before it is cut off: cut off at once, many would never
read why."""

Wait = Literal["head", "body", "rest", "read"]
"""For what: a request's head; more of its body; the rest of a body that was answered early; that the answer is read."""

GONE = frozenset({b"\x07", b"\x08"})
"""States of a TCP connection whose client has closed it, or cut it off: CLOSE and CLOSE_WAIT, as Linux numbers them."""

AT_ONCE = struct.pack("ii", 1, 0)
"""How a socket is closed that forgets what it hasn't sent."""

log = logging.getLogger(__name__)


class Connection(HttpToolsProtocol):
    """One connection. `most` is how many there may be; `closed` is told why each was closed that had to be."""

    def __init__(self, settings: Settings, most: int, closed: Callable[[Closed], None], **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._settings = settings
        self._most = most
        self._closed = closed
        self._head_bytes = int(settings.max_head_kb * 1000)
        self._refused = False
        """Whether nothing more is heard of the client."""
        self._flaw: Closed = "malformed"
        """Why the parser stopped, if it did."""
        self._in_head = False
        self._head = 0
        """Bytes of a head that came in pieces, but for the first one."""
        self._piece = 0
        """Bytes of the piece that is being parsed."""
        self._told = 0
        """How often the parser told that a request begins, or something of its body."""
        self._untold = 0
        """Bytes since then: trailers, or what stands between chunks or requests."""
        self._lost = False
        """Whether the client is gone."""
        self._listeners: set[Callable[[], None]] = set()
        """Who is to be told when it goes."""
        self._socket: socket.socket | None = None
        """The transport's, once it was needed. Not to be closed here; uvloop's own object costs three times as much to
        ask."""
        self._before: list[RequestResponseCycle] = []
        """Requests that were not answered when the next one came."""
        self._received = 0
        self._pauses = 0
        self._seen: tuple[object, ...] = ()
        self._since = 0.0
        self._progress = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        self.transport = cast(asyncio.Transport, Gathering(transport, self.loop))
        if len(self.connections) > self._most:
            self._end("full")
            self.transport.write(self._said("full"))
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._unset_keepalive_if_required()
        self._piece = len(data)
        self._received += self._piece
        told, in_head = self._told, self._in_head
        try:
            while data:
                try:
                    self.parser.feed_data(data)
                    break
                except HttpParserUpgrade as upgrade:
                    # To what, nobody here knows: it goes on as it was.
                    data = data[upgrade.args[0] :]
        except HttpParserError:
            self._refuse(self._flaw)
            return
        if in_head and self._in_head:
            self._head += self._piece
        self._untold = 0 if self._told != told or self._in_head else self._untold + self._piece
        if max(self._head, self._untold) > self._head_bytes:
            self._refuse("url" if self._in_head and len(self.url) > self._head_bytes else "headers")

    def on_message_begin(self) -> None:
        self._told += 1
        self._in_head, self._head = True, 0
        super().on_message_begin()
        # Ours, see `app.api.jobs`.
        self.scope["gone"], self.scope["listen"] = self.gone, self.listen  # type: ignore[typeddict-unknown-key]

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._head + self._piece > self._head_bytes:
            self._require_small()
        if len(self.pipeline) >= PIPELINED:
            self._stop("pipeline")
        if self.cycle is not None and not self.cycle.response_complete:
            self._before.append(self.cycle)
        elif self._before:
            self._before.clear()
        super().on_headers_complete()
        # Trailers would be added to the request's headers, which may have been looked at by then.
        self.headers = []
        self._hear()

    def on_body(self, body: bytes) -> None:
        self._told += 1
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        # Uvicorn doesn't say so of a request that was answered before.
        self.cycle.more_body = False

    def pause_writing(self) -> None:
        self._pauses += 1
        super().pause_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._socket is not None:
            self._socket.detach()
        super().connection_lost(exc)
        # Uvicorn tells the last request alone.
        self._lose(self._before)

    def gone(self) -> bool:
        """Whether nobody is there any more to be answered. The kernel is asked: a busy event loop hears of it late.

        What is written to a transport that closes goes nowhere, too.
        """
        if not self._lost and (self.transport.is_closing() or self._left()):
            self._lose([*self._before, self.cycle])
            # Where reading pauses, since another request waits, the end would never be read.
            self.transport.abort()
        return self._lost

    def listen(self, tell: Callable[[], None]) -> Callable[[], None] | None:
        """Has `tell` called once the client goes, now if it is gone, and returns what ends that.

        None, and nothing is called, while the body is still coming: whoever listens then must read past it.
        """
        if self.cycle.more_body:
            return None
        if self._lost:
            tell()
        self._listeners.add(tell)
        self._hear()
        return partial(self._listeners.discard, tell)

    def _hear(self) -> None:
        """Reads on for those who listen: uvicorn pauses it where another request has come meanwhile."""
        if self._listeners:
            self.flow.resume_reading()

    def _left(self) -> bool:
        """Whether the kernel tells that the client's end is closed; only Linux does, and of TCP alone."""
        if self.client is None or sys.platform != "linux":
            return False
        if self._socket is None:
            self._socket = socket.socket(fileno=self.transport.get_extra_info("socket").fileno())
        return self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) in GONE

    def _lose(self, cycles: Iterable[RequestResponseCycle]) -> None:
        self._lost = True
        for cycle in cycles:
            cycle.disconnected = True
            cycle.message_event.set()
        for tell in tuple(self._listeners):
            tell()

    def look(self, now: float) -> None:
        """Closes the connection if its client is too slow; to be called once a second, with the time in seconds."""
        wait, of, progress = self._waits()
        if wait is None or self._seen != (wait, *of):
            self._seen, self._since, self._progress = (wait, *of), now, progress
            return
        seconds = self._seconds(wait)
        if wait in ("body", "read") and progress - self._progress >= LEAST * seconds:
            self._since, self._progress = now, progress
        elif now - self._since >= seconds:
            self._give_up(wait)

    def _waits(self) -> tuple[Wait | None, tuple[object, ...], int]:
        """What the connection waits for its client to do, of which request, and bytes that tell how far that is; for
        nothing while the service is at work."""
        cycle, unread = self.cycle, self.transport.get_write_buffer_size()
        done = cycle is None or cycle.response_complete
        # While the service still writes, what waits unread may grow again, unless it waits for the client itself.
        if self.flow.write_paused or (unread and (done or self.transport.is_closing())):
            return "read", (cycle, self._pauses), -unread - self._underway()
        if self._refused or self.transport.is_closing():
            return None, (), 0
        if cycle is None or (done and not cycle.more_body):
            return "head", (self.scope,), 0
        if cycle.more_body and not self.flow.read_paused and not cycle.waiting_for_100_continue:
            return "rest" if done else "body", (cycle,), self._received
        return None, (), 0

    def _underway(self) -> int:
        """Bytes that the kernel holds until the client takes them. It asks for more only once it is rid of a third, and
        a slow client may be minutes at that."""
        held = array("i", [0])
        fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, held)
        return held[0]

    def _seconds(self, wait: Wait) -> float:
        settings = self._settings
        if wait == "head":
            crowded = len(self.connections) > CROWDED * self._most
            return min(1.0, settings.head_seconds) if crowded else settings.head_seconds
        return settings.stall_seconds if wait == "read" else settings.body_seconds

    def _give_up(self, wait: Wait) -> None:
        if wait == "read":
            self._end("unread")
            # What wasn't sent is let go, by the kernel too, and what still works for it hears that the client is gone.
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            self.transport.abort()
        elif wait == "body" or (wait == "head" and self._begun()):
            self._refuse(wait)
        else:
            self._end("head" if wait == "head" else "body")
            self.transport.close()

    def _begun(self) -> bool:
        """Whether something of a head has come, and not all of it."""
        return self.scope is not None and (self.cycle is None or self.cycle.scope is not self.scope)

    def _require_small(self) -> None:
        if len(self.url) > self._head_bytes:
            self._stop("url")
        if sum([len(name) + len(value) + 4 for name, value in self.headers]) > self._head_bytes:
            self._stop("headers")

    def _stop(self, flaw: Closed) -> None:
        """Stops the parser, from within one of its calls."""
        self._flaw = flaw
        raise ValueError(flaw)

    def _refuse(self, reason: Closed) -> None:
        """Hears the client no further. What it asked before, and has asked completely, is answered first."""
        self._end(reason)
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete and not cycle.more_body:
            cycle.keep_alive = False
            return
        if cycle is not None and not cycle.response_complete:
            owed = cycle.response_started or bool(self.pipeline)
            cycle.disconnected = True
            cycle.message_event.set()
            if owed:
                # Anything said now would stand in the midst of another answer.
                self.transport.close()
                return
        self.transport.write(self._said(reason))
        self.transport.write_eof()
        self.loop.call_later(LINGER, self.transport.close)

    def _end(self, reason: Closed) -> None:
        self._refused = True
        self._closed(reason)
        client = self.client[0] if self.client else ""
        # Who said nothing is worth no line: a thousand can come in a second.
        level = logging.INFO if self._received else logging.DEBUG
        log.log(level, "Connection closed: %s", reason, extra={"fields": {"client": client, "reason": reason}})

    def _said(self, reason: Closed) -> bytes:
        return refusals.answer(reason, self._settings, self.server_state.default_headers)
