"""What goes wrong around the service: a full disk, a folder that is gone, a clock that jumps. It goes on, and tells."""

import http.client
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from tests import toy
from tests.api.conftest import Serve, count
from tests.api.process import COMMAND, PATIENCE
from tests.api.test_workers import Service
from tests.keyring import key, written

APP = Path(__file__).parents[2] / "app"
FULL = 20_000
"""Bytes that a file may have on the disk that is full: more than the log has, less than the metrics."""


def test_a_service_whose_disk_is_full_and_whose_models_folder_is_gone_goes_on(models_dir: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    shutil.copytree(models_dir, models)
    toy.present(models / "toy" / "1")
    # The paths of Unix sockets are short.
    with tempfile.TemporaryDirectory() as folder:
        service = Service(models, tmp_path / "log", Path(folder))
        try:
            drawn = service.ask("/generate?model=toy@1&seed=5")
            for pid in (service.pid(0), service.pid(1)):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (FULL, FULL))
            shutil.rmtree(models)
            assert service.ask("/generate?model=toy@1&seed=5") == drawn
            assert service.ask("/readyz")[0] == 200
            assert service.metric('ganymede_images_total{model="toy@1"}') == 2
            service.line(
                r"WARNING worker \d app\.processes\.siblings: (The metrics can't be kept for after a crash: .*)"
            )
            assert picture_in_a_form(service.port, 2_000_000) == 409
            status, said = service.ask("/models/toy@1/samples.png")
            assert (status, b"samples.png of toy@1 can't be sent: " in said) == (503, True)
            assert service.stop() == 0
            assert "Traceback" not in service.log.read_text()
        finally:
            service.end()


def picture_in_a_form(port: int, size: int) -> int:
    """The status that so many bytes get which are no picture, in a form, which the framework would put on the disk."""
    head = b'--x\r\nContent-Disposition: form-data; name="image"; filename="x"\r\n\r\n'
    body = head + b"\x89PNG\r\n\x1a\n" + bytes(size) + b"\r\n--x--\r\n"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("POST", "/reproduce", body, {"Content-Type": "multipart/form-data; boundary=x"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def test_a_service_whose_log_can_not_be_written_goes_on(models_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    flags = ["--models", str(models_dir), "--device", "cpu", "--port", str(port), "--log-level", "debug"]
    with Path("/dev/full").open("wb") as full:
        process = subprocess.Popen([*COMMAND, *flags], stderr=full)
    try:
        end = time.monotonic() + PATIENCE
        while drawn(port) != 200:
            assert time.monotonic() < end, "it does not serve"
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        # Python's own code for streams that could not be flushed at the end.
        assert process.wait(PATIENCE) in (0, 120)
    finally:
        process.kill()
        process.wait()


def drawn(port: int) -> int:
    """The status of a picture; 0 where nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("POST", "/generate?model=toy")
        return connection.getresponse().status
    except ConnectionError:
        return 0
    finally:
        connection.close()


def test_only_what_is_about_dates_asks_the_clock_that_people_set() -> None:
    asks = re.compile(r"\btime\.(time|time_ns|gmtime|localtime)\(|\bdatetime\.(now|utcnow|today)\(")
    files = {str(path.relative_to(APP)) for path in APP.rglob("*.py") if asks.search(path.read_text(encoding="utf-8"))}
    assert files == {
        "access/keys.py",  # when a key ends
        "access/quotas.py",  # which day it is
        "api/faces/openai.py",  # when an answer was made
        "api/spans.py",  # when a span began, after which it counts by the other clock
        "elsewhere/folder.py",  # when a model was added
        "engine/incoming.py",  # how old a folder is that was left half written
        "processes/logs.py",  # when a line was written
    }


@pytest.mark.parametrize("jump", [-86_400 * 365, 86_400])
def test_a_clock_that_jumps_changes_no_deadline_no_quota_and_no_figure(
    jump: float, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, one = key("studio", "generate", "metrics", requests_per_minute=2)
    client = serve(keys_file=written(tmp_path / "keys.json", one))
    client.headers["Authorization"] = f"Bearer {token}"
    now = time.time
    minute = int(time.monotonic() // 60)
    assert client.get("/generate?model=toy@1&seed=1&timeout=5").status_code == 200
    monkeypatch.setattr(time, "time", lambda: now() + jump)
    answer = client.get("/generate?model=toy@1&seed=2&timeout=5")
    assert answer.status_code == 200
    took = [float(value) for value in re.findall(r"dur=([\d.e+-]+)", answer.headers["Server-Timing"])]
    assert all(0 <= milliseconds < 5000 for milliseconds in took)
    third = client.get("/generate?model=toy@1&seed=3")
    assert third.status_code == 429 or int(time.monotonic() // 60) > minute
    assert 0 < count(client, "ganymede_phase_seconds_sum", model="toy@1", phase="infer") < 5
