"""A model that takes jobs: its manifest, its graphs' queues while it is in memory, and what identifies its pictures."""

import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from threading import Condition
from typing import Any, TypeVar

from app import contract
from app.contract import Graph, Manifest
from app.engine import outputs, trial, warmup
from app.engine.admission import AT_ONCE, Before, Limits, watch
from app.engine.batch import Batch
from app.engine.batching import Batcher
from app.engine.bounded import within
from app.engine.cost import FRESH, Cost
from app.engine.cuda import GpuSession
from app.engine.deferred import Deferred
from app.engine.health import Health
from app.engine.job import Arrays, Finish, Job
from app.engine.outputs import Run
from app.engine.providers import Device
from app.engine.realness import Critic
from app.engine.rotation import Rotation
from app.engine.session import Session, sizes
from app.engine.trial import Trial
from app.engine.vitals import Vitals, Watch, drawn
from app.engine.warmup import OnExecutor
from app.errors import Draining, NotReady, Problem, retry_after
from app.metrics import Drop, Lane, Metrics

T = TypeVar("T")


@dataclass(frozen=True)
class Bounds:
    """What a graph may take as it is loaded: `megabytes` for the values of a run, those that are free if that is None,
    and `seconds` for its warm-up.
    """

    megabytes: float | None = None
    seconds: float = 300


@dataclass(frozen=True)
class Host:
    """What all models of a device are given: the device, its executors' rotation, the encode pool and the limits."""

    device: Device
    rotation: Rotation[Batch]
    encode: Executor
    metrics: Metrics
    limits: Limits
    max_batch: int
    threads: int = 1
    watch: Watch = field(default_factory=Watch)
    critics: bool = True
    """Whether a model's critic judges some of what is served."""
    bounds: Bounds = Bounds()


Queues = Mapping[str, Batcher]
"""The queue of each graph of a model, by its role in the manifest."""

GRAIN = 64
"""Parts of a sample in which the work of an odd size is counted: a power of two, so that sums are exact."""


