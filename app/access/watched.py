"""The keys file as it is now: read again when it changes, so that rotation and revocation need no restart."""

import logging
import time
from pathlib import Path

from app.access import keys
from app.access.keys import Keyring, KeysError

LOOK = 1.0
"""Seconds between two looks at the file, and so the longest that a revoked key goes on working."""

log = logging.getLogger(__name__)


class KeysFile:
    """The keys of a file. A look is one `stat`; the file is read only when that has changed.

    `KeysError` if it can't be used at the start. One that is broken later changes nothing: the keys of before go on
    being those, `broken` says so, the log says why, and it is read at every look until it can be.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state = self._stat()
        self._ring = Keyring(keys.read(path).keys)
        self._next = time.monotonic() + LOOK
        self._flaw: str | None = None

    def ring(self) -> Keyring:
        """The keys as of a second ago, or later."""
        if (now := time.monotonic()) >= self._next:
            self._next = now + LOOK
            if (state := self._stat()) != self._state or self.broken:
                self._state = state
                self._reread()
        return self._ring

    @property
    def broken(self) -> bool:
        """Whether the file could not be used when it was last read."""
        return self._flaw is not None

    def look(self) -> bool:
        """Whether the file is broken, as of a second ago, or later."""
        self.ring()
        return self.broken

    def _reread(self) -> None:
        try:
            read = keys.read(self._path)
        except KeysError as error:
            if self._flaw != (flaw := str(error)):
                log.error("%s The keys from before stay in use: a key revoked there still works.", flaw)
            self._flaw = flaw
            return
        self._flaw = None
        self._ring = Keyring(read.keys)
        log.info("The keys file was read again: %d keys.", len(read.keys))

    def _stat(self) -> tuple[int, ...] | None:
        """What differs once the file has changed. The change time tells of edits in place that keep the size."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
