"""Who is next: models by the device time that they had, interactive before bulk, and bulk not never."""

import time

import pytest

from app.engine import batching
from app.errors import Overloaded
from tests.engine.gate import Gate, Line, result, send


def order(first: Gate, second: Gate, batches: int) -> str:
    """Which gate each of the next batches enters, "a" or "b", one after the other, while the first batch is at work."""
    entered = ""
    seen = [len(first.batches), len(second.batches)]
    for _ in range(batches):
        (first if not entered or entered[-1] == "a" else second).let()
        end = time.monotonic() + 10
        while [len(first.batches), len(second.batches)] == seen:
            assert time.monotonic() < end, f"no batch entered after {entered!r}"
            time.sleep(0.0005)
        entered += "a" if len(first.batches) > seen[0] else "b"
        seen = [len(first.batches), len(second.batches)]
    return entered


def test_a_slow_model_gets_as_much_of_the_device_as_a_quick_one(line: Line) -> None:
    slow, slow_gate = line.batcher({1: 5})
    quick, quick_gate = line.batcher({1: 1}, model="quick@1")
    send(slow, *range(30))
    slow_gate.entered()
    send(quick, *range(30))
    turns = order(slow_gate, quick_gate, 24)
    assert (turns.count("a"), turns.count("b")) == (4, 20)


def test_a_hot_model_does_not_starve_one_that_is_asked_now_and_then(line: Line) -> None:
    hot, hot_gate = line.batcher({1: 1, 8: 1})
    cold, cold_gate = line.batcher({1: 1}, model="cold@1")
    for value in range(8 * 32):
        send(hot, value)
    hot_gate.entered()
    for _ in range(5):
        job = send(cold, 1)
        assert order(hot_gate, cold_gate, 1) == "b"
        cold_gate.let()
        hot_gate.entered()
        assert result(job) == [2]


def test_a_model_does_not_save_up_turns_while_it_is_not_asked(line: Line) -> None:
    busy, busy_gate = line.batcher({1: 1})
    idle, idle_gate = line.batcher({1: 1}, model="idle@1")
    send(busy, *range(40))
    busy_gate.entered()
    assert order(busy_gate, idle_gate, 20) == "a" * 20
    send(idle, *range(10))
    assert order(busy_gate, idle_gate, 6) in ("bababa", "bbabab")


def test_interactive_goes_first_and_bulk_fills_its_batch(line: Line) -> None:
    batcher, gate = line.batcher()
    first = send(batcher, 0)
    gate.entered()
    bulk = send(batcher, 1, 2, 3, 4, lane="bulk")
    jobs = [send(batcher, 10), send(batcher, 20)]
    assert line.count("ganymede_queue_samples") == 6
    assert line.count("ganymede_bulk_queue_samples") == 4
    gate.let(3)
    assert [result(job) for job in (first, *jobs, bulk)] == [[0], [20], [40], [2, 4, 6, 8]]
    assert gate.batches == [[0], [10, 20, 1, 2], [3, 4]]


DEAR = {1: 1.0, 2: 1.9, 4: 3.3, 8: 6.0}
"""Seconds by batch size on a device that computes one sample after the other: batches of eight gain little."""


def test_a_batch_is_not_filled_up_behind_a_job_that_is_complete_in_it_where_that_takes_long(line: Line) -> None:
    batcher, gate = line.batcher(DEAR)
    send(batcher, 0)
    gate.entered()
    large = send(batcher, *range(1, 21))
    jobs = [send(batcher, 100), send(batcher, 200)]
    gate.let(10)
    assert [result(job) for job in jobs] == [[200], [400]]
    assert result(large) == [2 * value for value in range(1, 21)]
    assert gate.batches[:3] == [[0], [1, 100, 200], [2, 3, 4, 5]]


def test_bulk_does_not_fill_a_batch_where_that_takes_long(line: Line) -> None:
    batcher, gate = line.batcher(DEAR)
    send(batcher, 0)
    gate.entered()
    bulk = [send(batcher, value, lane="bulk") for value in range(1, 9)]
    job = send(batcher, 100)
    gate.let(10)
    assert result(job) == [200]
    assert [result(one) for one in bulk] == [[2 * value] for value in range(1, 9)]
    assert gate.batches == [[0], [100], list(range(1, 9))]


def test_a_job_that_has_the_queue_to_itself_goes_in_smaller_batches_than_a_crowd(line: Line) -> None:
    batcher, gate = line.batcher(DEAR)
    send(batcher, 0)
    gate.entered()
    job = send(batcher, *range(1, 9))
    gate.let(10)
    result(job)
    assert [len(batch) for batch in gate.batches] == [1, 4, 4]


def test_a_model_with_bulk_only_waits_for_the_interactive_jobs_of_another(line: Line) -> None:
    one, first = line.batcher({1: 1})
    two, second = line.batcher({1: 1}, model="other@1")
    send(one, 0)
    first.entered()
    send(two, 1, 2, lane="bulk")
    send(one, *range(4))
    assert order(first, second, 6) == "aaaabb"


def test_bulk_that_got_nothing_for_long_goes_first_for_one_batch(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "AGE_SECONDS", 0.05)
    batcher, gate = line.batcher({1: 0.0001})
    send(batcher, 0)
    gate.entered()
    send(batcher, *range(10, 20), lane="bulk")
    send(batcher, *range(20, 30))
    time.sleep(0.06)
    for _ in range(3):
        gate.let()
        gate.entered()
    assert gate.batches == [[0], [10], [20], [21]]


def test_bulk_of_one_model_is_not_starved_by_another(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "AGE_SECONDS", 0.05)
    one, first = line.batcher({1: 0.0001})
    two, second = line.batcher({1: 0.0001}, model="other@1")
    send(one, *range(20))
    first.entered()
    send(two, 1, 2, lane="bulk")
    time.sleep(0.06)
    assert "b" in order(first, second, 3)


def test_an_interactive_job_is_let_in_however_much_bulk_waits(line: Line) -> None:
    batcher, gate = line.batcher({1: 1}, queue_seconds=5)
    send(batcher, 0)
    gate.entered()
    send(batcher, *range(5), lane="bulk")
    with pytest.raises(Overloaded, match=r"5 s of work wait for toy@1; the limit is 5 s\.") as refused:
        send(batcher, 1, lane="bulk")
    assert refused.value.headers["Retry-After"] == "5"
    send(batcher, 1, deadline=time.monotonic() + 2)


def test_a_bulk_job_is_told_of_all_that_goes_before_it(line: Line) -> None:
    other, _ = line.batcher({1: 1}, model="other@1")
    batcher, gate = line.batcher({1: 1})
    send(batcher, 0)
    gate.entered()
    send(batcher, *range(4))
    send(other, *range(20))
    with pytest.raises(Overloaded, match="toy@1 would take 26 s"):
        send(batcher, 1, lane="bulk", deadline=time.monotonic() + 10)
