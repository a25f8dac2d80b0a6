"""How batches form: at once on an idle device, by load on a busy one, fairly always."""

import os
import sys
import time
from threading import current_thread, get_native_id

import numpy as np
import pytest

from app.engine import rotation
from app.engine.job import Arrays, Job
from app.engine.niceness import NICE
from app.errors import InferenceFailed, InvalidOutput, Overloaded
from tests.engine.gate import PATIENCE, Line, result, send, x


def test_an_idle_device_is_given_what_waits_at_once(line: Line) -> None:
    batcher, gate = line.batcher()
    job = send(batcher, 1)
    gate.pass_one()
    assert result(job) == [2]
    assert gate.batches == [[1]]
    assert line.count("ganymede_batches_total", reason="idle") == 1


def test_while_the_device_works_the_queue_becomes_the_next_batch(line: Line) -> None:
    batcher, gate = line.batcher()
    jobs = [send(batcher, 0)]
    gate.entered()
    jobs += [send(batcher, value) for value in (1, 2, 3)]
    gate.let(2)
    assert [result(job) for job in jobs] == [[0], [2], [4], [6]]
    assert gate.batches == [[0], [1, 2, 3]]


def test_a_batch_is_never_larger_than_is_useful(line: Line) -> None:
    batcher, gate = line.batcher({1: 1, 4: 1, 8: 2})
    first = send(batcher, 0)
    gate.entered()
    job = send(batcher, *range(6))
    gate.let(3)
    assert result(first) == [0]
    assert result(job) == [0, 2, 4, 6, 8, 10]
    assert [len(batch) for batch in gate.batches] == [1, 4, 2]
    assert line.count("ganymede_batches_total", reason="full") == 1


def test_a_crowd_goes_in_larger_batches_than_a_few(line: Line) -> None:
    # Of four samples each costs 0.75 s, of eight 0.7 s.
    batcher, gate = line.batcher({1: 1, 4: 3, 8: 5.6})
    send(batcher, 0)
    gate.entered()
    jobs = [send(batcher, value) for value in range(8 + 7)]
    gate.let(5)
    for job in jobs:
        result(job)
    assert [len(batch) for batch in gate.batches] == [1, 8, 4, 3]


def test_one_who_wants_many_is_no_crowd(line: Line) -> None:
    batcher, gate = line.batcher({1: 1, 4: 3, 8: 5.6})
    send(batcher, 0)
    gate.entered()
    jobs = [send(batcher, *range(8)), send(batcher, *range(8))]
    gate.let(5)
    for job in jobs:
        result(job)
    assert [len(batch) for batch in gate.batches] == [1, 4, 4, 4, 4]


def test_idle_executors_share_a_job(wide_line: Line) -> None:
    batcher, gate = wide_line.batcher()
    while wide_line.rotation.idle < 2:
        time.sleep(0.001)
    job = send(batcher, 0, 1, 2, 3)
    gate.entered(2)
    gate.let(2)
    assert result(job) == [0, 2, 4, 6]
    assert [len(batch) for batch in gate.batches] == [2, 2]


def test_a_request_of_256_does_not_delay_a_request_of_1(line: Line) -> None:
    batcher, gate = line.batcher()
    large = send(batcher, *range(256))
    gate.entered()
    small = send(batcher, 1000)
    gate.let(1)
    gate.pass_one()
    assert result(small) == [2000]
    assert len(gate.batches) <= 3
    assert not large.done()
    gate.let(100)
    assert result(large) == [2 * value for value in range(256)]


def test_jobs_take_turns_by_sample(line: Line) -> None:
    batcher, gate = line.batcher()
    jobs = [send(batcher, 0)]
    gate.entered()
    jobs += [send(batcher, 10, 11, 12), send(batcher, 20, 21, 22), send(batcher, 30)]
    gate.let(3)
    for job in jobs:
        result(job)
    assert [sorted(batch) for batch in gate.batches] == [[0], [10, 11, 20, 30], [12, 21, 22]]


def test_models_take_turns_by_batch(line: Line) -> None:
    one, first = line.batcher()
    two, second = line.batcher(model="other@1")
    order: list[str] = []
    jobs = [send(one, *range(12))]
    first.entered()
    jobs.append(send(two, *range(8)))
    for gate, name in [(first, "one"), (second, "two"), (first, "one"), (second, "two"), (first, "one")]:
        if order:
            gate.entered()
        order.append(name)
        assert len(first.batches) + len(second.batches) == len(order)
        gate.let()
    for job in jobs:
        result(job)


def test_a_wait_window_lets_a_batch_fill(line: Line) -> None:
    batcher, gate = line.batcher(batch_wait=0.2)
    gate.let(2)
    began = time.monotonic()
    pair = [send(batcher, 1), send(batcher, 2)]
    for job in pair:
        result(job)
    assert time.monotonic() - began >= 0.2
    assert gate.batches == [[1, 2]]
    assert line.count("ganymede_batches_total", reason="wait") == 1


