"""Errands: what has to happen on the thread of one executor, between its batches."""

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event

import pytest

from app.errors import Draining
from tests.engine.gate import PATIENCE, Line, result, send


def name() -> str:
    return threading.current_thread().name


def test_an_errand_runs_on_the_thread_of_its_executor(wide_line: Line) -> None:
    assert [wide_line.rotation.on(number, name) for number in (1, 0, 1)] == [
        "ganymede-test-1",
        "ganymede-test-0",
        "ganymede-test-1",
    ]


def test_an_errand_waits_for_the_batch_of_its_executor_and_goes_before_the_next(line: Line) -> None:
    batcher, gate = line.batcher()
    first = send(batcher, 1)
    gate.entered()
    second = send(batcher, 2)
    with ThreadPoolExecutor(1) as pool:
        errand = pool.submit(line.rotation.on, 0, lambda: len(gate.batches))
        with pytest.raises(TimeoutError):
            errand.result(0.05)
        gate.let()
        assert errand.result(PATIENCE) == 1
    gate.pass_one()
    assert (result(first), result(second)) == ([2], [4])


def test_errands_for_one_executor_go_in_their_order(line: Line) -> None:
    batcher, gate = line.batcher()
    job = send(batcher, 1)
    gate.entered()
    done: list[int] = []
    with ThreadPoolExecutor(2) as pool:
        for number in (1, 2):
            pool.submit(line.rotation.on, 0, partial(done.append, number))
            while sum(map(len, line.rotation._errands.values())) < number:
                assert not done
        gate.let()
    assert (result(job), done) == ([2], [1, 2])


def test_an_errand_raises_what_it_raised_and_the_executor_goes_on(line: Line) -> None:
    def fail() -> None:
        raise ValueError("no such lane")

    with pytest.raises(ValueError, match="no such lane"):
        line.rotation.on(0, fail)
    batcher, gate = line.batcher()
    job = send(batcher, 3)
    gate.pass_one()
    assert result(job) == [6]


def test_an_errand_that_has_not_begun_ends_with_the_rotation(line: Line) -> None:
    busy, go = Event(), Event()

    def hold() -> None:
        busy.set()
        assert go.wait(PATIENCE)

    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(line.rotation.on, 0, hold)
        assert busy.wait(PATIENCE)
        waiting = pool.submit(line.rotation.on, 0, name)
        while not line.rotation._errands:
            assert not waiting.done()
        line.rotation.close()
        assert isinstance(waiting.exception(PATIENCE), Draining)
        go.set()
        assert running.result(PATIENCE) is None
    with pytest.raises(Draining):
        line.rotation.on(0, name)
