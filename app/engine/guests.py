"""Who is being answered: what a request may hold, it holds until its answer has ended.

A change doesn't ask who uses a model: it takes the model out of everybody's sight, and waits until those have gone who
might have seen it (read-copy-update, McKenney & Slingwine 1998). So nobody counts, or locks, in the way of a request.
"""

import time
from threading import Event

POLL = 0.01


class Guests:
    """The requests of a service. `enter` and `leave` are called on the event loop's thread, with any object."""

    def __init__(self) -> None:
        self._present: set[object] = set()
        self.enter = self._present.add
        self.leave = self._present.discard

    def outlast(self, seconds: float, stop: Event) -> None:
        """Waits until all who are present now have left, `seconds` at most, or until `stop`."""
        present = self._present.copy()
        end = time.monotonic() + seconds
        while not present.isdisjoint(self._present.copy()) and time.monotonic() < end:
            if stop.wait(POLL):
                return
