"""The most memory that this process held, from when it was told to forget.

`VmHWM` and not `ru_maxrss`, which a process inherits from its parent, however large that was.
"""

import re
from pathlib import Path

from app.engine import memory


def peak() -> int:
    """The most bytes that this process held since `forget`, or since it began."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024


def forget() -> int:
    """Forgets the peak; returns what is held now."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory.resident()
