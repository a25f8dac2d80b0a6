"""The memory that a service may take: the machine's, cut by the tightest limit of its cgroups."""

import os
from pathlib import Path

import pytest

from app.engine import memory

MACHINE = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")

LIMITS = {
    "v2 without a limit": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, MACHINE),
    "v2": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1048576\n"}, 1048576),
    "v2, a parent is tighter": (
        {
            "proc/self/cgroup": "0::/system/web\n",
            "sys/fs/cgroup/system/memory.max": "4096\n",
            "sys/fs/cgroup/system/web/memory.max": "8192\n",
        },
        4096,
    ),
    "v2, in a container that shows the host's path": (
        {"proc/self/cgroup": "0::/docker/abc\n", "sys/fs/cgroup/memory.max": "8192\n"},
        8192,
    ),
    "v1": (
        {
            "proc/self/cgroup": "5:memory:/app\n4:cpu,cpuacct:/app\n",
            "sys/fs/cgroup/memory/app/memory.limit_in_bytes": "8192\n",
        },
        8192,
    ),
    "v1 without a limit": (
        {
            "proc/self/cgroup": "5:memory:/app\n",
            "sys/fs/cgroup/memory/app/memory.limit_in_bytes": "9223372036854771712\n",
        },
        MACHINE,
    ),
    "no cgroups": ({}, MACHINE),
}


@pytest.mark.parametrize("case", LIMITS)
def test_the_limit_is_the_machine_s_memory_cut_by_the_cgroup(case: str, tmp_path: Path) -> None:
    files, expected = LIMITS[case]
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert memory.limit(tmp_path) == expected
