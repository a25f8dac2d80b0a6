"""The register: every model version that there is, the state that it is in, and which of them a name means.

Pure bookkeeping, which loads nothing. Readers take what is there at once and without a lock; each change makes it anew.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from threading import RLock

from app.engine.entries import Entry
from app.engine.model import LiveModel
from app.engine.shares import Line, Split, effective, line
from app.metrics import Metrics, State


class Register:
    """Safe to call from any thread."""

    def __init__(self, metrics: Metrics) -> None:
        self.entries: tuple[Entry, ...] = ()
        """By name, the newest version first."""
        self.meant: Mapping[str, LiveModel | Split] = {}
        """What takes the jobs of `name@version`, or of `name`."""
        self.lines: tuple[Line, ...] = ()
        """The models that take jobs, by name."""
        self.pending = False
        """Whether it isn't known yet of some that were there at the start if they can be served."""
        self._metrics = metrics
        self._lock = RLock()
        self._wanted: dict[str, dict[int, float]] = {}
        self._shares: dict[str, dict[int, float]] = {}
        self._holders: dict[str, LiveModel | None] = {}

    def find(self, reference: str) -> Entry | None:
        """The entry of `name@version`."""
        return next((entry for entry in self.entries if entry.reference == reference), None)

    def named(self, name: str) -> list[Entry]:
        """All versions of a model, the newest first."""
        return [entry for entry in self.entries if entry.name == name]

    def shares(self, name: str) -> dict[int, float]:
        """The share of each version of a model that takes jobs; they add up to 1."""
        return self._shares.get(name, {})

    def record(self, entry: Entry) -> None:
        """Notes an entry, in the place of the one with its reference."""
        with self._lock:
            others = [one for one in self.entries if one.reference != entry.reference]
            self._renew([*others, entry])
            self._metrics.state(entry.reference, entry.state)
            self._metrics.shares.swaps(entry.name)

    def want(self, name: str, shares: Mapping[int, float]) -> None:
        """From now on the versions of a model share its requests by these weights; by none, the newest takes all."""
        with self._lock:
            self._wanted[name] = dict(shares)
            self._renew(self.entries)

    def hold(self, reference: str, live: LiveModel | None = None) -> None:
        """Says whose notes of a reference count from now on: the model that is loaded now; None before it is made."""
        with self._lock:
            self._holders[reference] = live

    def fail(self, entry: Entry, reason: str) -> None:
        """Notes that what an entry names can't be served."""
        with self._lock:
            self._holders.pop(entry.reference, None)
            self.record(replace(entry, state="failed", reason=reason, model=None))

    def note(self, live: LiveModel, state: State, reason: str | None) -> None:
        """Notes the state that a model is in from now on. One that was never there takes no jobs while it loads."""
        reference = live.manifest.reference
        with self._lock:
            entry = self.find(reference)
            if entry is None or self._holders.get(reference) is not live:
                return
            if state == "failed":
                self.fail(entry, reason or "")
                return
            late = entry.late and state == "loading"
            model = entry.model if state == "loading" else live
            self.record(replace(entry, state=state, reason=None, model=model, late=late))

    def retire(self, reference: str, reason: str) -> LiveModel | None:
        """Takes a version out of service: nobody finds it from now on. What it was served by, if it was."""
        with self._lock:
            entry = self.find(reference)
            if entry is not None:
                self.record(replace(entry, state="retired", reason=reason, model=None, late=False))
            return self._holders.pop(reference, None)

    def forget(self, reference: str) -> None:
        """Drops an entry that serves nothing, with its series."""
        with self._lock:
            self._renew([entry for entry in self.entries if entry.reference != reference])
            self.clear(reference)
            name = reference.partition("@")[0]
            if not self.named(name):
                self._metrics.shares.forget(name)

    def clear(self, reference: str) -> None:
        """Drops the metrics' series of a version that nothing serves; but the state of one that there is stays."""
        with self._lock:
            if reference in self._holders:
                return
            self._metrics.forget(reference)
            if entry := self.find(reference):
                self._metrics.state(reference, entry.state)

    def _renew(self, entries: list[Entry] | tuple[Entry, ...]) -> None:
        entries = tuple(sorted(entries, key=lambda entry: (entry.name, -entry.version)))
        meant: dict[str, LiveModel | Split] = {}
        lines: list[Line] = []
        shares: dict[str, dict[int, float]] = {}
        for name, group in groupby(entries, key=attrgetter("name")):
            versions = list(group)
            shares[name] = effective(versions, self._wanted.get(name, {}))
            meant |= {entry.reference: entry.model for entry in versions if entry.model is not None}
            if found := line(versions, shares[name]):
                meant[name] = found.meant
                lines.append(found)
            for entry in versions:
                self._metrics.shares.show(entry.reference, shares[name].get(entry.version))
        self._shares, self.meant, self.lines = shares, meant, tuple(lines)
        self.pending = any(entry.pending for entry in entries)
        self.entries = entries
