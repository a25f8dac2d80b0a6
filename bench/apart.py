"""A module of this package run in a process of its own, so that it doesn't share Python's lock with who waits for it.

A task goes in as JSON on standard input, which has room for a file, a result comes out as JSON on standard output.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any


def run(module: str, task: Mapping[str, Any], limit: float) -> Any:
    """The result of `python -m MODULE`, which may take that many seconds."""
    command = [sys.executable, "-m", module]
    said = json.dumps(task).encode()
    done = subprocess.run(command, input=said, stdout=subprocess.PIPE, check=True, timeout=limit)  # noqa: S603 (our own)
    return json.loads(done.stdout)


def task() -> Any:
    """In that process: the task."""
    return json.load(sys.stdin)
