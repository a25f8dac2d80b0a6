"""The end: nothing new comes in, what was accepted is finished, what can't be is told so, and no thread stays."""

import threading
import time

import pytest

from app.errors import Draining
from tests.engine.gate import Line, result, send, x


def drain(line: Line, seconds: float) -> threading.Thread:
    """Drains on another thread, and returns once the door is shut."""
    thread = threading.Thread(target=line.rotation.drain, args=(seconds,))
    thread.start()
    while not line.rotation.draining:
        time.sleep(0.001)
    return thread


def test_a_draining_service_refuses_new_jobs_and_finishes_accepted_ones(line: Line) -> None:
    batcher, gate = line.batcher()
    jobs = [send(batcher, value) for value in range(6)]
    gate.entered()
    draining = drain(line, 10)
    with pytest.raises(Draining, match="shutting down; ask another one") as refused:
        send(batcher, 7)
    assert refused.value.status == 503
    assert line.count("ganymede_refused_requests_total", reason="draining") == 1
    gate.let(10)
    draining.join(5)
    assert [result(job) for job in jobs] == [[2 * value] for value in range(6)]


def test_a_job_that_was_promised_room_before_the_drain_is_refused(line: Line) -> None:
    batcher, _ = line.batcher()
    room = batcher.require_room(1, time.monotonic() + 10, "interactive")
    drain(line, 10).join(5)
    with pytest.raises(Draining):
        batcher.submit(x(1), deadline=None, finish=lambda outputs: outputs, room=room)
    assert line.count("ganymede_refused_requests_total", reason="draining") == 1


def test_what_outlasts_the_drain_fails(line: Line) -> None:
    batcher, gate = line.batcher()
    running = send(batcher, 0)
    gate.entered()
    waiting = send(batcher, 1, 2)
    line.rotation.drain(0.01)
    for job in (running, waiting):
        with pytest.raises(Draining):
            result(job)
    assert line.count("ganymede_dropped_samples_total", reason="failed") == 2


def test_what_outlasted_the_drain_is_not_finished_afterwards(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    batcher, gate = line.batcher()
    finished: list[object] = []
    job = batcher.submit(x(0), deadline=None, finish=finished.append)
    gate.entered()
    line.rotation.drain(0.01)
    gate.let()
    line.executors.close(10)
    line.encode.shutdown()
    with pytest.raises(Draining):
        result(job)
    assert finished == []
    assert caplog.records == []


def test_a_drain_with_nothing_to_do_ends_at_once(line: Line) -> None:
    began = time.monotonic()
    line.rotation.drain(10)
    assert time.monotonic() - began < 1


def test_a_drain_does_not_wait_for_cancelled_jobs(line: Line) -> None:
    batcher, gate = line.batcher()
    send(batcher, 0)
    gate.entered()
    cancelled = send(batcher, 1)
    draining = drain(line, 10)
    cancelled.cancel()
    gate.let()
    draining.join(5)
    assert not draining.is_alive()


def test_close_ends_the_executors() -> None:
    # Of a name of their own: other tests leave threads behind that hang, as they are meant to.
    line = Line(device="closed")
    assert [thread for thread in threading.enumerate() if thread.name.startswith("ganymede-closed")]
    line.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ganymede-closed")]
