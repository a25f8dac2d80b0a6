"""What a server takes of a Linux machine, seen from outside: memory, processor time and more of all its processes."""

import time
from pathlib import Path


def of_session(session: int) -> list[int]:
    """The processes of a session: a server that was started as its leader, and whatever it started."""
    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if _session(path) == session]


def resident(session: int) -> float:
    """Megabytes (10⁶ bytes) that the processes hold; pages shared with others count by their share (PSS)."""
    return sum(_pss(pid) for pid in of_session(session)) / 1e6


def files(session: int) -> int:
    """The files, sockets and the like that the processes have open."""
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in of_session(session))


def threads(session: int) -> int:
    """The threads of the processes."""
    return sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in of_session(session))


def busy(session: int, seconds: float) -> float:
    """The share of one core that the processes take for so many seconds."""
    pids = of_session(session)
    before = sum(map(_cpu_seconds, pids))
    time.sleep(seconds)
    return (sum(map(_cpu_seconds, pids)) - before) / seconds


def spent(session: int) -> float:
    """Seconds of processor time that the processes have taken so far, user and system."""
    return sum(map(_cpu_seconds, of_session(session)))


def _session(path: Path) -> int | None:
    """The session of a process; None if it has ended, whether or not its parent took notice."""
    try:
        # Its name, in brackets, may hold anything.
        state, _, _, session, *_ = (path / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return None if state == "Z" else int(session)


def _pss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return 1024 * int(line.split()[1])
    raise OSError(f"the kernel tells no PSS of process {pid}")


def _cpu_seconds(pid: int) -> float:
    # The clock of another process (clock_getcpuclockid(3)): nanoseconds, where /proc has hundredths of a second.
    return time.clock_gettime(~pid << 3 | 2)
