"""What the service logs while a test runs, as its JSON lines say it."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.processes.logs import JsonLines


class Lines(logging.Handler):
    """The lines, in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines())
        self.told: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(json.loads(self.format(record)))

    def of(self, request_id: str) -> dict[str, Any]:
        """The one line about that request."""
        [line] = [line for line in self.told if line.get("request_id") == request_id and "status" in line]
        return line


@contextmanager
def listening(level: int = logging.DEBUG) -> Iterator[Lines]:
    """Listens to every logger of the service."""
    lines, root, ours = Lines(), logging.getLogger(), logging.getLogger("app")
    before = ours.level
    root.addHandler(lines)
    ours.setLevel(level)
    try:
        yield lines
    finally:
        ours.setLevel(before)
        root.removeHandler(lines)
