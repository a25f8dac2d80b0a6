"""Whatever comes in whatever order, and however a device misbehaves: each answer goes to its own caller, none is lost.

Most cases are played by hand on one thread and a made-up clock, which tries thousands of orders in a second and any
of them again from its seed; the rest run on real threads.
"""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from functools import partial
from random import Random
from threading import Thread
from typing import Any

import numpy as np
import pytest

from app.contract import Tensor
from app.engine import batching, executor, health, job, outputs
from app.engine.admission import Limits, watch
from app.engine.batch import Batch
from app.engine.batching import Batcher
from app.engine.cost import Cost
from app.engine.health import Health
from app.engine.job import Arrays, Job
from app.engine.rotation import Rotation
from app.errors import (
    DeadlineExceeded,
    Draining,
    InferenceFailed,
    InferenceTimedOut,
    InvalidOutput,
    NotReady,
    Overloaded,
)
from app.metrics import Metrics, ModelMetrics
from tests.engine.gate import PATIENCE, Line, result, send

CASES = 10_000
STEPS = 60
MODELS = 3
ANSWERS = (
    DeadlineExceeded,
    Draining,
    InferenceFailed,
    InferenceTimedOut,
    InvalidOutput,
    NotReady,
    Overloaded,
)
FAULTS = ("raises", "short", "infinite", "shapeless")
DECLARED = [Tensor(name="y", meaning="image", dtype="float32", shape=("n", "w"))]


class Clock:
    """Time as the case makes it."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    perf_counter = monotonic


class Later(Executor):
    """An encode pool whose calls come when the case wants them."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        self.calls.append(partial(fn, *args, **kwargs))
        return Future()


def computed(values: Arrays, model: int, fault: str | None = None) -> Arrays:
    """What model number `model` makes of its inputs, rightly or not."""
    if fault == "raises":
        raise RuntimeError("out of memory")
    y = values["x"] * np.float32(3) + np.float32(model)
    if fault == "short":
        y = y[1:]
    elif fault == "infinite":
        y = np.where(np.arange(len(y))[:, None] == len(y) - 1, np.float32("nan"), y)
    elif fault == "shapeless":
        y = y[:, :, None]
    return {"y": y}


def area(inputs: Arrays) -> float:
    """The work of one sample: a quarter for each of its values, one at least."""
    return max(1, inputs["x"].shape[1] / 4)


