"""Changes of what is served, while it is: versions that come, take over, and leave.

One at a time, each whole or not at all: a version that is to serve is loaded beside the others, warmed and compared
with its golden samples, as at the start; until then, and if it fails, all goes on as before.
"""

import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Lock

from app import contract
from app.contract import MANIFEST
from app.engine import entries, orders, residency
from app.engine.entries import Entry
from app.engine.guests import Guests
from app.engine.model import Host, LiveModel
from app.engine.orders import Order
from app.engine.register import Register
from app.engine.residency import Residency
from app.errors import Draining, ModelConflict, ModelRefused, NotKept, NotReady, RetiredModel, UnknownModel
from app.settings import REFERENCE, Settings

RETIRED = "an operator took it out of service"

Shares = Mapping[int, float]
"""The share of a model's requests by version."""

log = logging.getLogger(__name__)


class Changes:
    """What can be done to the models that a catalog serves. Safe to call from any thread; blocks while models load."""

    def __init__(
        self, settings: Settings, register: Register, host: Host, residents: Residency, guests: Guests
    ) -> None:
        self.register = register
        self.models = settings.models
        self._patience = settings.request_timeout
        """Seconds after which no request that is being answered can use a model any more."""
        self._host = host
        self._residency = residents
        self._guests = guests
        self._one = Lock()
        self._closing = Event()
        self._departures = ThreadPoolExecutor(1, "ganymede-departures")

    def close(self) -> None:
        """Lets no more change; models that are to leave don't wait for anybody any more."""
        self._closing.set()
        self._departures.shutdown(wait=False)

    def load(self, name: str, version: int | None = None, canaries: Shares | None = None) -> None:
        """Has a version of a model take its requests, the newest in the folder if none is said, except for the shares
        of some `canaries`, which are loaded, too. With canaries alone, the rest stays with what has the most now.

        Raises `UnknownModel`; `ModelConflict` for a version that is to take both; `ModelRefused` for one that can't be
        served, `NotKept`, `NotReady` or `Draining`, with all as it was.
        """
        canaries = canaries or {}
        with self.changing():
            if version is None:
                version = self._leading(name) if canaries else self._newest(name)
            if version in canaries:
                raise ModelConflict(
                    f"Version {version} of {name} has the requests that are left: say with version which other has."
                )
            shares = {version: 1 - sum(canaries.values()), **canaries}
            wanted = [self._folder(name, each) for each in sorted(shares)]
            self.require_kept(name)
            known, brought = self.register.entries, []
            try:
                for entry in wanted:
                    self.bring(entry)
                    brought.append(entry)
                self.share(name, shares)
            except (ModelRefused, NotKept):
                for entry in brought:
                    if entry.model is None:
                        self.forget(entry)
                        if entry in known:
                            self.register.record(entry)
                raise

    def unload(self, name: str, version: int | None = None) -> None:
        """Takes a version of a model out of service, or all of them: nobody finds it from now on. It leaves memory when
        those have gone who may have found it before. Raises `UnknownModel`, `NotKept`, `NotReady` or `Draining`.
        """
        with self.changing():
            known = [entry for entry in self.register.named(name) if version in (None, entry.version)]
            if not known:
                raise self.unknown(name if version is None else f"{name}@{version}")
            gone = {entry.version for entry in known}

            def without(order: Order) -> Order:
                shares = {one: share for one, share in order.shares.items() if one not in gone}
                return Order(shares=shares, retired=order.retired | gone)

            self.register.want(name, orders.change(self.models, name, without).shares)
            for entry in known:
                self.retire(entry)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Alone, and once all that was there at the start is known. What has two stars below is called within."""
        with self._one:
            if self._closing.is_set():
                raise Draining
            if self.register.pending:
                raise NotReady("The models of the start are still loading: ask again when /readyz says ready.")
            yield

    def bring(self, entry: Entry, folder: Path | None = None) -> None:
        """** Has a version in memory and proven, read from `folder` if that isn't the entry's; no request of its name
        comes to it yet, unless there is no other version. Raises `ModelRefused`, with all as it was.
        """
        known = self.register.find(entry.reference)
        live = known.model if known else None
        if live is None:
            # Else the newest would take over as soon as it is ready.
            self.register.want(entry.name, self.register.shares(entry.name))
            live = self._make(replace(entry, state="loading", reason=None, model=None, late=True), folder)
        if live is not None:
            self._residency.bring(live)
        if self._closing.is_set():
            raise Draining
        found = self.register.find(entry.reference)
        if found is None or found.model is None:
            raise self.refused(entry, folder, found.reason or "" if found else "")

    def share(self, name: str, shares: Shares, *, must_keep: bool = True) -> None:
        """** From now on versions that were brought take these shares, in this process and those that follow.

        Raises `NotKept` where that can't be written down and `must_keep` is true.
        """

        def again(order: Order) -> Order:
            return Order(shares=dict(shares), retired=order.retired - set(shares))

        try:
            orders.change(self.models, name, again)
        except NotKept as error:
            if must_keep:
                raise
            log.warning("%s", error.detail)
        self.register.want(name, shares)
        self._host.metrics.shares.swaps(name)["done"].inc()
        log.info("%s is served by %s.", name, told(self.register.shares(name)))

    def retire(self, entry: Entry) -> None:
        """** Takes a version out of service, in this process."""
        log.info("%s is taken out of service.", entry.reference)
        live = self.register.retire(entry.reference, RETIRED)
        if live is not None:
            self._departures.submit(self._depart, live)
        else:
            self.register.clear(entry.reference)

    def forget(self, entry: Entry) -> None:
        """** Drops a version whose folder is gone, or that is not to serve after all, in this process."""
        self.retire(entry)
        self.register.forget(entry.reference)

    def refused(self, entry: Entry, folder: Path | None, reason: str) -> ModelRefused:
        """** The error of a version that can't be served, which is noted; what lies in `folder` for now is named as
        what it would have been.
        """
        reason = reason.replace(str(folder), str(entry.folder))
        self.register.fail(entry, reason)
        self.register.clear(entry.reference)
        self._host.metrics.shares.swaps(entry.name)["failed"].inc()
        serving = self.register.shares(entry.name)
        rest = f"{entry.name} goes on with {told(serving)}" if serving else f"Nothing else serves {entry.name}"
        return ModelRefused(f"{entry.reference} is not served: {reason}. {rest}.", extensions={"reason": reason})

    def require_kept(self, name: str) -> None:
        """** Raises `NotKept` where what is said of models can't be written down: before anything is loaded."""
        orders.change(self.models, name, lambda order: order)

    def unknown(self, reference: str) -> UnknownModel:
        """The error of a version, or a model, that there is none of."""
        return UnknownModel(reference, [entry.reference for entry in self.register.entries])

    def _make(self, entry: Entry, folder: Path | None) -> LiveModel | None:
        """The model of an entry, checked and not in memory; None, with the reason in the register, if it can't be."""
        self.register.record(entry)
        self.register.hold(entry.reference)
        place = folder or entry.folder
        try:
            live = LiveModel(contract.check(place), place, self._host, self._residency.call)
        except Exception as error:
            self.register.fail(entry, residency.reason(entry.reference, error))
            return None
        self.register.hold(entry.reference, live)
        return live

    def _depart(self, live: LiveModel) -> None:
        """The end of a model that nobody finds any more."""
        reference = live.manifest.reference
        self._guests.outlast(self._patience, self._closing)
        self._residency.dismiss(live, lambda: RetiredModel(reference, []))
        self.register.clear(reference)

    def _folder(self, name: str, version: int) -> Entry:
        """What is known of a version, or its folder, if it came since; raises `UnknownModel`."""
        entry = Entry(name, version, self.models / name / str(version), late=True)
        known = self.register.find(entry.reference)
        there = REFERENCE.fullmatch(entry.reference) and entry.folder.is_dir()
        if (known is None or known.model is None) and not there:
            raise self.unknown(entry.reference)
        return known or entry

    def _newest(self, name: str) -> int:
        """The newest version of a model whose folder is complete."""
        for entry in entries.folders(self.models):
            if entry.name == name and (entry.folder / MANIFEST).is_file():
                return entry.version
        raise self.unknown(name)

    def _leading(self, name: str) -> int:
        """The version that takes the most of a model's requests now."""
        shares = self.register.shares(name)
        if not shares:
            raise self.unknown(name)
        return max(shares, key=lambda version: (shares[version], version))


def told(shares: Shares) -> str:
    """Shares in words, such as `version 2` where it takes all, or `version 1 (0.9), version 2 (0.1)`."""
    given = {version: share for version, share in sorted(shares.items()) if share}
    if len(given) == 1:
        return f"version {next(iter(given))}"
    return ", ".join(f"version {version} ({share:.3g})" for version, share in given.items())
