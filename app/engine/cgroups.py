"""What the cgroups of this process let it take: cores and memory. Knows nothing else; Linux tells, others don't.

Inside a container, the machine's own numbers are the host's, whatever the container may use.
"""

from collections.abc import Iterator
from pathlib import Path

UNLIMITED = ("max", "-1")


def cores(root: Path = Path("/")) -> float:
    """Cores of the tightest CPU quota on the way from this process's cgroup up to the root; infinite without one.

    Reads cgroup v2's `cpu.max` ("quota period") and v1's `cpu.cfs_quota_us` and `cpu.cfs_period_us`.
    """
    tightest = float("inf")
    for folder, old in _groups(root, "cpu"):
        limit = _words(folder / "cpu.max")
        if old:
            limit = _words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us")
        if len(limit) == 2 and limit[0] not in UNLIMITED:
            tightest = min(tightest, int(limit[0]) / int(limit[1]))
    return tightest


def memory(root: Path = Path("/")) -> float:
    """Bytes of the tightest memory limit on the way from this process's cgroup up to the root; infinite without one.

    Reads cgroup v2's `memory.max` and v1's `memory.limit_in_bytes`, which is past all memory where there is none.
    """
    tightest = float("inf")
    for folder, old in _groups(root, "memory"):
        limit = _words(folder / ("memory.limit_in_bytes" if old else "memory.max"))
        if limit and limit[0] not in UNLIMITED:
            tightest = min(tightest, int(limit[0]))
    return tightest


def _groups(root: Path, controller: str) -> Iterator[tuple[Path, bool]]:
    """The folders of the groups that hold this process, from its own up to the root, and whether they are of v1."""
    for line in _words(root / "proc/self/cgroup", "\n"):
        _, controllers, group = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mount = root / "sys/fs/cgroup" / (controller if controllers else "")
        # Inside a container the path may be the host's, while the mount shows the container's own group at its root.
        inner = Path(group.lstrip("/"))
        for folder in [mount / inner, *(mount / parent for parent in inner.parents), mount]:
            yield folder, bool(controllers)


def _words(path: Path, separator: str | None = None) -> list[str]:
    """The words, or lines, of a small file; none if it can't be read."""
    try:
        return path.read_text(encoding="ascii").strip().split(separator)
    except OSError:
        return []
