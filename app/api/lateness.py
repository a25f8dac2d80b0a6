"""How late the event loop wakes who waits: for so long, nobody who connects is heard. Watched from start to end.

Knows one histogram, and nothing of requests.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import Histogram

PAUSE = 0.1
"""Seconds between two looks: ten a second take a thousandth of a core at most."""


@asynccontextmanager
async def watched(late: Histogram) -> AsyncIterator[None]:
    """Observes the running loop as long as the context is open, in seconds."""
    watch = asyncio.create_task(_watch(late), name="ganymede-lateness")
    try:
        yield
    finally:
        watch.cancel()


async def _watch(late: Histogram) -> None:
    while True:
        due = time.monotonic() + PAUSE
        await asyncio.sleep(PAUSE)
        # The loop counts in milliseconds, so it may also be early.
        late.observe(max(0, time.monotonic() - due))
