"""What operators have said is to be served: kept beside the models, so that restarts and other workers go by it, too.

One small file, `.serving.json`. A model that it doesn't name is served by its newest version, as if there were no file.
"""

import logging
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from app.contract import Name
from app.errors import NotKept

if sys.platform != "win32":
    import fcntl

FILE = ".serving.json"

LARGEST = 1_000_000
"""Bytes of the file that are read."""

log = logging.getLogger(__name__)

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Order(BaseModel):
    """What is said of one model: the share of each version that is wanted, and the versions that are not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shares: dict[int, Share] = {}
    retired: frozenset[int] = frozenset()


Orders = Mapping[str, Order]

_ORDERS = TypeAdapter(dict[Name, Order])


def read(models: Path) -> Orders:
    """The orders by model; none if there is no file, or, with a line in the log, if it can't be understood."""
    try:
        return _ORDERS.validate_json(_bytes(models))
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError) as error:
        said = str(error.errors()[0]["msg"]) if isinstance(error, ValidationError) else error.strerror
        log.error("%s can't be read: %s; the newest version of each model is served.", models / FILE, said)
        return {}


def stamp(models: Path) -> tuple[int, int] | None:
    """Something that is another after each change; None where there is no file."""
    try:
        found = (models / FILE).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def change(models: Path, name: str, changed: Callable[[Order], Order]) -> Order:
    """Replaces what is said of a model by what `changed` makes of it, and returns that; `NotKept` if it can't be."""
    try:
        folder = os.open(models, os.O_RDONLY)
        try:
            # Of two workers at once, one would undo what the other was told.
            if sys.platform != "win32":
                fcntl.flock(folder, fcntl.LOCK_EX)
            known = dict(read(models))
            order = changed(known.get(name, Order()))
            known[name] = order
            _replace(models, {name: one for name, one in known.items() if one != Order()})
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise NotKept(
            f"{models / FILE} can't be written: {error.strerror}. What is served is changed only where a restart would "
            "know of it: make the folder of models writable for the service."
        ) from error
    return order


def _bytes(models: Path) -> bytes:
    with (models / FILE).open("rb") as opened:
        return opened.read(LARGEST)


def _replace(models: Path, orders: Orders) -> None:
    handle, fresh = tempfile.mkstemp(prefix=FILE, dir=models)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(_ORDERS.dump_json(dict(sorted(orders.items())), indent=1) + b"\n")
            os.fchmod(out.fileno(), 0o644)
            out.flush()
            os.fsync(out.fileno())
        Path(fresh).replace(models / FILE)
    except BaseException:
        Path(fresh).unlink(missing_ok=True)
        raise
