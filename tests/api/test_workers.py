"""Several processes that are one service: equal answers, one sum, and nobody left behind."""

import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.engine import providers
from app.processes import supervisor, worker
from app.settings import Settings
from tests.api.process import PATIENCE, Process


class Service(Process):
    """`ganymede serve --workers 2`, both of them ready."""

    def __init__(self, models: Path, log: Path, folder: Path) -> None:
        flags = ["--workers", "2", "--threads", "1", "--encode-threads", "1"]
        super().__init__(models, log, *flags, TMPDIR=str(folder))
        self.folder = folder
        self.settled()

    def settled(self) -> None:
        """Waits until each worker takes work."""
        for index in range(2):
            # A model is ready when its worker says so; asked over the socket, either worker may answer.
            pattern = rf"(?s)worker {index} [^\n]*Started server process \[{self.pid(index)}\].*"
            for model in ("shapes@1", "toy@1", "toy@2"):
                self.line(pattern + rf"worker {index} [^\n]*({model}) is ready")

    def pid(self, index: int) -> int:
        return int(self.line(rf"worker {index} .*Started server process \[(\d+)\]"))

    @contextmanager
    def paused(self, index: int) -> Iterator[None]:
        """Meanwhile one worker hangs, so that the other answers."""
        pid = self.pid(index)
        os.kill(pid, signal.SIGSTOP)
        self.until(lambda: state(pid) == "T", "it does not hang")
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def metric(self, series: str) -> float:
        """The value of a series in a scrape, 0 if it isn't there."""
        told = self.ask("/metrics")[1].decode()
        found = re.search(rf"^{re.escape(series)} (.+)$", told, re.MULTILINE)
        return float(found[1]) if found else 0

    def end(self) -> None:
        """For when a test has failed: nothing stays."""
        for pid in re.findall(r"Started server process \[(\d+)\]", self.log.read_text()):
            if alive(int(pid)):
                os.kill(int(pid), signal.SIGKILL)
        self.process.kill()
        self.process.wait()


DRAWN = 'ganymede_requests_total{model="toy@1",route="/generate",status="200"}'


def state(pid: int) -> str:
    """One letter, as in `ps`; none if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits for its parent does not."""
    return state(pid) not in ("", "Z")


def gone(*pids: int) -> bool:
    end = time.monotonic() + PATIENCE
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(map(alive, pids))


@pytest.fixture
def service(models_dir: Path, tmp_path: Path) -> Iterator[Service]:
    # The paths of Unix sockets are short.
    with tempfile.TemporaryDirectory() as folder:
        running = Service(models_dir, tmp_path / "log", Path(folder))
        try:
            yield running
        finally:
            running.end()


def test_workers_give_the_same_bytes_and_any_of_them_counts_for_all(service: Service) -> None:
    drawn = []
    for index in range(2):
        with service.paused(index):
            drawn += [service.ask("/generate?model=toy@1&seed=5") for _ in range(3)]
    assert len(set(drawn)) == 1
    assert drawn[0][0] == 200
    assert service.metric(DRAWN) == 6
    assert service.metric('ganymede_images_total{model="toy@1"}') == 6
    assert service.metric('ganymede_phase_seconds_count{model="toy@1",phase="encode"}') == 6
    assert service.metric('ganymede_model_state{model="toy@1",state="ready"}') == 1
    for index in range(2):
        assert service.metric(f'process_resident_memory_bytes{{worker="{index}"}}') > 0

    # A worker that hangs holds up no scrape, and counts with what it told last.
    for index in range(2):
        with service.paused(index):
            began = time.monotonic()
            assert service.metric(f'ganymede_worker_up{{worker="{index}"}}') == 0
            assert time.monotonic() - began < 10
            assert service.metric(DRAWN) == 6


def test_a_worker_that_is_killed_comes_back_and_its_counts_stay(service: Service) -> None:
    for index in range(2):
        with service.paused(index):
            service.ask("/generate?model=toy@1&seed=5")
    assert service.metric(DRAWN) == 2
    killed = service.pid(0)
    os.kill(killed, signal.SIGKILL)
    service.line(rf"Worker 0 \(process ({killed})\) ended after .* s with SIGKILL\. It is started again in 0\.5 s")
    assert service.metric(DRAWN) == 2
    service.until(lambda: service.pid(0) != killed, "it never came back")
    service.settled()
    service.until(lambda: service.metric('ganymede_worker_up{worker="0"}') == 1, "it is not asked again")
    assert service.metric(DRAWN) == 2
    with service.paused(1):
        assert service.ask("/generate?model=toy@1&seed=5")[0] == 200
    assert service.metric(DRAWN) == 3
    assert service.stop() == 0


