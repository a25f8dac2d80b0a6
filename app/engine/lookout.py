"""Looks now and then at what others have done to the folder of models: operators, or the workers beside this one."""

import logging
from pathlib import Path
from threading import Event, Thread

from app import contract
from app.contract import MANIFEST, ContractError
from app.engine import entries, orders
from app.engine.changes import Changes
from app.engine.entries import Entry
from app.engine.model import LiveModel
from app.engine.orders import Order
from app.errors import ModelRefused, Problem

HEARD = 0.5
"""Seconds between two looks at what other workers were told."""

Print = tuple[tuple[str, int, int], ...]
"""Names, sizes and times of a folder's files: while they change, somebody writes there."""

log = logging.getLogger(__name__)


class Lookout:
    """The thread that looks: at the models every `seconds`, if that is not None; at orders, if others may be told."""

    def __init__(self, changes: Changes, seconds: float | None, *, obeys: bool) -> None:
        self.notice: str | None = None
        """What is wrong with the folder as a whole, in words."""
        self._changes = changes
        self._seconds = seconds
        self._obeys = obeys
        self._stamp = orders.stamp(changes.models)
        self._prints: dict[str, Print] = {}
        self._tried: dict[str, Print] = {}
        self._closing = Event()
        self._thread = Thread(target=self._serve, name="ganymede-lookout", daemon=True)

    def start(self) -> None:
        """Starts the thread, if there is anything to look at."""
        if self._obeys or self._seconds is not None:
            self._thread.start()

    def close(self) -> None:
        """Ends the thread after what it is at."""
        self._closing.set()

    def join(self, seconds: float) -> None:
        """Waits for the thread's end, at most that long."""
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def follow(self) -> None:
        """Does what other workers were told since the last time."""
        stamp = orders.stamp(self._changes.models)
        if stamp == self._stamp:
            return
        with self._changes.changing():
            for name, order in orders.read(self._changes.models).items():
                self._obey(name, order)
            for entry in self._changes.register.entries:
                if entry.state == "retired" and not entry.folder.exists():
                    self._changes.forget(entry)
        self._stamp = stamp

    def look(self) -> None:
        """Loads the complete folders that have come, and drops the versions whose folders are gone.

        A folder is complete once its manifest is there, which is written last, all its files are those of the manifest,
        and nothing of it has changed since the look before.
        """
        models = self._changes.models
        found = {entry.reference: entry for entry in entries.folders(models) if (entry.folder / MANIFEST).is_file()}
        if not found:
            # More likely a disk that isn't there than somebody who wants nothing to be served.
            self._notice(f"{models} holds no models any more: those that are loaded go on.")
            return
        self._notice(None)
        prints = {reference: _print(entry.folder) for reference, entry in found.items()}
        settled = [one for reference, one in found.items() if prints[reference] == self._prints.get(reference)]
        self._prints = prints
        self._tried = {reference: tried for reference, tried in self._tried.items() if reference in prints}
        with self._changes.changing():
            for entry in self._changes.register.entries:
                if not entry.folder.exists() and entry.state != "failed":
                    log.info("The folder of %s is gone.", entry.reference)
                    self._changes.forget(entry)
            for entry in reversed(settled):
                self._come(entry)

    def _serve(self) -> None:
        period = self._seconds if self._seconds is not None else HEARD
        pause = min(period, HEARD) if self._obeys else period
        waited = 0.0
        while not self._closing.wait(pause):
            waited += pause
            try:
                if self._obeys:
                    self.follow()
                if self._seconds is not None and waited >= self._seconds:
                    waited = 0.0
                    self.look()
            except Problem as problem:  # still starting, or ending
                log.debug("%s", problem.detail)
            except Exception:  # whatever it is, what is loaded is served
                log.exception("The folder of models could not be looked at.")

    def _obey(self, name: str, order: Order) -> None:
        changes = self._changes
        for version in sorted(order.shares):
            entry = Entry(name, version, changes.models / name / str(version), late=True)
            known = changes.register.find(entry.reference)
            if known is not None and known.model is not None:
                if _same(known.model, entry.folder):
                    continue
                # It was deleted, and came again with other weights, between two looks.
                changes.forget(known)
                known = None
            try:
                changes.bring(known or entry)
            except ModelRefused as refused:
                log.error("%s", refused.detail)
        changes.register.want(name, order.shares)
        for entry in changes.register.named(name):
            if entry.version in order.retired and entry.state != "retired":
                changes.retire(entry)

    def _come(self, entry: Entry) -> None:
        """A folder at which nobody writes: loads its version, if it is a new one or was mended, and is complete."""
        changes, reference = self._changes, entry.reference
        known = changes.register.find(reference)
        if (known is not None and known.state != "failed") or self._tried.get(reference) == self._prints[reference]:
            return
        if entry.version in orders.read(changes.models).get(entry.name, Order()).retired:
            return
        self._tried[reference] = self._prints[reference]
        try:
            contract.check(entry.folder)
        except ContractError as error:
            log.warning("%s is not complete, and left alone until it changes: %s", reference, error)
            return
        shares = changes.register.shares(entry.name)
        try:
            changes.bring(entry)
        except ModelRefused as refused:
            log.error("%s", refused.detail)
            return
        # A newer version takes over, unless an operator has several of them share the requests.
        serving = [version for version, share in shares.items() if share]
        if len(serving) <= 1 and entry.version > max(serving, default=0):
            changes.share(entry.name, {entry.version: 1.0}, must_keep=False)

    def _notice(self, notice: str | None) -> None:
        if notice != self.notice:
            log.error("%s", notice) if notice else log.info("%s is there again.", self._changes.models)
        self.notice = notice


def _same(live: LiveModel, folder: Path) -> bool:
    """Whether a folder holds what the model in service was read from, as far as it can be read."""
    try:
        return contract.read(folder) == live.manifest
    except ContractError:
        return True


def _print(folder: Path) -> Print:
    return tuple(
        (path.name, found.st_size, found.st_mtime_ns) for path in sorted(folder.iterdir()) if (found := path.lstat())
    )
