"""What this process holds in memory and may hold, and giving back what it no longer needs."""

import contextlib
import ctypes
import os
import sys
from pathlib import Path

from app.engine import cgroups

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
STATM = Path("/proc/self/statm")

_MMAP_THRESHOLD = -3
"""The parameter's number in glibc's malloc.h."""
LARGE = 1 << 20
"""Bytes from which a block is the system's own, and goes back to it when it is free."""


def resident() -> int:
    """Bytes of this process that are in memory now; 0 where the system doesn't say."""
    try:
        pages = STATM.read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def limit(root: Path = Path("/")) -> int:
    """Bytes of memory that the service may take, all of its processes together: the machine's, cut by its cgroup's
    limit.
    """
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(min(machine, cgroups.memory(root)))


def available(root: Path = Path("/")) -> int:
    """Bytes that may still be allocated here: what the system has free, or less where a cgroup is bound to less.

    More than any machine has where the system doesn't say.
    """
    free = [sys.maxsize]
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = (root / "proc/meminfo").read_text(encoding="ascii").splitlines()
        free += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    # In a container its own group is at the mount's root; v1 has no word for unbound but a number beyond any memory.
    for most, taken in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        with contextlib.suppress(OSError, ValueError):
            group = root / "sys/fs/cgroup"
            free.append(int((group / most).read_text("ascii")) - int((group / taken).read_text("ascii")))
    return max(0, min(free))


def give_back_large() -> None:
    """Has every large block go back to the system as soon as it is free, from now on, where the C library can.

    glibc raises the bound to the largest block that was ever freed, up to 32 MB. Then weights that came after others
    lie in between what stays, and can't go back: of thirty swaps between two versions of the benchmark's standard graph
    203 to 252 MB stayed, and 145 to 147 with this.
    """
    mallopt = getattr(_libc, "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, LARGE)


def release() -> None:
    """Gives memory that is free back to the system, where the C library can.

    glibc keeps it: twelve graphs of 3.6 M parameters hold 463 MB after loading, and 344 MB after this.
    """
    trim = getattr(_libc, "malloc_trim", None)
    if trim is not None:
        trim(0)
