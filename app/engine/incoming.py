"""Where an archive lies while it comes and is looked at: hidden in the folder of models, so that nobody takes it for a
model, and what is good can be renamed to its place at once. What is removed goes the same way back.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from app.errors import NotKept

PREFIX = ".incoming-"

STALE = 3600.0
"""Seconds after which such a folder is of a process that died: none takes as long."""


@dataclass(frozen=True)
class Incoming:
    """A folder of one upload, and the archive in it."""

    folder: Path

    @property
    def archive(self) -> Path:
        """Where the archive is written to."""
        return self.folder / "archive"


@contextmanager
def incoming(models: Path) -> Iterator[Incoming]:
    """A place for one upload, of which nothing is left in the end; `NotKept` if there can be none."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=models))
    except OSError as error:
        raise NotKept(
            f"{models} takes no models: {error.strerror}; the service must be able to write there."
        ) from error
    try:
        yield Incoming(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(models: Path) -> None:
    """Removes what processes that died have left."""
    for folder in models.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > STALE:
                shutil.rmtree(folder, ignore_errors=True)