class LiveModel:
    """A model that takes jobs. While it is in memory they go into their graph's queue; else they wait here for it.

    `call` is told of each job that waits, by its deadline; it must not block.
    """

    def __init__(
        self, manifest: Manifest, folder: Path, host: Host, call: Callable[["LiveModel", float], None]
    ) -> None:
        self.manifest = manifest
        self.folder = folder
        self.device = host.device
        self.metrics = host.metrics.model(manifest.reference)
        self.health = Health(manifest.reference)
        self.queues: Queues | None = None
        self.weights = _weights(folder, manifest, host)
        """Bytes that its sessions take at least."""
        self.seconds: float | None = None
        """How long it took to load, the last time."""
        self.decoding = 0.0
        """Seconds that it takes to decode what is sent for it, lately."""
        self.used = 0.0
        """When the last job came, in `time.monotonic` seconds."""
        self.vitals = _vitals(manifest, host, self._run)
        """What each graph that draws has drawn lately, by its role."""
        self._host = host
        self._call = call
        self._costs: Mapping[str, Cost] = {}
        self._idle = Condition()
        self._grown: list[int] = []
        self._open = 0
        self._leaving = False
        self._waiting: dict[Job[Any], tuple[Deferred[Any], str]] = {}
        self._refusal: Callable[[], Problem] | None = None

    @property
    def identity(self) -> str:
        """Runtime and hardware: where they are equal, so are the bytes of a picture."""
        return self.device.identity

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the manifest's hashes of the folder's files: the same for the same weights, anywhere."""
        lines = [f"{sha256}  {file}\n" for file, sha256 in sorted(self.manifest.files.items())]
        return contract.digest("".join(lines).encode())

    @property
    def costs(self) -> dict[str, dict[int, float]]:
        """Predicted seconds by batch size of each graph, as of now, or of when it was last in memory."""
        return {role: cost.snapshot() for role, cost in self._costs.items()}

    def alone(self, inputs: Arrays, graph: str = "generator") -> float:
        """Predicted seconds of a job for the graph of that role if there were no other; 0 before it was ever loaded."""
        cost = self._costs.get(graph)
        if cost is None:
            return 0
        work = len(next(iter(inputs.values()))) * _scale(self.manifest.graphs[graph])(inputs)
        return cost.queued(work) / self._host.rotation.executors

    def lagged(self, seconds: float) -> None:
        """Takes in how long a job that had ended waited for whoever asked: admission counts with it."""
        self._host.rotation.lagged(seconds)

    def decoded(self, seconds: float) -> None:
        """Takes in how long an upload took to decode."""
        self.decoding += FRESH * (seconds - self.decoding) if self.decoding else seconds

    def abandoned(self, samples: int) -> None:
        """Counts samples whose client was gone before they were queued, or when they were done."""
        self.metrics.dropped["cancelled"].inc(samples)

    @property
    def bytes(self) -> int:
        """What it takes in memory: its weights, once for each session, or by how much the process grew if that's more.

        The weights alone would leave out what kernels copy, and the activations of the largest batch, which may be much
        larger. The growth alone would count what others allocate and free meanwhile: so the least of all loads counts.
        """
        return max(self.weights, min(self._grown, default=0))

    def measured(self, grown: int, seconds: float) -> None:
        """Takes in by how many bytes the process grew as it was loaded, and how long that took."""
        self._grown.append(grown)
        self.seconds = seconds

    @property
    def failed(self) -> bool:
        """Whether it can't be loaded."""
        return self._refusal is not None

    @property
    def busy(self) -> bool:
        """Whether jobs are in its queues, on the device, or being encoded."""
        return self._open > 0

    @property
    def wanted(self) -> bool:
        """Whether jobs wait for it to come into memory."""
        return bool(self._waiting)

    def submit(
        self,
        inputs: Arrays,
        *,
        deadline: float | None,
        finish: Finish[T],
        lane: Lane = "interactive",
        graph: str = "generator",
        room: float | None = None,
    ) -> Job[T]:
        """Queues a job for the graph of that role, see `Batcher.submit`.

        Where the model isn't in memory, the job waits for it, ends with `NotReady` if it can't be loaded or hasn't come
        by the deadline, and may be refused, as by `Batcher.submit`, only then.
        """
        with self._idle:
            queues = None if self._leaving else self.queues
            if queues is not None:
                self._open += 1
                self.used = time.monotonic()
            else:
                deferred = self._defer(inputs, deadline, finish, lane, graph)
        if queues is not None:
            return self._enter(queues[graph], inputs, deadline, finish, lane, room)
        self._call(self, math.inf if deadline is None else deadline)
        return deferred

    def require_room(
        self,
        samples: int,
        *,
        deadline: float,
        lane: Lane,
        graph: str = "generator",
        before: Before = AT_ONCE,
    ) -> float | None:
        """Raises what `submit` would of a job of that many samples whose inputs are still to be made, or returns its
        `room`; nothing while the model isn't in memory.
        """
        queues = None if self._leaving else self.queues
        return None if queues is None else queues[graph].require_room(samples, deadline, lane, before)

    def arrive(self, queues: Queues) -> None:
        """It is in memory: the jobs that waited go into its queues, and those that come do at once."""
        watch(self.metrics, [batcher.door for batcher in queues.values()], self.health)
        with self._idle:
            self.queues, self._costs = queues, {role: batcher.cost for role, batcher in queues.items()}
            waiting, self._waiting = self._waiting, {}
            self._open += len(waiting)
            self.used = time.monotonic()
        for deferred, graph in waiting.values():
            deferred.enter(partial(self._enter, queues[graph]))

    def leave(self) -> None:
        """Takes the model out of memory. First waits until no job is open; those that come meanwhile wait for it to
        come back.
        """
        with self._idle:
            self._leaving = True
            self._idle.wait_for(lambda: not self._open)
            queues, self.queues = self.queues, None
            self._leaving = False
        for batcher in queues.values() if queues else ():
            self._host.rotation.part(batcher)

    def refuse(self, refusal: Callable[[], Problem]) -> None:
        """It won't come: ends the jobs that wait, and refuses those that would."""
        with self._idle:
            self._refusal = refusal
            waiting, self._waiting = self._waiting, {}
        for deferred, _ in waiting.values():
            self._drop(deferred, "failed", refusal())

    def expire(self, now: float) -> float:
        """Ends the jobs that wait and whose deadline has passed; returns the next deadline, infinity without one."""
        with self._idle:
            due = {job: math.inf if job.deadline is None else job.deadline for job in self._waiting}
            late = [self._waiting.pop(job)[0] for job, deadline in due.items() if deadline <= now]
        for job in late:
            del due[job]
            passed = f"{self.manifest.reference} was still loading when the deadline passed, after"
            # The first load's length is unknown before its end.
            retry = retry_after(self.seconds) if self.seconds else {}
            self._drop(job, "deadline", NotReady(f"{passed} {now - job.submitted:.3g} s.", headers=retry))
        return min(due.values(), default=math.inf)

    def _defer(self, inputs: Arrays, deadline: float | None, finish: Finish[T], lane: Lane, graph: str) -> Deferred[T]:
        if self._host.rotation.draining:
            self.metrics.refused["draining"].inc()
            raise Draining
        if self._refusal is not None:
            raise self._refusal()
        deferred = Deferred(inputs, len(next(iter(inputs.values()))), deadline, finish, self._withdraw, lane)
        self._waiting[deferred] = deferred, graph
        return deferred

    def _enter(
        self,
        batcher: Batcher,
        inputs: Arrays,
        deadline: float | None,
        finish: Finish[T],
        lane: Lane,
        room: float | None = None,
    ) -> Job[T]:
        """Queues a job that is counted as open already."""
        try:
            job = batcher.submit(inputs, deadline=deadline, finish=finish, lane=lane, room=room)
        except BaseException:
            self._ended(None)
            raise
        job.add_done_callback(self._ended)
        return job

    def _ended(self, _: object) -> None:
        with self._idle:
            self._open -= 1
            if not self._open and self._leaving:
                self._idle.notify_all()

    def _run(self, role: str) -> Run | None:
        """What runs a graph; None while it isn't in memory."""
        queues = self.queues
        return None if queues is None else queues[role].run

    def _withdraw(self, job: Job[Any]) -> None:
        with self._idle:
            waited = self._waiting.pop(job, None)
        if waited is not None:
            self.metrics.dropped["cancelled"].inc(job.samples)

    def _drop(self, deferred: Deferred[Any], reason: Drop, problem: Problem) -> None:
        self.metrics.dropped[reason].inc(deferred.samples)
        deferred.fail(problem)


