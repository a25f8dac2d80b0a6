"""What figures hold for: the machine, the date and the versions."""

import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from app.contract import processor
from app.engine import providers

PACKAGES = ("onnxruntime", "fastapi", "uvicorn", "uvloop", "httptools", "pillow", "isal", "numpy")


@dataclass(frozen=True)
class Conditions:
    """`ganymede` is version and, in a checkout, commit. `load` is the system's load average before the first round."""

    cores: int
    processor: str
    load: float
    ganymede: str
    python: str
    packages: dict[str, str]
    date: str


def now() -> Conditions:
    """Those of this machine, now."""
    return Conditions(
        cores=providers.cores(),
        processor=processor(),
        load=float(Path("/proc/loadavg").read_text(encoding="ascii").split()[0]),
        ganymede=_revision(),
        python=platform.python_version(),
        packages={package: version(package) for package in PACKAGES},
        date=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )


def _revision() -> str:
    """Version and, in a checkout, the commit, marked where files differ from it."""
    here = Path(__file__).parent
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        commit = subprocess.run(command, cwd=here, capture_output=True, check=True, text=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return version("ganymede")
    return f"{version('ganymede')} ({commit.stdout.strip()})"
