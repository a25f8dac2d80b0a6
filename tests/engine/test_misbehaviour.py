"""A device that hangs, fails again and again, or computes nonsense: whom it harms, and how it comes back."""

import threading
import time

import numpy as np
import pytest

from app.contract import Tensor
from app.engine import health
from app.engine.batching import Batcher
from app.engine.job import Arrays
from app.engine.outputs import checked
from app.errors import InferenceFailed, InferenceTimedOut, InvalidOutput, NotReady
from tests.engine.gate import Line, result, send

IMAGE = Tensor(name="image", meaning="image", dtype="uint8", shape=("n", 2, 2, 3), layout="NHWC")
AUDIO = Tensor(name="audio", meaning="audio", dtype="float32", shape=("n", "t"))
GOOD = {"image": np.zeros((2, 2, 2, 3), np.uint8), "audio": np.zeros((2, 7), np.float32)}

FLAWS: dict[str, tuple[Arrays, str]] = {
    "NaN": ({"audio": np.array([[0, np.nan]], np.float32)}, "output audio holds NaN or infinity"),
    "infinity": ({"audio": np.array([[0, np.inf]], np.float32)}, "output audio holds NaN or infinity"),
    "type": ({"image": np.zeros((2, 2, 2, 3), np.float32)}, "output image is float32, not uint8"),
    "shape": (
        {"image": np.zeros((2, 2, 5, 3), np.uint8)},
        r"output image has samples of shape \[2, 5, 3\], not \[2, 2, 3\]",
    ),
    "axes": ({"audio": np.zeros(2, np.float32)}, r"output audio has samples of shape \[\], not \[t\]"),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_outputs_that_are_not_as_declared_are_refused(flaw: str) -> None:
    outputs, message = FLAWS[flaw]
    with pytest.raises(InvalidOutput, match=f"toy@1 computed what can't be sent: {message}"):
        checked("toy@1", lambda inputs, alone: GOOD | outputs, [IMAGE, AUDIO])({}, False)


def test_values_that_are_no_numbers_are_counted() -> None:
    counted: list[float] = []
    outputs = GOOD | {"audio": np.array([[0, np.nan], [-np.inf, 1]], np.float32)}
    with pytest.raises(InvalidOutput):
        checked("toy@1", lambda inputs, alone: outputs, [IMAGE, AUDIO], counted.append)({}, False)
    assert counted == [2]


def test_outputs_as_declared_pass_and_a_missing_one_does_not() -> None:
    assert checked("toy@1", lambda inputs, alone: GOOD, [IMAGE, AUDIO])({}, False) is GOOD
    with pytest.raises(InvalidOutput, match="output audio is missing"):
        checked("toy@1", lambda inputs, alone: {"image": GOOD["image"]}, [IMAGE, AUDIO])({}, False)


class Device:
    """Doubles `x`, unless it is told to fail, or to hang until it is let go."""

    def __init__(self) -> None:
        self.broken = False
        self.hangs = False
        self.go = threading.Event()
        self.runs = 0

    def run(self, inputs: Arrays, alone: bool) -> Arrays:
        self.runs += 1
        if self.broken:
            raise RuntimeError("out of memory")
        if self.hangs:
            self.go.wait(10)
        return {"y": inputs["x"] * 2}


@pytest.fixture
def device() -> Device:
    return Device()


def fail(batcher: Batcher, device: Device, times: int) -> None:
    device.broken = True
    for _ in range(times):
        with pytest.raises(InferenceFailed):
            result(send(batcher, 1))
    device.broken = False


def test_a_model_that_fails_three_times_in_a_row_is_not_run_and_others_are(line: Line, device: Device) -> None:
    batcher, _ = line.batcher(run=device.run)
    other, gate = line.batcher(model="other@1")
    gate.let(10)
    fail(batcher, device, health.FAILURES)
    with pytest.raises(NotReady, match=r"toy@1 is not run: its last batches failed: toy@1 failed while") as refused:
        send(batcher, 1)
    assert 1 <= int(refused.value.headers["Retry-After"]) <= health.COOL_DOWN
    assert line.count("ganymede_refused_requests_total", reason="failing") == 1
    assert line.count("ganymede_model_state", state="failing") == 1
    assert device.runs == health.FAILURES
    assert result(send(other, 1)) == [2]


def test_a_good_batch_between_forgives_the_bad_ones(line: Line, device: Device) -> None:
    batcher, _ = line.batcher(run=device.run)
    for _ in range(3):
        fail(batcher, device, health.FAILURES - 1)
        assert result(send(batcher, 1)) == [2]


def test_jobs_that_wait_for_a_model_that_fails_are_told_at_once(line: Line) -> None:
    batcher, gate = line.batcher({1: 1})
    gate.broken = True
    jobs = [send(batcher, value) for value in range(10)]
    gate.let(health.FAILURES)
    for job in jobs[: health.FAILURES]:
        with pytest.raises(InferenceFailed):
            result(job)
    for job in jobs[health.FAILURES :]:
        with pytest.raises(NotReady, match="toy@1 is not run"):
            result(job)
    assert line.count("ganymede_queue_samples") == 0
    assert line.count("ganymede_dropped_samples_total", reason="failed") == 10


def test_after_a_while_one_job_is_let_through_and_brings_the_model_back(
    line: Line, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "COOL_DOWN", 0.2)
    batcher, gate = line.batcher()
    gate.broken = True
    gate.let(health.FAILURES)
    for _ in range(health.FAILURES):
        with pytest.raises(InferenceFailed):
            result(send(batcher, 1))
    time.sleep(0.2)
    assert batcher.health.reason is None
    gate.broken = False
    trial = send(batcher, 1)
    gate.entered(health.FAILURES + 1)
    with pytest.raises(NotReady):
        send(batcher, 1)
    gate.let()
    assert result(trial) == [2]
    gate.let()
    assert result(send(batcher, 2)) == [4]
    assert line.count("ganymede_model_state", state="failing") == 0


def test_a_trial_that_nobody_waits_for_is_not_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "COOL_DOWN", 0.05)
    state = health.Health("toy@1")
    for _ in range(health.FAILURES):
        state.bad("out of memory")
    for _ in range(2):
        time.sleep(0.06)
        state.admit()
        with pytest.raises(NotReady, match=r"its last batches failed: out of memory; it is tried again in 0\.0"):
            state.admit()


