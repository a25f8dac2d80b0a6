"""Changes a keys file: whole or not at all, one change after the other. Used by the command alone."""

import fcntl
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from app.access import keys
from app.access.keys import Keys, KeysError


def change(path: Path, changed: Callable[[Keys], Keys], *, make: bool = False) -> None:
    """Replaces the keys of a file by what `changed` makes of them; `make` allows that there is none yet.

    A new file is its owner's alone; one that was there keeps its mode, and its owner where that may be given. Raises
    `KeysError`, with the file as it was, if that can't be read or written.
    """
    # A link stays one: what it points at is replaced.
    path = path.resolve()
    try:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            # Of two commands at once, one would bring back a key that the other revokes.
            fcntl.flock(folder, fcntl.LOCK_EX)
            known = Keys() if make and not path.exists() else keys.read(path)
            _replace(path, changed(known))
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise KeysError(f"The keys file {path} can't be written: {error.strerror}.") from error


def _replace(path: Path, content: Keys) -> None:
    handle, fresh = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w") as out:
            out.write(content.model_dump_json(indent=2, exclude_none=True) + "\n")
            with suppress(FileNotFoundError):
                before = path.stat()
                with suppress(PermissionError):
                    os.fchown(out.fileno(), before.st_uid, before.st_gid)
                os.fchmod(out.fileno(), before.st_mode & 0o777)
            out.flush()
            os.fsync(out.fileno())
        Path(fresh).replace(path)
    except BaseException:
        Path(fresh).unlink(missing_ok=True)
        raise
