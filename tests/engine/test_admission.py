"""Who is let in, who is sent away and told when to come back, and whose time runs out in the queue."""

import time
from threading import Event

import pytest

from app.engine.admission import AT_ONCE, Before
from app.engine.batching import Batcher
from app.engine.job import Arrays
from app.engine.rotation import Returns
from app.errors import DeadlineExceeded, Overloaded
from app.metrics import Lane
from tests.engine.gate import PATIENCE, Gate, Line, result, send, x


def busy(line: Line, queue_seconds: float = 1000) -> tuple[Batcher, Gate]:
    """A batcher of 1 s a sample whose executors are all occupied, so that what is sent next must queue."""
    batcher, gate = line.batcher({1: 1}, queue_seconds=queue_seconds)
    for _ in range(line.rotation.executors):
        send(batcher, 0)
        gate.entered()
    return batcher, gate


def test_a_full_queue_refuses_and_says_when_to_come_back(wide_line: Line) -> None:
    batcher, _ = busy(wide_line, queue_seconds=3)
    for value in range(6):
        send(batcher, value)
    with pytest.raises(Overloaded, match=r"3 s of work wait for toy@1; the limit is 3 s\.") as refused:
        send(batcher, 7)
    assert refused.value.headers["Retry-After"] == "3"
    assert refused.value.status == 429
    assert wide_line.count("ganymede_refused_requests_total", reason="queue") == 1


def test_those_who_are_refused_come_back_one_after_the_other(wide_line: Line) -> None:
    batcher, _ = busy(wide_line, queue_seconds=3)
    for value in range(6):
        send(batcher, value)

    def told() -> int:
        with pytest.raises(Overloaded) as refused:
            send(batcher, 7, 8)
        return int(refused.value.headers["Retry-After-Ms"])

    # Two seconds of work on two executors each, but no more than the limit after the queue is empty.
    assert [round(told() / 1000, 1) for _ in range(5)] == [3, 4, 5, 6, 6]


def test_who_is_refused_in_one_lane_does_not_put_off_the_other(line: Line) -> None:
    batcher, _ = busy(line, queue_seconds=3)
    send(batcher, 1, 2, 3)

    def told(lane: Lane) -> float:
        with pytest.raises(Overloaded) as refused:
            send(batcher, 5, lane=lane)
        return round(int(refused.value.headers["Retry-After-Ms"]) / 1000, 1)

    assert [told("bulk"), told("bulk"), told("interactive"), told("interactive")] == [3, 4, 3, 4]


def test_those_whose_uploads_wait_elsewhere_come_back_by_themselves(line: Line) -> None:
    batcher, _ = busy(line)
    send(batcher, 1)
    elsewhere = Before(20, 2, Returns())
    told = []
    for before in (elsewhere, elsewhere, AT_ONCE):
        with pytest.raises(Overloaded) as refused:
            batcher.require_room(1, time.monotonic() + 2, "interactive", before)
        told.append(round(int(refused.value.headers["Retry-After-Ms"]) / 1000, 1))
    assert told == [20, 22, 1]


def test_room_is_refused_as_the_job_would_be_and_counted_once(line: Line) -> None:
    batcher, _ = busy(line)
    send(batcher, 1, 2, 3)
    with pytest.raises(Overloaded, match=r"toy@1 would take 7 s; the deadline is in 5 s\."):
        batcher.require_room(3, time.monotonic() + 5, "interactive")
    assert line.count("ganymede_refused_requests_total", reason="deadline") == 1
    batcher.require_room(2, time.monotonic() + 6, "interactive")
    assert line.count("ganymede_queue_samples") == 3


def test_a_job_that_was_promised_room_is_not_asked_again(line: Line) -> None:
    batcher, _ = busy(line)
    send(batcher, 1)
    deadline = time.monotonic() + 3.5
    room = batcher.require_room(1, deadline, "interactive")
    assert room == pytest.approx(3, abs=0.01)
    with pytest.raises(Overloaded):
        send(batcher, 1, 2, deadline=deadline)
    job = batcher.submit(x(1, 2), deadline=deadline, finish=lambda outputs: outputs, room=room)
    assert job.needed == room


def test_whoever_comes_back_after_that_time_is_let_in(line: Line) -> None:
    batcher, gate = busy(line, queue_seconds=2)
    for value in range(2):
        send(batcher, value)
    with pytest.raises(Overloaded) as refused:
        send(batcher, 3)
    for _ in range(int(refused.value.headers["Retry-After"])):  # a second each
        gate.let()
        gate.entered()
    gate.let(10)
    assert result(send(batcher, 3)) == [6]