def test_sigterm_ends_all_and_leaves_nothing(service: Service) -> None:
    workers = [service.pid(index) for index in range(2)]
    assert service.stop() == 0
    assert not any(map(alive, workers))
    assert list(service.folder.iterdir()) == []
    assert "Traceback" not in service.log.read_text()


def test_workers_end_with_a_supervisor_that_is_killed(service: Service) -> None:
    workers = [service.pid(index) for index in range(2)]
    service.process.kill()
    assert service.process.wait(PATIENCE) == -signal.SIGKILL
    assert gone(*workers)
    assert list(service.folder.iterdir()) == []
    assert "Traceback" not in service.log.read_text()


@pytest.fixture
def settings(models_dir: Path) -> Settings:
    return Settings(models=models_dir, device="cpu", port=0, workers=2, drain_seconds=0)


def orders(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Workers that do this, with `index` for their number."""
    script = f"import json, signal, sys, time; index = json.loads(sys.stdin.readline())['index']\n{script}"
    monkeypatch.setattr(supervisor, "WORKER", (sys.executable, "-c", script))


def test_a_worker_that_dies_again_and_again_is_given_up(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor, "PAUSE", 0.01)
    orders(monkeypatch, "sys.exit(7) if index else time.sleep(60)")
    assert supervisor.run(settings) == 1
    told = [message for message in caplog.messages if message.startswith("Worker 1 ")]
    assert ["It is started again in" in message for message in told] == [True, True, True, True, False]
    assert told[-1].endswith("with exit code 7: it failed 5 times in a row. The service gives up.")


def test_a_worker_that_does_not_end_is_killed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr(supervisor, "GRACE", 0.2)
    deaf = json.dumps(str(tmp_path / "deaf"))
    orders(
        monkeypatch,
        "import pathlib\n"
        "if index:\n"
        f"    while not pathlib.Path({deaf}).exists(): time.sleep(0.01)\n"
        "    sys.exit(2)\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"pathlib.Path({deaf}).touch()\n"
        "time.sleep(60)\n",
    )
    assert supervisor.run(settings) == 2
    assert any(message.endswith("exit code 2: it can't start. The service gives up.") for message in caplog.messages)
    assert any(re.fullmatch(r"Worker 0 .* does not end; it is killed\.", message) for message in caplog.messages)


@pytest.mark.parametrize(
    ("room", "said"),
    [
        ("x" * 80, "Sockets can't be made in TMPDIR, since its path is too long: "),
        (None, "Several workers need a folder for temporary files, where they meet: No usable temporary directory"),
    ],
)
def test_workers_need_a_place_to_meet(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    room: str | None,
    said: str,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", room and str(tmp_path / room))
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "none")])
    assert supervisor.run(settings) == 1
    assert caplog.messages[-1].startswith(said)


@pytest.mark.parametrize(("workers", "each"), [(1, 8), (2, 4), (3, 2), (16, 1)])
def test_a_worker_has_its_share_of_the_cores(monkeypatch: pytest.MonkeyPatch, workers: int, each: int) -> None:
    monkeypatch.setattr(providers, "cores", lambda: 8)
    shared = worker.share(Settings(workers=workers, device="cpu"), 0)
    assert (shared.threads, shared.encode_threads) == (each, each)
    chosen = worker.share(Settings(workers=workers, device="cpu", threads=5), 0)
    assert (chosen.threads, chosen.encode_threads) == (5, each)


def test_each_worker_has_gpus_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "device", lambda choice, cuda: providers.Device("cuda", "a GPU", (0, 2, 3), cuda))
    settings = Settings(workers=2, device="cuda:0,2,3")
    assert [worker.share(settings, index).device for index in range(2)] == ["cuda:0,3", "cuda:2"]


def test_more_workers_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "device", lambda choice, cuda: providers.Device("cuda", "a GPU", (0,), cuda))
    with pytest.raises(providers.DeviceUnavailable) as error:
        worker.share(Settings(workers=2, device="cuda"), 0)
    assert str(error.value) == (
        "--workers 2 is more than the GPUs of --device cuda, 1: a GPU is one queue, and the batches of one process "
        "fill it best"
    )
