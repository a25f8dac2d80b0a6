"""Clients that hang up: their samples leave the queue, are counted, and cost nobody anything."""

import asyncio
import threading
import time

import pytest

from tests.engine.gate import Line, result, send


def test_a_cancelled_job_leaves_the_queue_and_is_counted(line: Line) -> None:
    batcher, gate = line.batcher()
    first = send(batcher, 0)
    gate.entered()
    gone, stays = send(batcher, 1, 2, 3), send(batcher, 4)
    assert gone.cancel()
    assert line.count("ganymede_queue_samples") == 1
    assert line.count("ganymede_dropped_samples_total", reason="cancelled") == 3
    gate.let(2)
    assert [result(first), result(stays)] == [[0], [8]]
    assert gate.batches == [[0], [4]]


def test_a_job_cancelled_half_done_loses_all_since_nothing_was_sent(line: Line) -> None:
    batcher, gate = line.batcher()
    job = send(batcher, *range(100))
    gate.entered()
    assert job.cancel()
    assert line.count("ganymede_dropped_samples_total", reason="cancelled") == 100
    gate.let(2)
    assert result(send(batcher, 1)) == [2]
    assert [len(batch) for batch in gate.batches] == [4, 1]


def test_cancelling_twice_counts_once(line: Line) -> None:
    batcher, gate = line.batcher()
    send(batcher, 0)
    gate.entered()
    job = send(batcher, 1)
    assert job.cancel()
    assert job.cancel()
    assert line.count("ganymede_dropped_samples_total", reason="cancelled") == 1


def test_who_takes_a_batch_charges_a_job_that_is_being_cancelled(line: Line) -> None:
    batcher, gate = line.batcher()
    send(batcher, 0)
    gate.entered()
    job = send(batcher, 1)
    with line.rotation.lock:
        leaves = threading.Thread(target=job.cancel)
        leaves.start()
        while not job.cancelled():
            time.sleep(0.001)
        charges = threading.Thread(target=job.charge, args=(0.5,), daemon=True)
        charges.start()
        charges.join(5)
        assert not charges.is_alive()
    leaves.join(5)
    assert job.spent() == (0, 0.5)


def test_a_finished_job_can_t_be_cancelled(line: Line) -> None:
    batcher, gate = line.batcher()
    gate.let()
    job = send(batcher, 1)
    assert result(job) == [2]
    assert not job.cancel()


def test_cancelling_the_task_that_awaits_a_job_cancels_the_job(line: Line) -> None:
    batcher, gate = line.batcher()
    send(batcher, 0)
    gate.entered()

    async def client() -> None:
        await asyncio.wrap_future(send(batcher, 1, 2))

    async def hangs_up() -> None:
        task = asyncio.create_task(client())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(hangs_up())
    assert line.count("ganymede_dropped_samples_total", reason="cancelled") == 2


def test_after_300_clients_vanished_the_next_request_waits_for_no_one(line: Line) -> None:
    batcher, gate = line.batcher()
    send(batcher, 0)
    gate.entered()
    vanished = [send(batcher, value) for value in range(300)]
    threads = [threading.Thread(target=job.cancel) for job in vanished]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gate.let(2)
    assert result(send(batcher, 1)) == [2]
    assert len(gate.batches) == 2
