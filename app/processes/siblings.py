"""The worker processes of one service as one: what `/metrics` shows. Knows Prometheus' families, and no HTTP.

Each worker tells its numbers to whoever connects to its Unix socket in the service's private folder. It does so on a
thread, so that no scrape waits for a busy event loop, and writes them down there first: a worker that is gone, or
hangs, counts with what it last told, and its successor goes on from that. So a counter never falls while the service
runs, and what a crash takes with it are the events since the last scrape, whichever worker that scrape came to.
"""

import json
import logging
import socket
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from threading import Lock, Thread

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.metrics import ADDITIVE

PATIENCE = 1.0
"""Seconds that a worker gets to tell its numbers; Prometheus waits ten for all of them."""

PROCESS = ("process_", "python_")
"""What families of the process, rather than of the service, begin with: these get a label `worker`."""

log = logging.getLogger(__name__)


class Siblings(Collector):
    """The numbers of all workers, as worker `index` of `count` collects them. `own` are its own.

    Adds `ganymede_worker_up`: 1 for each worker that told its numbers for this scrape, 0 for each that did not.
    """

    def __init__(self, folder: Path, index: int, count: int, own: Collector) -> None:
        self._folder = folder
        self._index = index
        self._count = count
        self._own = own
        self._lock = Lock()
        self._inherited = _counted(self._told(index))

    def listen(self) -> None:
        """Tells this worker's numbers from now on to whoever connects, until the process ends."""
        address = self._address(self._index)
        address.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(address))
        listener.listen()
        Thread(target=self._answer, args=(listener,), name="ganymede-siblings", daemon=True).start()

    def write(self) -> bytes:
        """This worker's numbers, those of its predecessors included; on file before anyone is told."""
        with self._lock:
            told = _dump(add_up([self._own.collect(), self._inherited]))
            file = self._file(self._index)
            fresh = file.with_suffix(".new")
            try:
                fresh.write_bytes(told)
                fresh.replace(file)
            except OSError as error:  # a full disk is no reason to show nothing
                log.warning("The metrics can't be kept for after a crash: %s", error)
        return told

    def collect(self) -> list[Metric]:
        """Every family once, over all workers."""
        others = [index for index in range(self._count) if index != self._index]
        with ThreadPoolExecutor(len(others)) as asking:
            told = dict(zip(others, asking.map(self._ask, others), strict=True))
        told[self._index] = _load(self.write())
        up = GaugeMetricFamily(
            "ganymede_worker_up",
            "1 for a worker that told its numbers for this scrape; 0 for one that did not, and counts as it last did.",
            labels=["worker"],
        )
        parts = []
        for index, families in sorted(told.items()):
            up.add_metric([str(index)], families is not None)
            parts.append(_counted(self._told(index)) if families is None else _labelled(families, index))
        return [*add_up(parts), up]

    def _answer(self, listener: socket.socket) -> None:
        while True:
            try:
                caller, _ = listener.accept()
            except OSError as error:  # so many files are open that it can't have one more
                log.warning("The metrics can't be told: %s", error)
                time.sleep(PATIENCE)
                continue
            with caller:
                caller.settimeout(PATIENCE)
                try:
                    caller.sendall(self.write())
                except OSError as error:
                    log.debug("A sibling did not wait for the metrics: %s", error)
                except Exception:  # whatever it is, the next scrape may have them
                    log.exception("The metrics can't be told.")

    def _ask(self, index: int) -> list[Metric] | None:
        """What a sibling tells; None if it isn't there or takes too long."""
        told = b""
        try:
            with socket.socket(socket.AF_UNIX) as asking:
                # Without waiting: it succeeds at once, or there is nobody who accepts.
                asking.setblocking(False)
                asking.connect(str(self._address(index)))
                asking.settimeout(PATIENCE)
                while part := asking.recv(1 << 20):
                    told += part
            return _load(told)
        except (OSError, ValueError) as error:  # a ValueError: it died in the middle of its answer
            log.warning("Worker %d did not tell its metrics: %s", index, error)
            return None

    def _told(self, index: int) -> list[Metric]:
        """What a worker, or its predecessor, has last told; nothing if it never did."""
        try:
            return _load(self._file(index).read_bytes())
        except FileNotFoundError:
            return []

    def _address(self, index: int) -> Path:
        return self._folder / f"{index}.socket"

    def _file(self, index: int) -> Path:
        return self._folder / f"{index}.json"


def add_up(parts: Iterable[Iterable[Metric]]) -> list[Metric]:
    """One family of each name: counters, histograms and `ADDITIVE` gauges as sums; of other gauges, the largest."""
    families: dict[str, Metric] = {}
    values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for family in chain.from_iterable(parts):
        families.setdefault(family.name, family)
        known = values.setdefault(family.name, {})
        summed = family.type != "gauge" or family.name in ADDITIVE
        for sample in family.samples:
            series = (sample.name, tuple(sample.labels.items()))
            if series not in known:
                known[series] = sample.value
            else:
                known[series] = known[series] + sample.value if summed else max(known[series], sample.value)
    whole = []
    for name, family in families.items():
        total = Metric(name, family.documentation, family.type)
        for (sample_name, labels), value in values[name].items():
            total.add_sample(sample_name, dict(labels), value)
        whole.append(total)
    return whole


def _counted(families: Iterable[Metric]) -> list[Metric]:
    """What stays of a worker that is gone: what it counted, without its gauges and its process."""
    return [family for family in families if family.type != "gauge" and not family.name.startswith(PROCESS)]


def _labelled(families: Iterable[Metric], index: int) -> list[Metric]:
    """The families of the process with its label, the others as they are."""
    labelled = []
    for family in families:
        if family.name.startswith(PROCESS):
            samples, family = family.samples, Metric(family.name, family.documentation, family.type)
            for sample in samples:
                family.add_sample(sample.name, {"worker": str(index), **sample.labels}, sample.value)
        labelled.append(family)
    return labelled


def _dump(families: Iterable[Metric]) -> bytes:
    plain = [
        (family.name, family.documentation, family.type, [(s.name, s.labels, s.value) for s in family.samples])
        for family in families
    ]
    return json.dumps(plain).encode()


def _load(told: bytes) -> list[Metric]:
    families = []
    for name, documentation, kind, samples in json.loads(told):
        family = Metric(name, documentation, kind)
        for sample in samples:
            family.add_sample(*sample)
        families.append(family)
    return families
