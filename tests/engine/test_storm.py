"""Random jobs from many threads: some cancelled, some late, some in batches that fail, and none mixed up."""

import time
from collections import Counter
from concurrent.futures import CancelledError
from threading import Thread
from typing import Any

import numpy as np
import pytest

from app.engine import health
from app.engine.batching import Batcher
from app.engine.job import Arrays, Job
from app.errors import DeadlineExceeded, InferenceFailed, Overloaded
from tests.engine.gate import Line, result, send

JOBS = 60


def double(inputs: Arrays, _: bool) -> Arrays:
    """A device that fails whenever a certain kind of sample is in the batch."""
    if 13 in inputs["x"] % 1000:
        raise RuntimeError("out of memory")
    return {"y": inputs["x"] * 2}


class Client:
    """Sends jobs whose every sample is known from all others, and notes how they end."""

    def __init__(self, batcher: Batcher, number: int) -> None:
        self.ends: Counter[str] = Counter()
        self.wrong: list[object] = []
        self._batcher = batcher
        self._number = number
        self._draw = np.random.default_rng(number)

    def run(self) -> None:
        sent = [self._send(turn) for turn in range(JOBS)]
        for job, values in sent:
            self.ends[self._end(job, values)] += 1

    def _send(self, turn: int) -> tuple[Job[Any] | None, list[float]]:
        chance = self._draw.random(3)
        values = [self._number * 1e6 + turn * 1e3 + i for i in range(self._draw.integers(1, 15))]
        try:
            job = send(self._batcher, *values, deadline=time.monotonic() + 0.01 if chance[0] < 0.2 else None)
        except Overloaded:
            return None, values
        if chance[1] < 0.2:
            job.cancel()
        if chance[2] < 0.1:
            time.sleep(0.001)
        return job, values

    def _end(self, job: Job[Any] | None, values: list[float]) -> str:
        if job is None:
            return "refused"
        try:
            if result(job) != [2 * value for value in values]:
                self.wrong.append(values)
        except (CancelledError, DeadlineExceeded, InferenceFailed) as end:
            return type(end).__name__
        return "served"


def test_results_never_go_to_the_wrong_caller_and_every_job_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    # Batches fail at random here, so sooner or later as many in a row as a model is left alone for.
    monkeypatch.setattr(health, "FAILURES", 10**9)
    line = Line(executors=3)
    batcher, _ = line.batcher({1: 0.0001, 5: 0.0001}, run=double)
    clients = [Client(batcher, number) for number in range(8)]
    threads = [Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    line.close()
    assert not [wrong for client in clients for wrong in client.wrong]
    ends = sum((client.ends for client in clients), Counter())
    assert ends.total() == JOBS * len(clients)
    assert ends["served"] > 100
    assert line.count("ganymede_queue_samples") == 0
    assert line.count("ganymede_queue_seconds") == 0
