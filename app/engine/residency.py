"""Which models are in memory: which come, when jobs ask for them, and which leave for those. Knows no names."""

import logging
import math
import time
from collections.abc import Callable
from threading import Condition, Lock, Thread

from app.contract import ContractError
from app.engine import memory, model
from app.engine.model import Host, LiveModel
from app.errors import Draining, NotReady, Problem
from app.metrics import State

log = logging.getLogger(__name__)

Note = Callable[[LiveModel, State, str | None], None]
"""Is told the state that a model is in from now on, and the reason if it failed."""

MEGABYTE = 1_000_000


class Residency:
    """The models of one device that are in memory, within `budget` bytes; None means without a limit.

    Models come one at a time, since the warm-up of one measures what it costs, and another's would be in its way. For
    those that need room the least recently used idle ones leave. Where none is idle, the least recently used takes no
    more jobs until it is: else a model that is always busy would keep the others out for ever.
    """

    def __init__(self, host: Host, budget: int | None, note: Note) -> None:
        self._host = host
        self._budget = budget
        self._note = note
        self._loading = Lock()
        self._resident: list[LiveModel] = []
        self._changed = Condition()
        self._wanted: dict[LiveModel, None] = {}
        self._coming: LiveModel | None = None
        self._soonest = math.inf
        self._closed = False
        self._threads = [
            Thread(target=self._serve, name="ganymede-residency", daemon=True),
            Thread(target=self._expire, name="ganymede-deadlines", daemon=True),
        ]

    def start(self) -> None:
        """Starts the threads: one loads the models that are called, one ends the jobs that waited too long."""
        for thread in self._threads:
            thread.start()

    def call(self, wanted: LiveModel, deadline: float = math.inf) -> None:
        """A job waits for a model until its deadline: has it loaded, once, after those that were called before."""
        with self._changed:
            closed = self._closed
            if wanted not in self._wanted or deadline < self._soonest:
                self._wanted[wanted] = None
                self._soonest = min(self._soonest, deadline)
                self._changed.notify_all()
        if closed:
            wanted.refuse(Draining)

    def bring(self, coming: LiveModel, *, evict: bool = True) -> None:
        """Loads a model on the calling thread, unless it is there, has failed, or has no room and may not `evict`."""
        with self._loading:
            if self._closed or coming.failed or coming in self._resident:
                return
            if self._budget is not None and coming.weights > self._budget:
                self._fail(coming, f"it takes {_megabytes(coming.weights)}; the budget is {_megabytes(self._budget)}")
                return
            if not evict and self._excess(coming) > 0:
                self._note(coming, "unloaded", None)
                return
            self._make_room(coming)
            self._note(coming, "loading", None)
            if self._load(coming):
                # It may have turned out larger than its weights.
                self._make_room(coming)

    def dismiss(self, leaving: LiveModel, refusal: Callable[[], Problem]) -> None:
        """Takes a model out of memory for good, once the jobs in its queues are done, and refuses those that come."""
        with self._loading:
            if leaving in self._resident:
                self._leave(leaving)
            leaving.refuse(refusal)

    def drain(self, seconds: float) -> None:
        """Waits, at most that long, until no job waits for a model."""
        with self._changed:
            self._changed.wait_for(lambda: not any(one.wanted for one in self._called()), seconds)

    def close(self) -> None:
        """Ends the jobs that still wait, with `Draining`, and the threads after the load that they are at."""
        with self._changed:
            self._closed = True
            called = self._called()
            self._changed.notify_all()
        for one in called:
            one.refuse(Draining)

    def join(self, seconds: float) -> None:
        """Waits for the end of the threads, at most that long."""
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0, end - time.monotonic()))

    def _called(self) -> list[LiveModel]:
        return [*self._wanted, *([self._coming] if self._coming else [])]

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._coming = None
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._closed or self._wanted)
                if self._closed:
                    return
                # From here on a job that waits calls it anew, so that none is overlooked.
                self._coming = coming = next(iter(self._wanted))
                del self._wanted[coming]
            # Whoever called may have gone meanwhile.
            if coming.wanted:
                self.bring(coming)

    def _expire(self) -> None:
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                self._soonest = min((one.expire(now) for one in self._called()), default=math.inf)
                self._changed.wait(None if self._soonest == math.inf else max(0, self._soonest - now))

    def _load(self, coming: LiveModel) -> bool:
        """Whether it could be loaded."""
        reference = coming.manifest.reference
        began, before = time.monotonic(), memory.resident()
        try:
            queues = model.load(coming, self._host)
        except Exception as error:
            self._fail(coming, reason(reference, error))
            return False
        memory.release()
        coming.measured(memory.resident() - before, time.monotonic() - began)
        log.info("%s is ready on %s after %.2f s.", reference, self._host.device.kind, coming.seconds)
        coming.metrics.loads.inc()
        self._resident.append(coming)
        self._tell(coming)
        self._note(coming, "ready", None)
        coming.arrive(queues)
        return True

    def _excess(self, coming: LiveModel) -> int:
        """By how many bytes the budget would be exceeded with that model in memory."""
        held = {*self._resident, coming}
        return 0 if self._budget is None else sum(one.bytes for one in held) - self._budget

    def _make_room(self, coming: LiveModel) -> None:
        while self._excess(coming) > 0 and (others := [one for one in self._resident if one is not coming]):
            leaving = min(others, key=lambda one: (one.busy, one.used))
            log.info("%s leaves memory for %s.", leaving.manifest.reference, coming.manifest.reference)
            self._leave(leaving)
            leaving.metrics.unloads.inc()
            self._note(leaving, "unloaded", None)

    def _leave(self, leaving: LiveModel) -> None:
        leaving.leave()
        self._resident.remove(leaving)
        memory.release()
        self._tell(leaving)

    def _tell(self, changed: LiveModel) -> None:
        """Shows what a model takes: all of its reference, since one may leave when its successor is there."""
        reference = changed.manifest.reference
        changed.metrics.bytes.set(sum(one.bytes for one in self._resident if one.manifest.reference == reference))

    def _fail(self, coming: LiveModel, reason: str) -> None:
        self._note(coming, "failed", reason)
        detail = f"{coming.manifest.reference} failed to load: {reason}"
        coming.refuse(lambda: NotReady(detail))


def reason(reference: str, error: Exception) -> str:
    """Why a model can't be loaded, in words; the log has it too, with a traceback if it isn't the folder's fault."""
    if isinstance(error, ContractError):
        log.error("%s failed to load: %s", reference, error)
        return str(error)
    log.exception("%s failed to load.", reference)
    return f"{type(error).__name__}: {error}"


def _megabytes(size: int) -> str:
    return f"{size / MEGABYTE:.3g} MB"
