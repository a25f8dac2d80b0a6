"""A client that speaks in bytes: it sends what it is told, whether that is HTTP or not, and reads what comes."""

import re
import socket
from contextlib import suppress

PATIENCE = 10.0
"""Seconds that an answer may take."""


GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


def dial(port: int, *, buffer: int = 0) -> socket.socket:
    """A connection; with a receive buffer of so many bytes, which the kernel doubles, if that is not 0."""
    one = socket.socket()
    if buffer:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    one.settimeout(PATIENCE)
    one.connect(("127.0.0.1", port))
    return one


def ask(port: int, data: bytes) -> bytes:
    """What comes back for these bytes, until there is a whole answer or the connection ends."""
    with dial(port) as one:
        with suppress(ConnectionError):
            one.sendall(data)
        return hear(one)


def hear(one: socket.socket, begun: bytes = b"") -> bytes:
    """The next answer on a connection, with what was read of it; what came if it isn't whole."""
    heard = bytearray(begun)
    with suppress(ConnectionError):
        while not whole(heard):
            more = one.recv(1_000_000)
            if not more:
                break
            heard += more
    return bytes(heard)


def whole(heard: bytes | bytearray) -> bool:
    """Whether these bytes hold an answer, all of it; one that only says to go on is none."""
    begin = len(GO_ON) if heard.startswith(GO_ON) else 0
    end = heard.find(b"\r\n\r\n", begin)
    if end < 0:
        return False
    head = heard[begin:end]
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    if length:
        return len(heard) - end - 4 >= int(length[1])
    return b"\r\n0\r\n\r\n" in heard[end:] or head[9:12] == b"304"


def status(heard: bytes) -> int | None:
    """The status of an answer; nothing if there is none."""
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", heard.removeprefix(GO_ON))
    return int(found[1]) if found else None
