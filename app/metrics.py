"""Every Prometheus collector of the service, named once.

Made once for each application, on a registry of its own, so that tests make many. Labels `model` hold a reference,
`name@version`: two versions of a model are two queues. Base units throughout: seconds, samples.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.registry import Collector

from app.key_metrics import KeyCollectors
from app.output_metrics import OutputCollectors
from app.share_metrics import ShareCollectors

Lane = Literal["interactive", "bulk"]
"""Whose samples go first: those that somebody waits for, or those that fill what is left of the device."""
Release = Literal["idle", "full", "wait"]
"""Why a batch left: an executor was idle; it held all that is worth its while; the wait window had passed."""
Drop = Literal["cancelled", "deadline", "failed"]
Refusal = Literal["queue", "deadline", "draining", "failing"]
Closed = Literal["malformed", "url", "headers", "head", "body", "unread", "pipeline", "full"]
"""Why a connection was closed that its client would have kept: what came was no HTTP; an address or headers too large;
a head or a body too slow; an answer that nobody read; too much asked at once; more connections than there may be."""
State = Literal["loading", "ready", "failing", "unloaded", "retired", "failed"]
"""Of a model version: being checked or loaded; in memory; there, but not run for now, since its
batches failed; not in memory, but it comes when asked for; taken out of service by an operator; broken."""


SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
BATCH_SIZES = tuple(2**power for power in range(11))

ADDITIVE = frozenset(
    {"ganymede_queue_samples", "ganymede_bulk_queue_samples", "ganymede_model_bytes", "ganymede_connections"}
)
"""Gauges that are amounts: several workers' are added up. Of any other, the largest is shown: the longest wait, and 1
for a state that any worker's model is in."""


@dataclass(frozen=True)
class ModelMetrics:
    """The collectors of one model with their labels resolved: looking a label up for each sample would be slow."""

    decode: Histogram
    queue: Histogram
    infer: Histogram
    encode: Histogram
    batch_size: Histogram
    padding: Counter
    images: Counter
    released: dict[Release, Counter]
    dropped: dict[Drop, Counter]
    refused: dict[Refusal, Counter]
    queue_samples: Gauge
    bulk_samples: Gauge
    queue_seconds: Gauge
    failing: Gauge
    bytes: Gauge
    loads: Counter
    unloads: Counter

    def watch(
        self,
        samples: Callable[[], float],
        bulk: Callable[[], float],
        seconds: Callable[[], float],
        failing: Callable[[], bool],
    ) -> None:
        """Reads the queue's gauges from these functions, at each scrape and at no other time."""
        self.queue_samples.set_function(samples)
        self.bulk_samples.set_function(bulk)
        self.queue_seconds.set_function(seconds)
        self.failing.set_function(failing)


