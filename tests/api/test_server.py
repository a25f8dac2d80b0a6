"""The real process: it starts, it stops, and in between it loses nothing."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

PATIENCE = 30
SAMPLES = 3000
"""Enough pictures to keep one encoder busy for about a second, so that a shutdown finds work in progress."""


class Process:
    """`ganymede serve` on a free port."""

    def __init__(self, models: Path, log: Path) -> None:
        flags = ["--port", "0", "--threads", "1", "--encode-threads", "1", "--max-samples", str(SAMPLES)]
        command = [sys.executable, "-c", "import sys; from app.cli import main; sys.exit(main())", "serve"]
        environment = {**os.environ, "GANYMEDE_MODELS": str(models), "GANYMEDE_DEVICE": "cpu"}
        with log.open("wb") as out:
            self.process = subprocess.Popen([*command, *flags], env=environment, stderr=out)
        self.log = log
        self.port = int(self.line(r"running on http://127\.0\.0\.1:(\d+)"))

    def line(self, pattern: str) -> str:
        """What the pattern's group matches in the log, once it does."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            if match := re.search(pattern, self.log.read_text()):
                return match[1]
            time.sleep(0.02)
        raise AssertionError(f"{pattern} never came; the log says:\n{self.log.read_text()}")

    def ask(self, path: str, method: str = "GET") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def drew(self, samples: int) -> None:
        """Waits until the device is done with that many samples, whose encoding has only begun then."""
        end = time.monotonic() + PATIENCE
        while f'ganymede_batch_size_sum{{model="toy@1"}} {samples:.1f}' not in self.ask("/metrics")[1].decode():
            assert time.monotonic() < end, "the device never got that far"
            time.sleep(0.01)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@pytest.fixture
def server(models_dir: Path, tmp_path: Path) -> Iterator[Process]:
    process = Process(models_dir, tmp_path / "log")
    try:
        end = time.monotonic() + PATIENCE
        while process.ask("/readyz")[0] != 200:
            assert time.monotonic() < end, process.log.read_text()
            time.sleep(0.02)
        yield process
    finally:
        process.process.kill()
        process.process.wait()


def test_sigterm_refuses_new_work_and_finishes_what_was_accepted(server: Process) -> None:
    with ThreadPoolExecutor(3) as clients:
        path = f"/generate?model=toy@1&seed=1&n={SAMPLES}&format=zip"
        accepted = [clients.submit(server.ask, path) for _ in range(3)]
        server.drew(3 * SAMPLES)
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


def test_a_port_that_is_taken_is_an_error(server: Process, models_dir: Path) -> None:
    command = [sys.executable, "-c", "import sys; from app.cli import main; sys.exit(main())", "serve"]
    flags = ["--port", str(server.port), "--models", str(models_dir), "--device", "cpu"]
    second = subprocess.run([*command, *flags], capture_output=True, timeout=PATIENCE, check=False)
    assert second.returncode != 0
    assert b"address already in use" in second.stderr
