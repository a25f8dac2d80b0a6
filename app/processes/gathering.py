"""Writes that go out together: one system call, and one waking of the client, for an answer's head and body."""

import asyncio
from typing import Any

MOST = 65_536
"""Bytes that are held back. More go out at once, so that the bounds of the transport itself count as ever."""


class Gathering:
    """A transport that holds a write back until the next one, which goes out with it, or the event loop's next turn.

    Uvicorn writes the head of an answer and its body apart. Each write wakes the client, which on a busy machine takes
    the processor from whoever writes. A body that waited for the next turn would wait for every request in this one.
    Everything else is the transport's own.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._bytes = 0
        # Asked several times in each request.
        self.is_closing = transport.is_closing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Holds the data back, or sends it with what was held, or if it is too much."""
        self._held.append(data)
        self._bytes += len(data)
        if len(self._held) > 1 or self._bytes > MOST:
            self.flush()
        else:
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Sends what was held back, unless nobody is there any more to read it."""
        held, self._held, self._bytes = self._held, [], 0
        if held and not self.is_closing():
            self._transport.writelines(held)

    def get_write_buffer_size(self) -> int:
        """Bytes that were written and that the kernel has not taken."""
        return self._bytes + self._transport.get_write_buffer_size()

    def write_eof(self) -> None:
        """Says that nothing more comes after what was written."""
        self.flush()
        self._transport.write_eof()

    def close(self) -> None:
        """Closes the connection once everything written is sent."""
        self.flush()
        self._transport.close()
