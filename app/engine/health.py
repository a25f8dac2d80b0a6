"""Whether a model may be run: one whose batches fail again and again is left alone for a while, and the others go on.

A circuit breaker. Knows neither queues nor threads.
"""

import time
from threading import Lock

from app.errors import NotReady, retry_after

FAILURES = 3
"""Failed batches in a row after which a model isn't run: once is an accident, twice may be one, on a busy device."""

COOL_DOWN = 10.0
"""Seconds until a model is tried again. A device out of memory is over in seconds, and one job in ten is a cheap test;
an operator who mends something by hand does not notice the wait."""

LOST = 2
"""Runs of a model that may hang at a time. Each holds a thread for ever, and maybe a core: a third one isn't tried."""


class Health:
    """How the batches of one model went lately. Safe to call from any thread."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._lock = Lock()
        self._failures = 0
        self._lost = 0
        self._why = ""
        self._retry = 0.0

    @property
    def reason(self) -> str | None:
        """Why the model isn't run, in words; None while a job would be let in."""
        if self._lost >= LOST:
            return f"{self._lost} of its runs hang; it is run again when one of them ends, or after a restart"
        left = self._retry - time.monotonic()
        if self._failures < FAILURES or left <= 0:
            return None
        return f"its last batches failed: {self._why}; it is tried again in {left:.3g} s"

    def admit(self) -> None:
        """Raises `NotReady` while the model isn't run.

        After `COOL_DOWN` seconds it lets one job through, and one more after as many again: so nothing need be known
        of what becomes of it, unless it is computed, which makes the model ready.
        """
        if self._failures < FAILURES and self._lost < LOST:
            return
        with self._lock:
            if self.reason is not None:
                raise self.refusal()
            if self._failures >= FAILURES:
                self._retry = time.monotonic() + COOL_DOWN

    def refusal(self) -> NotReady:
        """The error of a job that can't be run."""
        left = self._retry - time.monotonic()
        headers = {} if self._lost >= LOST or left <= 0 else retry_after(left)
        return NotReady(f"{self._model} is not run: {self.reason or 'it failed a moment ago'}.", headers=headers)

    def good(self) -> None:
        """A batch was computed."""
        # Looked at first, since this is in the way of every batch.
        if self._failures:
            with self._lock:
                self._failures = 0

    def bad(self, why: str) -> bool:
        """A batch failed; True if the model isn't run from now on."""
        with self._lock:
            self._failures += 1
            return self._rest(why)

    def lost(self, why: str) -> None:
        """A run hangs: enough to leave the model alone, since each of them costs a thread."""
        with self._lock:
            self._lost += 1
            self._failures = max(self._failures + 1, FAILURES)
            self._rest(why)

    def returned(self) -> None:
        """A run that hung came back."""
        with self._lock:
            self._lost -= 1

    def _rest(self, why: str) -> bool:
        self._why = why
        if self._failures < FAILURES:
            return False
        self._retry = time.monotonic() + COOL_DOWN
        return True
