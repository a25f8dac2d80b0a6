"""Model versions that come as an upload, and those that are removed for good."""

import logging
import os
from contextlib import suppress
from pathlib import Path

from app import contract
from app.contract import ContractError
from app.engine.changes import Changes, Shares
from app.engine.entries import Entry
from app.engine.incoming import Incoming, incoming
from app.errors import ModelConflict, NotKept

log = logging.getLogger(__name__)


def put(changes: Changes, name: str, version: int, incoming: Incoming, most: int, share: float = 1) -> None:
    """Serves a version whose folder came as an archive of at most so many bytes, and keeps it: for that share of the
    model's requests, 0 for those alone that name the version, 1 for all that name none.

    Raises `ModelConflict` if there is such a version; `ModelRefused`, `NotKept`, `NotReady` or `Draining`, with all as
    it was.
    """
    entry = Entry(name, version, changes.models / name / str(version), late=True)
    with changes.changing():
        known = changes.register.find(entry.reference)
        if entry.folder.exists() or (known is not None and known.state != "failed"):
            raise ModelConflict(
                f"{entry.reference} is there already, and what a version draws never changes: send the new one as "
                "another version, or delete this one first."
            )
        changes.require_kept(name)
        folder = incoming.folder / name / str(version)
        try:
            contract.unpack(incoming.archive, folder, most)
        except ContractError as error:
            log.warning("%s was sent, and refused: %s", entry.reference, error)
            raise changes.refused(entry, folder, str(error)) from error
        except OSError as error:
            raise NotKept(f"{entry.reference} can't be unpacked: {error.strerror}.") from error
        changes.bring(entry, folder)
        try:
            _settle(changes, entry, folder)
        except OSError as error:
            changes.forget(entry)
            raise NotKept(f"{entry.folder} can't be made: {error.strerror}; it is not served.") from error
        changes.share(name, _mixed(changes.register.shares(name), version, share))


def delete(changes: Changes, name: str, version: int) -> None:
    """Removes the folder of a version that is not in service. Raises `UnknownModel`, `ModelConflict` if it is in
    service, `NotKept`, `NotReady` or `Draining`.
    """
    with changes.changing():
        entry = changes.register.find(f"{name}@{version}")
        if entry is None:
            raise changes.unknown(f"{name}@{version}")
        if entry.model is not None:
            raise ModelConflict(f"{entry.reference} is in service: unload it first.")
        changes.require_kept(name)
        try:
            if entry.folder.exists():
                # Out of sight at once: half a folder must not be found.
                with incoming(changes.models) as hidden:
                    entry.folder.rename(hidden.folder / "gone")
        except OSError as error:
            raise NotKept(f"{entry.folder} can't be removed: {error.strerror}.") from error
        with suppress(OSError):
            entry.folder.parent.rmdir()
        # It stays among those that are out of service, for workers that have not heard of that yet. Written once more,
        # the orders make all of them look again, and find that the folder is gone.
        changes.require_kept(name)
        changes.forget(entry)


def _settle(changes: Changes, entry: Entry, folder: Path) -> None:
    """Moves a version that is in memory to its place."""
    entry.folder.parent.mkdir(exist_ok=True)
    folder.rename(entry.folder)
    parent = os.open(entry.folder.parent, os.O_RDONLY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)
    found = changes.register.find(entry.reference)
    if found is not None and found.model is not None:
        found.model.folder = entry.folder


def _mixed(shares: Shares, version: int, share: float) -> Shares:
    """The shares where one more version takes so much, and the others the rest as before."""
    others = {one: before * (1 - share) for one, before in shares.items() if one != version and before}
    return {**others, version: share if others else 1.0} if share < 1 else {version: 1.0}
