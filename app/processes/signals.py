"""What SIGTERM and Ctrl-C do before anything is served. Imports nothing heavy, since it comes before what is."""

import os
import signal
from types import FrameType


def end_at_once() -> None:
    """Ends this process, with exit code 0, when it is told to stop; for as long as there is nothing to finish.

    As process 1 of a container, a process without a handler does not even notice SIGTERM, and imports take a second.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)


def _end(_number: int, _frame: FrameType | None) -> None:
    # Not `sys.exit`: a module that is halfway through its import may take that exception for an error of its own.
    os._exit(0)
