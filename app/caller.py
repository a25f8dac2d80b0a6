"""On whose behalf code runs: a request's ids, for log lines and problems, and what became of the work done for it.

Set for each request where it enters, read by whoever logs, answers or queues for it. Knows neither HTTP nor the engine
nor OpenTelemetry: to the engine, a trace is a protocol.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol


class Phases(Protocol):
    """Where the time of a job went, in seconds that follow upon each other, and the size of each batch it rode in.

    A phase that has not ended is 0.
    """

    queue: float
    infer: float
    encode: float
    batches: list[int]


class Trace(Protocol):
    """The trace of a request, as the engine sees it."""

    def batch(self, model: str, size: int, release: str, traces: Sequence[Any]) -> AbstractContextManager[object]:
        """What stands around the run of a batch of so many samples, released for that reason.

        `traces` are those of all requests that ride in it, of this one's kind and this one among them.
        """
        ...


@dataclass(eq=False, slots=True)
class Caller:
    """A request that work is done for. `jobs` are those of the engine, each with when it was submitted in
    `time.monotonic` seconds; their phases fill in as they end.
    """

    request_id: str
    trace_id: str | None = None
    trace: Trace | None = None
    jobs: list[tuple[float, Phases]] = field(default_factory=list)


current: ContextVar[Caller | None] = ContextVar("ganymede_caller", default=None)
"""The request that the code which asks runs for, if it runs for one."""