class Case:
    """One device, its models and its clients, played from a seed."""

    def __init__(self, seed: int, clock: Clock, metrics: list[ModelMetrics]) -> None:
        self.random = draw = Random(seed)
        self.clock = clock
        clock.now = 1000.0
        self.metrics = metrics
        self.encode = Later()
        self.rotation: Rotation[Batch] = Rotation(draw.randint(1, 3))
        self.fault: str | None = None
        self.faulty = draw.choice((0, 0, 0.1, 0.5))
        self.batchers = [self._batcher(number) for number in range(draw.randint(1, MODELS))]
        self.running: list[tuple[Batch, Callable[[], None]]] = []
        self.hanging: list[Batch] = []
        self.jobs: list[tuple[Job[bytes], bytes]] = []
        self.ends: Counter[Job[bytes]] = Counter()
        self.doomed: set[Job[Any]] = set()
        self.cancelled: set[Job[Any]] = set()
        self.samples = 0

    def _batcher(self, number: int) -> Batcher:
        draw = self.random
        model = f"toy@{number + 1}"
        pace = draw.choice((0.001, 0.1, 3))
        curve = draw.choice(({1: 1.0, 4: 1.0}, {1: 1.0}, {1: 1.0, 2: 1.5, 8: 4.0}))
        cost = Cost({size: seconds * pace for size, seconds in curve.items()}, fixed=draw.random() < 0.3)
        limits = Limits(draw.choice((5.0, 1000.0)), draw.choice((0, 0, 0, 0.05)), 2)
        run = outputs.checked(model, lambda inputs, _: computed(inputs, number, self.fault), DECLARED)
        health, metrics = Health(model), self.metrics[number]
        made = Batcher(model, run, cost, self.rotation, self.encode, health, metrics, limits, area)
        watch(metrics, [made.door], health)
        return made

    def play(self) -> Counter[str]:
        steps = (self.submit, self.submit, self.take, self.take, self.end, self.end, self.later, self.cancel)
        rare = (self.wait, self.hang, self.come_back)
        for _ in range(STEPS):
            step = self.random.choice(steps if self.random.random() < 0.9 else rare)
            step()
        if self.random.random() < 0.1:
            self.rotation.drain(0)
        self.finish()
        return self.check()

    def submit(self) -> None:
        draw = self.random
        number = draw.randrange(len(self.batchers))
        count = draw.choice((1, 1, 1, 2, 3, 9))
        x = np.arange(self.samples, self.samples + count, dtype=np.float32)
        x = np.repeat(x[:, None], draw.choice((4, 4, 4, 1, 40)), axis=1)
        deadline = self.clock.now + draw.choice((0.01, 1, 20)) if draw.random() < 0.3 else None
        lane = draw.choice(("interactive", "interactive", "bulk"))
        try:
            sent = self.batchers[number].submit({"x": x}, deadline=deadline, finish=self._encoded, lane=lane)
        except (Overloaded, NotReady):
            return
        self.samples += count
        self.jobs.append((sent, computed({"x": x}, number)["y"].tobytes()))
        sent.add_done_callback(lambda done: self.ends.update([done]))

    def _encoded(self, outputs: Arrays) -> bytes:
        self.clock.now += 0.001
        return outputs["y"].tobytes()

    def take(self) -> None:
        free = self.rotation.executors - len(self.running)
        if not free:
            return
        self.rotation.idle = free - 1
        batch = self.rotation.poll(self.clock.now)
        self.rotation.idle = free - (batch is not None)
        if batch is None:
            return
        batch.expire()
        if not batch.parts:
            return
        assert not self.cancelled.intersection(rider for rider, _ in batch.parts), "computed for a client that is gone"
        self.fault = self.random.choice(FAULTS) if self.random.random() < self.faulty else None
        if self.fault:
            self.doomed.update(rider for rider, _ in batch.parts)
        self.running.append((batch, executor.run(batch)))

    def end(self) -> None:
        if self.running:
            _, end = self._any(self.running)
            end()

    def hang(self) -> None:
        if self.running and self.faulty:
            batch, _ = self._any(self.running)
            self.doomed.update(rider for rider, _ in batch.parts)
            self.hanging.append(batch)
            batch.give_up(10)

    def come_back(self) -> None:
        if self.hanging:
            self._any(self.hanging).source.health.returned()

    def later(self) -> None:
        if self.encode.calls:
            self._any(self.encode.calls)()

    def cancel(self) -> None:
        if self.jobs and self.random.random() < 0.3:
            gone, _ = self.random.choice(self.jobs)
            if gone.cancel():
                self.cancelled.add(gone)

    def wait(self) -> None:
        self.clock.now += self.random.choice((0.01, 0.5, 2, 30))

    def finish(self) -> None:
        """No more comes, and all that is there goes on: it must end within as many turns as there is work."""
        for _ in range(4 * (self.samples + len(self.encode.calls) + len(self.running)) + 10):
            self.clock.now += 0.1
            self.take()
            self.end()
            self.later()
        while self.encode.calls:
            self.later()

    def _any(self, things: list[Any]) -> Any:
        return things.pop(self.random.randrange(len(things)))

    def check(self) -> Counter[str]:
        """How the jobs ended, all of them as they may."""
        for sent, expected in self.jobs:
            assert self.ends[sent] == 1, "not answered exactly once"
            if sent.cancelled():
                assert sent in self.cancelled
                continue
            error = sent.exception()
            if error is None:
                assert sent.result() == expected, "another's answer"
                assert sent not in self.doomed, "an answer of a batch that failed"
            elif isinstance(error, (InferenceFailed, InvalidOutput, InferenceTimedOut)):
                assert sent in self.doomed, f"{error} though its batches went well"
            elif isinstance(error, DeadlineExceeded):
                assert sent.deadline is not None
            else:
                assert isinstance(error, (NotReady, Draining)), error
                assert self.doomed or self.rotation.draining
        for batcher, metrics in zip(self.batchers, self.metrics, strict=False):
            assert batcher.seconds() == 0
            for gauge in (metrics.queue_samples, metrics.bulk_samples, metrics.queue_seconds):
                [metric] = gauge.collect()
                assert [sample.value for sample in metric.samples] == [0]
        began = time.monotonic()
        self.rotation.drain(5)
        assert time.monotonic() - began < 1, "a job is still open"
        ends = (
            CancelledError.__name__ if sent.cancelled() else type(sent.exception()).__name__ for sent, _ in self.jobs
        )
        return Counter(ends)


