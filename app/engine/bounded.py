"""Work that may never end: done on a thread of its own, and given up after a while."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")

GRACE = 2.0
"""Seconds that work which was told to stop has to do so, before its thread is left to itself."""


def begun(work: Callable[[], T]) -> "Future[T]":
    """What `work` returns or raises, once it has: on a daemon thread, which keeps no process from its end."""
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # whatever it is, it is for whoever waits
            done.set_exception(error)

    Thread(target=run, name="ganymede-bounded", daemon=True).start()
    return done


def within(seconds: float, work: Callable[[], T], stop: Callable[[], None]) -> T:
    """What `work` returns or raises; `TimeoutError` if it isn't done after that many seconds.

    It is told to `stop` then. If it doesn't, its thread goes on, as a daemon, and nobody wants what comes of it: what
    a runtime computes can't be interrupted from outside.
    """
    done = begun(work)
    try:
        return done.result(seconds)
    except TimeoutError:
        if done.done():
            raise
        stop()
        try:
            done.exception(GRACE)
        except TimeoutError as error:
            raise TimeoutError(f"not done after {seconds:.3g} s, and it can't be stopped") from error
        raise TimeoutError(f"not done after {seconds:.3g} s") from None
