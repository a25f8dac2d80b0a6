"""The real process: it starts, it stops, and in between it loses nothing."""

import http.client
import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.api.process import COMMAND, PATIENCE, Process

SAMPLES = 3000
"""Enough pictures to keep one encoder busy for about a second, so that a shutdown finds work in progress."""


def drew(server: Process, samples: int) -> None:
    """Waits until the device is done with that many samples, whose encoding has only begun then."""
    line = f'ganymede_batch_size_sum{{model="toy@1"}} {samples:.1f}'
    server.until(lambda: line in server.ask("/metrics")[1].decode(), "the device never got that far")


@pytest.fixture
def server(models_dir: Path, tmp_path: Path) -> Iterator[Process]:
    flags = ["--threads", "1", "--encode-threads", "1", "--max-samples", str(SAMPLES)]
    with Process(models_dir, tmp_path / "log", *flags) as process:
        yield process


def test_sigterm_refuses_new_work_and_finishes_what_was_accepted(server: Process) -> None:
    with ThreadPoolExecutor(3) as clients:
        path = f"/generate?model=toy@1&seed=1&n={SAMPLES}&format=zip"
        accepted = [clients.submit(server.ask, path) for _ in range(3)]
        drew(server, 3 * SAMPLES)
        assert not all(answer.done() for answer in accepted)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        status, said = server.ask("/readyz")
        assert (status, json.loads(said)["detail"]) == (503, "the service is shutting down")
        status, said = server.ask("/generate", "POST")
        assert (status, json.loads(said)["detail"]) == (503, "This replica is shutting down; ask another one.")
        assert not all(answer.done() for answer in accepted)
        answers = [answer.result(PATIENCE) for answer in accepted]
    assert [status for status, _ in answers] == [200, 200, 200]
    assert len({body for _, body in answers}) == 1
    assert server.process.wait(PATIENCE) == 0
    assert "Traceback" not in server.log.read_text()


def test_an_idle_server_stops_at_once_and_cleanly(server: Process) -> None:
    idle = http.client.HTTPConnection("127.0.0.1", server.port)
    idle.request("GET", "/healthz")
    assert idle.getresponse().read() == b'{"status":"alive"}'
    # The client has its answer a moment before the server knows that it is done; then the connection is idle.
    time.sleep(0.2)
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 5
    idle.close()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_that_is_taken_is_an_error(server: Process, models_dir: Path, workers: str) -> None:
    flags = ["--port", str(server.port), "--models", str(models_dir), "--device", "cpu", "--workers", workers]
    second = subprocess.run([*COMMAND, *flags], capture_output=True, timeout=PATIENCE, check=False)
    assert second.returncode != 0
    assert b"address already in use" in second.stderr


def test_a_device_that_is_not_there_ends_workers_and_supervisor(models_dir: Path) -> None:
    flags = ["--port", "0", "--models", str(models_dir), "--device", "cuda", "--workers", "2"]
    ended = subprocess.run([*COMMAND, *flags], capture_output=True, timeout=PATIENCE, check=False)
    assert ended.returncode == 2
    assert b"device 'cuda' can't be used: " in ended.stderr
    assert b"it can't start. The service gives up." in ended.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("delay", [0, 0.3, 0.8])
def test_sigterm_is_heard_at_any_moment_of_the_start(models_dir: Path, delay: float, workers: str) -> None:
    """From the first handler on, which it sets before its imports: as process 1 it has no other."""
    flags = ["--port", "0", "--models", str(models_dir), "--device", "cpu", "--workers", workers]
    process = subprocess.Popen([*COMMAND, *flags], stderr=subprocess.PIPE)
    try:
        end = time.monotonic() + PATIENCE
        while not hears_sigterm(process.pid):
            assert time.monotonic() < end, "it never set a handler"
            time.sleep(0.005)
        time.sleep(delay)
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, "Traceback" in log.decode()) == (0, False), log.decode()


def hears_sigterm(pid: int) -> bool:
    [caught] = re.findall(r"SigCgt:\s*([0-9a-f]+)", Path(f"/proc/{pid}/status").read_text())
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)