def test_a_full_batch_does_not_wait_for_the_window_to_pass(line: Line) -> None:
    batcher, gate = line.batcher(batch_wait=60)
    gate.let()
    assert result(send(batcher, 1, 2, 3, 4)) == [2, 4, 6, 8]
    assert line.count("ganymede_batches_total", reason="full") == 1


def test_a_drain_does_not_wait_for_the_window_to_pass(line: Line) -> None:
    batcher, gate = line.batcher(batch_wait=60)
    gate.let()
    job = send(batcher, 1)
    line.rotation.drain(PATIENCE)
    assert result(job) == [2]


def test_a_failing_batch_fails_its_jobs_and_no_others(line: Line) -> None:
    batcher, gate = line.batcher()
    gate.broken = True
    doomed = send(batcher, *range(6))
    gate.entered()
    spared = send(batcher, 7)
    gate.let()
    with pytest.raises(InferenceFailed, match=r"toy@1 failed while it computed this request; the server's log"):
        result(doomed)
    gate.broken = False
    gate.let()
    assert result(spared) == [14]
    assert gate.batches == [[0, 1, 2, 3], [7]]
    assert line.count("ganymede_dropped_samples_total", reason="failed") == 6


def test_an_executor_survives_failing_batches(line: Line) -> None:
    batcher, gate = line.batcher()
    gate.broken = True
    for _ in range(2):
        gate.let()
        with pytest.raises(InferenceFailed):
            result(send(batcher, 1))
    gate.broken = False
    gate.let()
    assert result(send(batcher, 1)) == [2]


def test_a_model_that_returns_too_few_rows_fails_the_batch(line: Line) -> None:
    batcher, _ = line.batcher(run=lambda inputs, _: {"y": inputs["x"][:1]})
    with pytest.raises(InvalidOutput, match=r"can't be sent: output y has 1 rows for a batch of 2\."):
        result(send(batcher, 1, 2))


def test_finish_runs_on_the_encode_pool(line: Line) -> None:
    batcher, gate = line.batcher()
    gate.let()
    job = batcher.submit(x(1), deadline=None, finish=lambda _: current_thread().name)
    assert result(job).startswith("ganymede-encode")