def test_ten_thousand_orders_played_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, metrics = Clock(), Metrics()
    models = [metrics.model(f"toy@{number + 1}") for number in range(MODELS)]
    for module in (batching, executor, health, job):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(executor.log, "disabled", True)
    ends: Counter[str] = Counter()
    for seed in range(CASES):
        try:
            ends += Case(seed, clock, models).play()
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error!r}") from error
    kinds = (CancelledError, DeadlineExceeded, Draining, InferenceFailed, InferenceTimedOut, InvalidOutput, NotReady)
    assert ends["NoneType"] > ends.total() / 2
    assert all(ends[kind.__name__] > 100 for kind in kinds), ends


class Trouble:
    """A device that raises, gives nonsense or hangs for a while, as the samples tell it, on real threads."""

    def __init__(self) -> None:
        self.patience = 0.05

    def run(self, inputs: Arrays, _: bool) -> Arrays:
        values = inputs["x"] % 1000
        if 13 in values:
            raise RuntimeError("out of memory")
        if 17 in values:
            return {"y": inputs["x"][1:]}
        if 19 in values:
            time.sleep(4 * self.patience)
        return {"y": inputs["x"] * 2}


@pytest.mark.parametrize("executors", [1, 2, 3])
def test_hundreds_of_jobs_on_real_threads(executors: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "COOL_DOWN", 0.01)
    monkeypatch.setattr(executor.log, "disabled", True)
    trouble = Trouble()
    line = Line(executors, patience=trouble.patience)
    pairs = [line.batcher({1: 0.0001, 5: 0.0001}, model=f"toy@{number}", run=trouble.run) for number in range(3)]
    ends: Counter[str] = Counter()

    def client(number: int) -> None:
        draw = Random(number)
        for turn in range(60):
            values = [number * 1e6 + turn * 1e3 + i + 30 * (draw.random() < 0.9) for i in range(draw.randint(1, 25))]
            deadline = time.monotonic() + 0.01 if draw.random() < 0.1 else None
            lane = draw.choice(("interactive", "bulk"))
            try:
                sent = send(pairs[number % 3][0], *values, deadline=deadline, lane=lane)
                if draw.random() < 0.1:
                    sent.cancel()
                assert result(sent) == [2 * value for value in values]
                ends["served"] += 1
            except AssertionError:
                ends["wrong"] += 1
            except (CancelledError, *ANSWERS) as end:
                ends[type(end).__name__] += 1

    threads = [Thread(target=client, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(3 * PATIENCE)
    line.close()
    assert ends.total() == 60 * len(threads), ends
    assert not ends["wrong"]
    assert ends["served"] > 50
    for number in range(3):
        assert line.count("ganymede_queue_samples", model=f"toy@{number}") == 0
        assert line.count("ganymede_queue_seconds", model=f"toy@{number}") == 0
