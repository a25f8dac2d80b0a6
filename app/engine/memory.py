"""What this process holds in memory and may hold, and giving back what it no longer needs."""

import contextlib
import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from app.engine import cgroups

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
STATM = Path("/proc/self/statm")

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""The parameters' numbers in glibc's malloc.h."""
LARGE, USUAL = 1 << 17, 1 << 25
"""Bytes from which a block is the system's own, both glibc's: what it begins with, here while models load; and where it
ends up, with twice as much that may be free at the end of the heap."""

_bound = threading.Lock()
_loads = 0


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


@contextlib.contextmanager
def apart() -> Iterator[None]:
    """Has large blocks that are taken meanwhile lie apart, where the C library can: each goes back to the system as
    soon as it is free. For loads, whose blocks stay until the model goes.

    glibc raises the bound for that to the largest block that was ever freed, up to 32 MB. Then weights that came after
    others lie in between what stays, and can't go back: 200 swaps between two versions of the benchmark's standard
    graph raised what stayed by 15 %. Not for runs: a block that is the system's own comes with pages to be cleared,
    each time, and a picture of that graph took 1.5 times as long.
    """
    global _loads  # the bound is the process's
    mallopt = getattr(_libc, "mallopt", None)
    if mallopt is None:
        yield
        return
    with _bound:
        _loads += 1
        mallopt(_MMAP_THRESHOLD, LARGE)
    try:
        yield
    finally:
        with _bound:
            _loads -= 1
            if not _loads:
                mallopt(_MMAP_THRESHOLD, USUAL)
                mallopt(_TRIM_THRESHOLD, 2 * USUAL)


def release() -> None:
    """Gives memory that is free back to the system, where the C library can.

    glibc keeps it: twelve graphs of 3.6 M parameters hold 463 MB after loading, and 344 MB after this.
    """
    trim = getattr(_libc, "malloc_trim", None)
    if trim is not None:
        trim(0)