def test_the_results_of_one_task_are_given_together(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    batcher, gate = line.batcher()
    blocker = send(batcher, 0)
    gate.entered()
    monkeypatch.setattr(batcher.door, "_encoding", 0.0001)
    jobs: list[Job[int]] = []

    def given(_: Arrays) -> int:
        return sum(job.done() for job in jobs)

    jobs += [batcher.submit(x(number), deadline=None, finish=given) for number in range(4)]
    gate.let(2)
    result(blocker)
    assert [result(job) for job in jobs] == [0, 0, 0, 0]
    assert gate.batches[1] == [0, 1, 2, 3]


def test_what_finish_raises_is_the_job_s_error_and_spares_the_pool(line: Line) -> None:
    batcher, gate = line.batcher()
    gate.let(2)

    def finish(outputs: Arrays) -> None:
        raise ZeroDivisionError("in the encoder")

    with pytest.raises(ZeroDivisionError, match="in the encoder"):
        result(batcher.submit(x(1), deadline=None, finish=finish))
    assert result(send(batcher, 1)) == [2]


@pytest.mark.parametrize("inputs", [{}, {"x": np.zeros(0)}, {"x": np.zeros(2), "label": np.zeros(3)}])
def test_inputs_without_samples_or_of_unequal_length_are_refused(line: Line, inputs: Arrays) -> None:
    batcher, _ = line.batcher()
    with pytest.raises(ValueError, match="the same number of samples, one or more"):
        batcher.submit(inputs, deadline=None, finish=lambda outputs: None)


def test_the_timing_adds_up_and_names_the_batches(line: Line) -> None:
    batcher, gate = line.batcher()
    began = time.monotonic()
    first = send(batcher, 0)
    gate.entered()
    job = send(batcher, *range(6))
    time.sleep(0.02)
    gate.let(3)
    result(first)
    result(job)
    assert first.timing.batches == [1]
    assert job.timing.batches == [4, 2]
    assert job.timing.queue >= 0.02
    total = job.timing.queue + job.timing.infer + job.timing.encode
    assert 0.02 <= total <= time.monotonic() - began
    for phase in ("queue", "infer", "encode"):
        assert getattr(job.timing, phase) > 0
        assert line.count("ganymede_phase_seconds_count", phase=phase) == 2


def test_the_queue_s_gauges_show_samples_and_seconds(line: Line) -> None:
    batcher, gate = line.batcher()
    send(batcher, 0)
    gate.entered()
    send(batcher, *range(10))
    assert line.count("ganymede_queue_samples") == 10
    assert line.count("ganymede_queue_seconds") == 3


def test_whoever_waits_for_a_batch_to_fill_gets_it_in_one_piece(wide_line: Line) -> None:
    batcher, gate = wide_line.batcher(batch_wait=60)
    while wide_line.rotation.idle < 2:
        time.sleep(0.001)
    gate.let()
    assert result(send(batcher, 0, 1, 2, 3)) == [0, 2, 4, 6]
    assert gate.batches == [[0, 1, 2, 3]]


def test_samples_of_different_shapes_ride_apart_and_keep_their_turn(line: Line) -> None:
    batcher, gate = line.batcher()

    def submit(value: float, side: int) -> Job[list[float]]:
        inputs = {"x": np.full((1, side), value)}
        return batcher.submit(inputs, deadline=None, finish=lambda outputs: outputs["y"].ravel().tolist())

    first = submit(0, 1)
    gate.entered()
    jobs = [submit(1, 2), submit(2, 3), submit(3, 2), submit(4, 3)]
    gate.let(10)
    assert result(first) == [0]
    assert [result(job) for job in jobs] == [[2, 2], [4, 4, 4], [6, 6], [8, 8, 8]]
    assert [len(batch) for batch in gate.batches] == [1, 2, 2]


def test_a_large_sample_counts_for_as_many_small_ones(line: Line) -> None:
    batcher, gate = line.batcher({1: 1, 4: 4}, queue_seconds=9, scale=lambda inputs: max(1, inputs["x"].shape[1] / 4))

    def submit(side: int, samples: int) -> Job[None]:
        return batcher.submit({"x": np.zeros((samples, side))}, deadline=None, finish=lambda outputs: None)

    submit(4, 1)
    gate.entered()
    large = submit(32, 1)
    assert batcher.seconds() == 8
    assert line.count("ganymede_queue_samples") == 8
    small = submit(4, 3)
    with pytest.raises(Overloaded, match=r"11 s of work wait"):
        submit(4, 1)
    gate.let(10)
    result(large)
    result(small)
    assert batcher.seconds() == 0


def test_of_idle_executors_the_one_that_worked_last_works_again(wide_line: Line) -> None:
    threads: list[str] = []

    def run(inputs: Arrays, _: bool) -> Arrays:
        threads.append(current_thread().name)
        return {"y": inputs["x"]}

    batcher, _ = wide_line.batcher(run=run)
    for value in range(20):
        while wide_line.rotation.idle < 2:
            time.sleep(0.001)
        result(send(batcher, value))
    assert len(set(threads)) == 1


def test_work_that_comes_before_one_has_woken_wakes_the_other(wide_line: Line) -> None:
    batcher, gate = wide_line.batcher({1: 1})
    while wide_line.rotation.idle < 2:
        time.sleep(0.001)
    jobs = [send(batcher, value) for value in range(2)]
    gate.entered(2)
    gate.let(2)
    assert [result(job) for job in jobs] == [[0], [2]]


def test_a_crowd_does_not_wait_longer_for_bulk_that_has_aged(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    batcher, gate = line.batcher({1: 1, 4: 3, 8: 5.6})
    send(batcher, -1)
    gate.entered()
    bulk = send(batcher, *range(100, 108), lane="bulk")
    jobs = [send(batcher, value) for value in range(8)]
    monkeypatch.setattr(batcher, "_bulk_since", time.monotonic() - 1000)
    gate.let()
    gate.entered()
    assert gate.batches[-1] == [100, 101, 102, 103]
    gate.let(4)
    for job in jobs:
        result(job)
    assert result(bulk)


def test_a_window_that_ends_while_one_works_finds_another_awake(wide_line: Line) -> None:
    first, gate = wide_line.batcher(batch_wait=0.2)
    second, other = wide_line.batcher(model="other@1", batch_wait=0.4)
    for batcher in (first, second):
        # The one that is woken sleeps again by then: it knows when the window ends, and is woken for the other job.
        while len(wide_line.rotation._asleep) < 2:
            time.sleep(0.001)
        send(batcher, 1)
    gate.entered()
    other.entered()
    gate.let()
    other.let()


def test_a_job_has_all_of_the_device_until_another_comes_and_a_while_after_it_left(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone: list[bool] = []

    def run(inputs: Arrays, secluded: bool) -> Arrays:
        alone.append(secluded)
        return gate.run(inputs)

    batcher, gate = line.batcher({1: 1}, run=run)

    def done(*jobs: Job[list[float]]) -> None:
        gate.let(len(jobs))
        for job in jobs:
            result(job)
        while line.rotation.ahead("bulk"):
            time.sleep(0.001)

    done(send(batcher, 0))
    done(send(batcher, 1))
    monkeypatch.setattr(rotation, "SECLUDED", 1000)
    first = send(batcher, 2)
    gate.entered(3)
    done(first, send(batcher, 3))
    done(send(batcher, 4))
    monkeypatch.setattr(rotation, "SECLUDED", 0)
    done(send(batcher, 5))
    assert alone == [True, True, True, False, False, True]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells threads apart")
def test_who_computes_steps_back_behind_who_answers(line: Line) -> None:
    nice: list[int] = []

    def run(inputs: Arrays, _: bool) -> Arrays:
        nice.append(os.getpriority(os.PRIO_PROCESS, get_native_id()))
        return {"y": inputs["x"]}

    batcher, _ = line.batcher(run=run)
    result(send(batcher, 0))
    assert nice == [os.getpriority(os.PRIO_PROCESS, get_native_id()) + NICE]