@pytest.fixture
def impatient() -> Line:
    """A device with one executor, whose runs hang after 100 ms."""
    return Line(patience=0.1)


def test_a_run_that_hangs_fails_its_jobs_and_the_others_go_on(impatient: Line, device: Device) -> None:
    batcher, _ = impatient.batcher({1: 0.001}, run=device.run)
    other, gate = impatient.batcher(model="other@1")
    gate.let(10)
    device.hangs = True
    stuck, waits = send(batcher, 1), send(batcher, 2)
    with pytest.raises(InferenceTimedOut, match=r"toy@1 was given up: a batch that takes 0\.001 s as a rule was not"):
        result(stuck)
    with pytest.raises(NotReady, match="toy@1 is not run: its last batches failed: toy@1 was given up"):
        result(waits)
    assert result(send(other, 1)) == [2]
    device.go.set()
    impatient.close()
    assert stuck.exception() is not None
    assert device.runs == 1


def test_a_run_is_not_given_up_before_many_times_what_it_is_predicted_to_take(impatient: Line, device: Device) -> None:
    batcher, _ = impatient.batcher({1: 1}, run=device.run)
    device.hangs = True
    job = send(batcher, 1)
    time.sleep(0.3)
    assert not job.done()
    device.go.set()
    assert result(job) == [2]
    impatient.close()


def test_a_thread_whose_run_hung_ends_when_it_comes_back(impatient: Line, device: Device) -> None:
    batcher, _ = impatient.batcher({1: 0.001}, run=device.run)
    device.hangs = True
    with pytest.raises(InferenceTimedOut):
        result(send(batcher, 1))
    device.go.set()
    impatient.close()
    end = time.monotonic() + 5
    while [thread for thread in threading.enumerate() if thread.name.startswith("ganymede-test")]:
        assert time.monotonic() < end, "a thread stayed"
        time.sleep(0.001)


def test_a_gpu_s_thread_which_is_not_replaced_goes_on_when_its_run_comes_back(device: Device) -> None:
    line = Line(patience=0.1, device="cuda")
    batcher, _ = line.batcher({1: 0.001}, run=device.run)
    other, gate = line.batcher(model="other@1")
    gate.let(10)
    device.hangs = True
    with pytest.raises(InferenceTimedOut):
        result(send(batcher, 1))
    device.go.set()
    assert result(send(other, 1)) == [2]
    assert line.rotation.on(0, lambda: "done") == "done"
    line.close()


def test_a_model_whose_runs_hang_again_is_not_tried_until_one_comes_back(
    impatient: Line, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "COOL_DOWN", 0.01)
    batcher, _ = impatient.batcher({1: 0.001}, run=device.run)
    device.hangs = True
    for _ in range(health.LOST):
        time.sleep(0.02)
        with pytest.raises(InferenceTimedOut):
            result(send(batcher, 1))
    time.sleep(0.02)
    with pytest.raises(NotReady, match="toy@1 is not run: 2 of its runs hang; it is run again when one") as refused:
        send(batcher, 1)
    assert "Retry-After" not in refused.value.headers
    device.hangs = False
    device.go.set()
    end = time.monotonic() + 5
    while batcher.health.reason:
        assert time.monotonic() < end, "it did not come back"
        time.sleep(0.001)
    assert result(send(batcher, 3)) == [6]
    impatient.close()