class Metrics:
    """All collectors, and the registry that `/metrics` shows."""

    def __init__(self) -> None:
        # A `_created` twin of every series makes a scrape half as large again, and nobody reads it.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = self.registry = CollectorRegistry()
        self.shown: Collector = registry
        """What `/metrics` shows: this process's collectors, unless a worker puts those of all workers here."""
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self.memory_limit = Gauge(
            "ganymede_memory_limit_bytes",
            "Bytes of memory that the service may take: what its cgroup allows, or what the machine has.",
            registry=registry,
        )
        self.loop_late = Histogram(
            "ganymede_event_loop_late_seconds",
            "Seconds by which the event loop woke a timer too late; for so long nobody who connects is heard.",
            buckets=SECONDS,
            registry=registry,
        )
        self.connections = Gauge("ganymede_connections", "Connections that clients have open.", registry=registry)
        closed = Counter(
            "ganymede_closed_connections_total",
            "Connections closed for what their client did: malformed, url or headers (too large), head or body (too "
            "slow), unread (an answer), pipeline (too much at once), or full (more than there may be).",
            ["reason"],
            registry=registry,
        )
        self.closed: dict[Closed, Counter] = {reason: closed.labels(reason) for reason in get_args(Closed)}
        self._requests = Counter(
            "ganymede_requests_total",
            "HTTP requests answered, by route, model and status.",
            ["route", "model", "status"],
            registry=registry,
        )
        self._answered: dict[tuple[str, str, str], Counter] = {}
        """Those with their labels resolved."""
        self._phase = Histogram(
            "ganymede_phase_seconds",
            "Seconds that a request spent in a phase: decode, queue, infer or encode.",
            ["model", "phase"],
            buckets=SECONDS,
            registry=registry,
        )
        self._batch_size = Histogram(
            "ganymede_batch_size",
            "Samples in a batch, padding not counted.",
            ["model"],
            buckets=BATCH_SIZES,
            registry=registry,
        )
        self._padding = Counter(
            "ganymede_padding_samples_total",
            "Samples that were computed only to fill a batch to a size that the device knows.",
            ["model"],
            registry=registry,
        )
        self._released = Counter(
            "ganymede_batches_total",
            "Batches by why they were released: idle (an executor was free), full, or wait (the window had passed).",
            ["model", "reason"],
            registry=registry,
        )
        self._queue_samples = Gauge(
            "ganymede_queue_samples", "Samples that wait for a batch.", ["model"], registry=registry
        )
        self._bulk_samples = Gauge(
            "ganymede_bulk_queue_samples",
            "Samples that wait for a batch in the bulk lane, which are among those of ganymede_queue_samples.",
            ["model"],
            registry=registry,
        )
        self._queue_seconds = Gauge(
            "ganymede_queue_seconds",
            "Predicted seconds until device and encoders are done with the jobs accepted so far.",
            ["model"],
            registry=registry,
        )
        self._dropped = Counter(
            "ganymede_dropped_samples_total",
            "Accepted samples that were not sent, their client being gone, or not computed: too late, or failed.",
            ["model", "reason"],
            registry=registry,
        )
        self._refused = Counter(
            "ganymede_refused_requests_total",
            "Requests refused at the door: queue full, deadline out of reach, service draining, or model failing.",
            ["model", "reason"],
            registry=registry,
        )
        self._images = Counter(
            "ganymede_images_total", "Images computed, encoded and delivered.", ["model"], registry=registry
        )
        self._bytes = Gauge(
            "ganymede_model_bytes",
            "Bytes that a model takes in memory; 0 while it isn't there.",
            ["model"],
            registry=registry,
        )
        self._loads = Counter(
            "ganymede_model_loads_total", "Times that a model came into memory.", ["model"], registry=registry
        )
        self._unloads = Counter(
            "ganymede_model_unloads_total",
            "Times that a model left memory, to make room for another.",
            ["model"],
            registry=registry,
        )
        self._info = Gauge(
            "ganymede_model_info",
            "What a ready model is; always 1.",
            ["model", "name", "version", "recipe", "device", "runtime"],
            registry=registry,
        )
        self._state = Gauge(
            "ganymede_model_state",
            "1 for the state that a model version is in, in any worker; 0 for the others. A failing one is ready, too.",
            ["model", "state"],
            registry=registry,
        )
        self._by_model: tuple[Counter | Gauge | Histogram, ...] = (
            self._requests,
            self._phase,
            self._batch_size,
            self._padding,
            self._released,
            self._queue_samples,
            self._bulk_samples,
            self._queue_seconds,
            self._dropped,
            self._refused,
            self._images,
            self._bytes,
            self._loads,
            self._unloads,
            self._info,
            self._state,
        )

        self.shares = ShareCollectors(registry)
        """Of which version takes which share of the requests."""
        self.outputs = OutputCollectors(registry)
        """Of what the models draw."""
        self.keys = KeyCollectors(registry)
        """Of who asks, and how much of it they get."""

    def request(self, route: str, model: str, status: int) -> None:
        """Counts one answered request; `model` is "" where none was resolved, so that clients can't mint labels."""
        labels = route, model, str(status)
        # Looked up once: what `forget` throws away meanwhile may be filled in vain.
        answered = self._answered
        counter = answered.get(labels)
        if counter is None:
            counter = answered[labels] = self._requests.labels(*labels)
        counter.inc()

    def model(self, model: str) -> ModelMetrics:
        """The collectors of the model with that reference."""

        def reasons(counter: Counter, names: Iterable[Any]) -> dict[Any, Counter]:
            return {name: counter.labels(model, name) for name in names}

        return ModelMetrics(
            decode=self._phase.labels(model, "decode"),
            queue=self._phase.labels(model, "queue"),
            infer=self._phase.labels(model, "infer"),
            encode=self._phase.labels(model, "encode"),
            batch_size=self._batch_size.labels(model),
            padding=self._padding.labels(model),
            images=self._images.labels(model),
            released=reasons(self._released, get_args(Release)),
            dropped=reasons(self._dropped, get_args(Drop)),
            refused=reasons(self._refused, get_args(Refusal)),
            queue_samples=self._queue_samples.labels(model),
            bulk_samples=self._bulk_samples.labels(model),
            queue_seconds=self._queue_seconds.labels(model),
            failing=self._state.labels(model, "failing"),
            bytes=self._bytes.labels(model),
            loads=self._loads.labels(model),
            unloads=self._unloads.labels(model),
        )

    def info(self, model: str, *, recipe: str, device: str, runtime: str) -> None:
        """Publishes what a model is."""
        name, _, version = model.partition("@")
        self._info.labels(model, name, version, recipe, device, runtime).set(1)

    def state(self, model: str, state: State) -> None:
        """Publishes the state that a model version is in."""
        for possible in get_args(State):
            self._state.labels(model, possible).set(possible == state)

    def forget(self, model: str) -> None:
        """Drops all series of a model version that has left."""
        for collector in self._by_model:
            collector.remove_by_labels({"model": model})
        self._answered = {}
        self.shares.show(model, None)
        self.outputs.forget(model)

    def exposition(self) -> bytes:
        """What is shown, in Prometheus' text format."""
        return generate_latest(self.shown)