def prove(
    folder: Path, device: Device, max_batch: int, threads: int = 1, bounds: Bounds | None = None
) -> tuple[Manifest, dict[str, tuple[Session | GpuSession, Cost]]]:
    """The model of a folder, which has shown on a device that it can be served; its graphs by role, each with what its
    batches cost there.

    Raises `ContractError`, which says what is wrong with the folder.
    """
    manifest = contract.check(folder)
    how = _How(device, max_batch, threads, bounds or Bounds(), lambda _, errand: errand())
    graphs = {role: _session(folder, manifest, role, how) for role in manifest.graphs}
    return manifest, graphs


def load(live: LiveModel, host: Host) -> Queues:
    """The queues of a model's graphs, once they are proven; `ContractError`, and nothing stays of them, if not.

    That is also where its folder does not hold any more what it held when the manifest was read.
    """
    reference, manifest = live.manifest.reference, live.manifest
    how = _How(host.device, host.max_batch, host.threads, host.bounds, host.rotation.on)
    proven = {role: _session(live.folder, manifest, role, how) for role in manifest.graphs}

    def queue(role: str) -> Batcher:
        session, cost = proven[role]
        graph = manifest.graphs[role]
        scale, nan = _scale(graph), host.metrics.outputs.nan(reference, role)
        run = outputs.checked(reference, session.run, graph.outputs, nan.inc)
        if role in live.vitals:
            run = live.vitals[role].watched(run)
        return Batcher(reference, run, cost, host.rotation, host.encode, live.health, live.metrics, host.limits, scale)

    return {role: queue(role) for role in proven}


@dataclass(frozen=True)
class _How:
    """How graphs are loaded."""

    device: Device
    max_batch: int
    threads: int
    bounds: Bounds
    on: OnExecutor


def _session(folder: Path, manifest: Manifest, role: str, how: _How) -> tuple[Session | GpuSession, Cost]:
    graph, device = manifest.graphs[role], how.device
    most = trial.budget(how.bounds.megabytes)
    data, seen = contract.load_graph(folder, manifest, graph.file, most)
    tried = Trial(data, graph, most)
    samples, largest, folds = warmup.of(manifest, role, device), min(how.max_batch, tried.largest), seen.folds

    def take() -> None:
        for one in samples.each():
            tried.take(one)

    def warm() -> tuple[Session, Cost]:
        take()
        session = Session(data, graph, largest, how.threads, folds=folds)
        return session, warmup.warm(session, manifest, role, device, tried)

    with trial.named(graph):
        if not device.gpus:
            return within(how.bounds.seconds, warm, tried.stop)
        within(how.bounds.seconds, take, tried.stop)
    # Without a bound: TensorRT may compile for many minutes.
    lanes = GpuSession(data, graph, device, largest, folds=folds)
    return lanes, warmup.warm_lanes(lanes, manifest, role, device, how.on)


def _scale(graph: Graph) -> Callable[[Arrays], float]:
    """The work of one sample: how many times the values of the usual one it has.

    A smaller one counts as one, too, since a device has a largest batch in samples.
    """
    open_ended = [tensor for tensor in graph.inputs if any(isinstance(side, str) for side in tensor.shape[1:])]
    if not open_ended:
        return lambda _: 1.0
    usual = sum(math.prod(tensor.sample) for tensor in open_ended)

    def scale(inputs: Arrays) -> float:
        values = sum(math.prod(inputs[tensor.name].shape[1:]) for tensor in open_ended)
        return max(1, round(values * GRAIN / usual) / GRAIN)

    return scale


def _vitals(manifest: Manifest, host: Host, run: Callable[[str], Run | None]) -> dict[str, Vitals]:
    """What is known of the pictures of each graph that draws, by its role; `run` runs a role's graph."""
    judged = host.critics and "critic" in manifest.graphs
    gpu = bool(host.device.gpus)
    critic = Critic(manifest, host.rotation, lambda: run("critic"), gpu) if judged else None
    return {
        role: Vitals(manifest, role, host.metrics, host.watch, critic if role == "generator" else None)
        for role, graph in manifest.graphs.items()
        if drawn(graph)
    }


def _weights(folder: Path, manifest: Manifest, host: Host) -> int:
    """Bytes of the graphs, once for each session that a device has them in; see `Session` and `GpuSession`."""
    lanes = len(host.device.lanes)
    sessions = lanes * len(sizes(host.max_batch)) if lanes else min(host.threads, 2)
    return sessions * sum((folder / graph.file).stat().st_size for graph in manifest.graphs.values())