def test_the_work_of_other_models_on_the_device_counts_towards_the_return(line: Line) -> None:
    other, _ = line.batcher({1: 1}, model="other@1")
    batcher, _ = busy(line, queue_seconds=2)
    send(other, *range(5))
    send(batcher, 1, 2)
    with pytest.raises(Overloaded) as refused:
        send(batcher, 3)
    assert refused.value.headers["Retry-After"] == "7"


def test_models_that_nobody_asks_for_cost_a_request_nothing(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    batcher, gate = busy(line)
    idle = [line.batcher(model=f"idle{number}@1")[0] for number in range(20)]
    for one in idle:
        for question in ("seconds", "due", "lane"):
            monkeypatch.setattr(one, question, lambda *_: pytest.fail("an idle queue was asked"))
    job = send(batcher, 1, deadline=time.monotonic() + 10)
    gate.let(2)
    assert result(job) == [2]


def test_a_request_larger_than_the_limit_is_let_in_when_nothing_waits(line: Line) -> None:
    batcher, gate = line.batcher({1: 1}, queue_seconds=3)
    gate.let(10)
    assert len(result(send(batcher, *range(10), deadline=time.monotonic() + 5))) == 10


def test_a_job_that_could_not_be_done_by_its_deadline_is_refused(line: Line) -> None:
    batcher, _ = busy(line)
    send(batcher, 1, 2, 3)
    with pytest.raises(Overloaded, match=r"toy@1 would take 7 s; the deadline is in 5 s\.") as refused:
        send(batcher, 4, 5, 6, deadline=time.monotonic() + 5)
    assert refused.value.headers["Retry-After"] == "3"
    assert line.count("ganymede_refused_requests_total", reason="deadline") == 1
    send(batcher, 4, 5, deadline=time.monotonic() + 6)


def test_a_small_job_is_let_in_before_its_deadline_however_large_the_one_ahead_is(line: Line) -> None:
    batcher, _ = busy(line)
    send(batcher, *range(100))
    send(batcher, 1, deadline=time.monotonic() + 4)


def test_the_turns_of_other_models_count_towards_the_deadline(line: Line) -> None:
    other, _ = line.batcher({1: 1}, model="other@1")
    batcher, _ = busy(line)
    send(other, *range(100))
    send(batcher, 1)
    with pytest.raises(Overloaded, match="would take 5 s"):
        send(batcher, 1, deadline=time.monotonic() + 3)


def test_jobs_that_take_longer_than_predicted_make_the_door_cautious_until_others_do_not(line: Line) -> None:
    batcher, _ = busy(line)
    send(batcher, 1)
    # Three seconds: the batch on the device, the one that waits, and its own.
    tight, ample = 3.3, 4.5

    def let_in(seconds: float) -> bool:
        try:
            send(batcher, 2, deadline=time.monotonic() + seconds).cancel()
        except Overloaded:
            return False
        return True

    assert let_in(tight)
    for _ in range(50):
        batcher.door.ended(3, 10)
    assert not let_in(tight)
    for _ in range(1000):
        batcher.door.ended(3, 10)
    assert let_in(ample)
    for _ in range(100_000):
        batcher.door.ended(3, 2.9)
    assert let_in(tight)


def test_what_expires_in_the_queue_makes_the_door_cautious(line: Line) -> None:
    batcher, gate = line.batcher({1: 0.01})
    send(batcher, 0)
    gate.entered()
    send(batcher, 1)
    late = send(batcher, 2, deadline=time.monotonic() + 0.05)
    time.sleep(0.06)
    before = batcher.door.allowance
    gate.let(3)
    with pytest.raises(DeadlineExceeded):
        result(late)
    assert batcher.door.allowance > before


def test_samples_that_expire_in_the_queue_are_never_computed(line: Line) -> None:
    batcher, gate = line.batcher({1: 0.001})
    first = send(batcher, 0)
    gate.entered()
    late = send(batcher, 1, 2, deadline=time.monotonic() + 0.2)
    patient = send(batcher, 3)
    time.sleep(0.21)
    gate.let(2)
    with pytest.raises(DeadlineExceeded, match=r"The deadline passed after 0\.2\d* s in the queue") as expired:
        result(late)
    assert expired.value.status == 429
    assert expired.value.headers["Retry-After"] == "1"
    assert [result(first), result(patient)] == [[0], [6]]
    assert gate.batches == [[0], [3]]
    assert line.count("ganymede_dropped_samples_total", reason="deadline") == 2


def test_a_job_that_expires_half_done_loses_only_the_rest(line: Line) -> None:
    batcher, gate = line.batcher({1: 0.001})
    late = send(batcher, 0, 1, 2, deadline=time.monotonic() + 0.2)
    gate.entered()
    time.sleep(0.21)
    gate.let()
    with pytest.raises(DeadlineExceeded):
        result(late)
    assert gate.batches == [[0]]
    assert line.count("ganymede_dropped_samples_total", reason="deadline") == 2


def test_a_job_that_is_kept_outlives_its_deadline(line: Line) -> None:
    batcher, gate = line.batcher({1: 0.001})
    late = send(batcher, 0, 1, 2, deadline=time.monotonic() + 0.2)
    gate.entered()
    late.keep()
    time.sleep(0.21)
    gate.let(3)
    assert result(late) == [0, 2, 4]


def test_when_the_encoders_are_slower_than_the_device_it_is_their_queue_that_is_bounded(line: Line) -> None:
    batcher, gate = line.batcher({1: 0.0001}, queue_seconds=1)
    gate.let(100)
    held = Event()

    def slow(outputs: Arrays) -> None:
        time.sleep(0.1)

    def hold(outputs: Arrays) -> None:
        held.wait(PATIENCE)

    result(batcher.submit(x(0), deadline=None, finish=slow))  # so 0.1 s a sample, on two threads
    for _ in range(20):
        if batcher.seconds() < 1:  # twenty times, or fewer where the machine took its time over the first
            batcher.submit(x(0), deadline=None, finish=hold)
    with pytest.raises(Overloaded, match=r"1(\.\d+)? s of work wait for toy@1; the limit is 1 s\.") as refused:
        batcher.submit(x(0), deadline=None, finish=hold)
    assert refused.value.headers["Retry-After"] in ("1", "2")
    held.set()


def test_the_time_to_encode_a_job_counts_towards_its_deadline(line: Line) -> None:
    batcher, gate = line.batcher({1: 0.0001})
    gate.let()
    result(batcher.submit(x(0), deadline=None, finish=lambda outputs: time.sleep(0.1)))
    send(batcher, 1)
    with pytest.raises(Overloaded, match=r"toy@1 would take 1\.\d+ s; the deadline is in 1 s\."):
        send(batcher, *range(10), deadline=time.monotonic() + 1)


def test_a_lagging_event_loop_counts_against_a_deadline(line: Line) -> None:
    batcher, _ = line.batcher({1: 0.1, 4: 0.1})
    for value in range(3):
        send(batcher, value)
    send(batcher, 3, deadline=time.monotonic() + 1).cancel()
    for _ in range(100):
        line.rotation.lagged(2)
    with pytest.raises(Overloaded, match="the deadline is in"):
        send(batcher, 3, deadline=time.monotonic() + 1)


def test_what_a_crowd_waits_for_is_worked_off_in_the_batches_that_a_crowd_goes_in(line: Line) -> None:
    # Eight samples cost 6 s in batches of four, which are useful, and 5.6 s in one of eight.
    batcher, gate = line.batcher({1: 1, 4: 3, 8: 5.6})
    send(batcher, 0)
    gate.entered()
    one = send(batcher, *range(8))
    assert batcher.seconds() == 6
    one.cancel()
    for value in range(8):
        send(batcher, value)
    assert batcher.seconds() == 5.6


def test_what_another_model_takes_again_and_again_counts_though_little_of_it_waits(line: Line) -> None:
    batcher, gate = line.batcher({1: 1})
    rival, other = line.batcher({1: 1}, model="rival@1")
    send(batcher, 0)
    gate.entered()
    for value in range(3):
        send(rival, value)
        send(batcher, value)
        gate.let()
        other.pass_one()
        gate.entered()
    assert line.rotation.others(batcher, "interactive") == pytest.approx(0.5, abs=0.1)
    # Of this model a second is on the device, two wait, and one is its own: the rival, which has nothing now, will take
    # two or three more.
    send(batcher, 4)
    send(batcher, 5)
    with pytest.raises(Overloaded, match=r"would take [67]"):
        send(batcher, 6, deadline=time.monotonic() + 5)
    assert line.rotation.others(batcher, "bulk") == pytest.approx(0.5, abs=0.1)


def test_a_model_that_is_alone_on_the_device_is_promised_all_of_it(line: Line) -> None:
    batcher, _ = busy(line)
    assert line.rotation.others(batcher, "interactive") == 0
