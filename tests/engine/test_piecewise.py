"""Results made of one piece for each sample: as soon as the sample is there, side by side, and in order at the end."""

from concurrent.futures import Future
from threading import Barrier, Event
from typing import Any

import pytest

from app.engine.batching import Batcher
from app.engine.job import Arrays, Job, Piecewise
from tests.engine.gate import ENCODERS, PATIENCE, Line, result, send, x


def numbered(number: int, outputs: Arrays) -> tuple[int, float]:
    return number, float(outputs["y"])


def submit(batcher: Batcher, *values: float, each: Any = numbered) -> Job[list[Any]]:
    return batcher.submit(x(*values), deadline=None, finish=Piecewise(each, list))


def test_the_result_is_made_of_the_pieces_in_order(wide_line: Line) -> None:
    batcher, gate = wide_line.batcher()
    gate.let(10)
    assert result(submit(batcher, *range(20))) == [(number, 2 * number) for number in range(20)]
    assert wide_line.count("ganymede_images_total") == 20
    assert wide_line.count("ganymede_phase_seconds_count", phase="encode") == 1


def test_pieces_are_made_while_later_samples_wait_for_the_device(line: Line) -> None:
    batcher, gate = line.batcher()
    made: list[Future[float]] = [Future() for _ in range(6)]
    job = submit(batcher, *range(6), each=lambda number, outputs: made[number].set_result(float(outputs["y"])))
    gate.pass_one()
    gate.entered()
    assert [piece.result(PATIENCE) for piece in made[:4]] == [0, 2, 4, 6]
    assert not job.done()
    gate.let()
    result(job)
    assert [piece.result(0) for piece in made[4:]] == [8, 10]


def test_pieces_are_made_side_by_side(line: Line) -> None:
    batcher, gate = line.batcher()
    meet = Barrier(ENCODERS, timeout=PATIENCE)
    gate.let()
    assert len(result(submit(batcher, *range(ENCODERS), each=lambda number, outputs: meet.wait()))) == ENCODERS


@pytest.mark.parametrize(
    ("run", "encoding", "expected"),
    [
        (0.001, 0.0001, [5, 3]),
        (0.001, 0.01, [1] * 8),
        (0.01, 0.0005, [4, 4]),
        (10, 0.001, [5, 3]),
        (10, 0.01, [1] * 8),
    ],
)
def test_small_pictures_share_a_task_and_large_ones_have_their_own(
    run: float, encoding: float, expected: list[int], line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    batcher, gate = line.batcher({1: run, 8: run})
    gate.let(3)
    result(send(batcher, 0))
    tasks: list[int] = []
    put = line.encode.submit

    def counted(act: Any, task: list[Any]) -> Any:
        tasks.append(len(task))
        return put(act, task)

    monkeypatch.setattr(line.encode, "submit", counted)
    monkeypatch.setattr(batcher.door, "_encoding", encoding)
    result(submit(batcher, *range(8)))
    assert tasks == expected


def test_a_result_of_several_samples_has_a_task_of_its_own(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    batcher, gate = line.batcher({1: 10, 8: 10})
    blocker = send(batcher, 0)
    gate.entered()
    jobs = [send(batcher, *values) for values in ((1,), (2,), (3, 4, 5), (6,))]
    tasks: list[int] = []
    put = line.encode.submit

    def counted(act: Any, task: list[Any]) -> Any:
        tasks.append(len(task))
        return put(act, task)

    gate.let()
    result(blocker)
    monkeypatch.setattr(batcher.door, "_encoding", 0.0001)
    monkeypatch.setattr(line.encode, "submit", counted)
    gate.let()
    assert [result(job) for job in jobs] == [[2], [4], [6, 8, 10], [12]]
    assert tasks == [2, 1, 1]


def test_a_piece_that_fails_ends_the_job_and_takes_its_samples_out_of_the_queue(line: Line) -> None:
    batcher, gate = line.batcher()

    def each(number: int, outputs: Arrays) -> None:
        raise ZeroDivisionError("in the encoder")

    job = submit(batcher, *range(100), each=each)
    gate.pass_one()
    with pytest.raises(ZeroDivisionError, match="in the encoder"):
        result(job)
    gate.let(2)
    assert result(send(batcher, 1)) == [2]
    assert len(gate.batches) <= 3
    assert line.count("ganymede_queue_samples") == 0
    assert line.count("ganymede_dropped_samples_total", reason="failed") in (92, 96)


def test_whoever_keeps_a_job_that_is_computed_does_not_keep_what_went_in(line: Line) -> None:
    batcher, gate = line.batcher()
    gate.let(2)
    job = submit(batcher, *range(6))
    assert len(job.inputs["x"]) == 6
    result(job)
    assert not job.inputs


def test_a_job_is_cancelled_after_its_first_pieces(line: Line) -> None:
    batcher, gate = line.batcher()
    first = Event()
    job = submit(batcher, *range(100), each=lambda number, outputs: first.set())
    gate.pass_one()
    assert first.wait(PATIENCE)
    gate.entered()
    assert job.cancel()
    # All but the pictures that were made, of the four of the first batch: one at least.
    assert 96 <= line.count("ganymede_dropped_samples_total", reason="cancelled") <= 99
    gate.let(2)
    assert result(send(batcher, 1)) == [2]
    assert len(gate.batches) == 3
