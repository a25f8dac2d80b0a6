"""What is known of one model folder: `Entry`, and which folders there are."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from app.contract import Manifest
from app.engine.model import LiveModel
from app.metrics import State
from app.settings import REFERENCE

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """One model folder and the state that it is in. `reason` says why it failed, or who took it out of service.

    `model` is there once it takes jobs, which it does, too, while it is not in memory.
    """

    name: str
    version: int
    folder: Path
    state: State = "loading"
    reason: str | None = None
    model: LiveModel | None = None
    late: bool = False
    """It came while others served, and has not been ready yet: what becomes of it makes the service no less ready."""

    @property
    def reference(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"

    @property
    def manifest(self) -> Manifest | None:
        """The manifest of a model that takes jobs; None before it does, or after it failed."""
        return self.model.manifest if self.model else None

    @property
    def bytes(self) -> int:
        """What it takes in memory now."""
        return self.model.bytes if self.model and self.state in ("ready", "failing") else 0

    def observed(self) -> "Entry":
        """The entry as it is now: a model in memory that isn't run, since its batches fail, is `failing`."""
        reason = self.model.health.reason if self.model and self.state == "ready" else None
        return replace(self, state="failing", reason=reason) if reason else self

    @property
    def pending(self) -> bool:
        """Whether it isn't known yet if it can be served, and the service waits for that."""
        return self.state == "loading" and self.model is None and not self.late


def folders(models: Path, *, warn: bool = False) -> Iterator[Entry]:
    """The folders <name>/<version>/, by name, the newest version first.

    Whatever else lies there is passed over; it may `warn` of that unless it is hidden.
    """
    found = []
    for folder in sorted(models.glob("*/*")) if models.is_dir() else []:
        name, version = folder.parent.name, folder.name
        if not folder.is_dir() or name.startswith(".") or version.startswith("."):
            continue
        if REFERENCE.fullmatch(f"{name}@{version}"):
            found.append(Entry(name, int(version), folder))
        elif warn:
            log.warning("%s is no model folder: its path must end in <name>/<version>, such as cifar10/1.", folder)
    yield from sorted(found, key=lambda entry: (entry.name, -entry.version))
