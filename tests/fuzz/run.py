"""A server of toys, and Schemathesis against it: both as processes, for a test and for `python -m tests.fuzz`."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.api.process import Process
from tests.fuzz import models

ROOT = Path(__file__).parents[2]
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
SCHEMATHESIS = (sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "--config-file")


@contextmanager
def serving(folder: Path, *flags: str, **variables: str) -> Iterator[Process]:
    """The real server on toy models, ready, with these flags and variables; its models and its log lie in `folder`."""
    usual = ("--threads", "2", "--encode-threads", "2")
    with Process(models.build(folder / "models"), folder / "log", *usual, *flags, **variables) as server:
        yield server


def fuzz(server: Process, *flags: str) -> subprocess.CompletedProcess[bytes]:
    """Schemathesis with these flags; its report goes to standard output, its status is 0 if it found nothing."""
    command = (*SCHEMATHESIS, str(CONFIGURATION), "run", f"http://127.0.0.1:{server.port}/openapi.json", *flags)
    return subprocess.run(command, cwd=ROOT, check=False)
