"""The real service with keys: whom it lets in, over which port, and that a limit is one over all workers."""

import json
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.processes import listening
from app.settings import Settings, explain
from tests.api.process import COMMAND, PATIENCE, Process
from tests.api.test_workers import Service
from tests.keyring import key, written


def made(file: Path, *scopes: str, **quota: float) -> str:
    """A token of the only key in a file."""
    token, only = key("studio", *scopes, **quota)
    written(file, only)
    return token


EVERYWHERE = "0.0.0.0"  # noqa: S104 (it is what is refused here)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("settings", "let"),
    [
        ({}, True),
        ({"host": "127.0.0.2"}, True),
        ({"host": "::1"}, True),
        ({"host": "localhost"}, True),
        ({"host": EVERYWHERE}, False),
        ({"host": "::"}, False),
        ({"host": "10.0.0.7"}, False),
        ({"host": "pictures.example"}, False),
        ({"host": EVERYWHERE, "allow_anonymous": True}, True),
        ({"host": EVERYWHERE, "keys_file": "keys.json"}, True),
        ({"management_port": 9001}, True),
        ({"management_port": 9001, "management_host": EVERYWHERE}, False),
        ({"management_host": EVERYWHERE}, True),
    ],
)
def test_without_keys_only_this_machine_is_served_unless_one_says_so(settings: dict[str, object], let: bool) -> None:
    assert (listening.flaw(Settings.model_validate(settings)) is None) == let


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_open_service_without_keys_does_not_start(models_dir: Path, workers: str) -> None:
    flags = ["--host", EVERYWHERE, "--port", "0", "--models", str(models_dir), "--device", "cpu", "--workers", workers]
    refused = subprocess.run([*COMMAND, *flags], capture_output=True, timeout=PATIENCE, check=False, text=True)
    assert (refused.returncode, refused.stderr) == (
        2,
        "--host 0.0.0.0 lets other machines in, and there are no keys: whoever reaches the port could do everything. "
        "Make a key with ganymede keys add NAME --scope generate and serve with --keys-file keys.json; or listen on "
        "127.0.0.1; or, where something in front of the service decides who comes in, say --allow-anonymous.\n",
    )


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_service_whose_keys_can_t_be_read_does_not_start(models_dir: Path, tmp_path: Path, workers: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text("{")
    flags = ["--keys-file", str(file), "--port", "0", "--models", str(models_dir), "--workers", workers]
    refused = subprocess.run([*COMMAND, *flags], capture_output=True, timeout=PATIENCE, check=False, text=True)
    assert refused.returncode == 2
    assert f"The keys file {file} can't be used: file: Invalid JSON" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_two_ports_must_differ() -> None:
    with pytest.raises(ValidationError) as error:
        Settings(port=9000, management_port=9000)
    assert explain(error.value) == (
        "--management-port (GANYMEDE_MANAGEMENT_PORT): must be another port than --port, not 9000"
    )


@pytest.fixture
def alone(models_dir: Path, tmp_path: Path) -> Iterator[tuple[Process, str, int]]:
    """A service of one process with a key for all, and a port for management."""
    token, port = made(tmp_path / "keys.json", "generate", "admin", "metrics"), free_port()
    flags = ["--keys-file", str(tmp_path / "keys.json"), "--management-port", str(port), "--threads", "1"]
    with Process(models_dir, tmp_path / "log", *flags) as process:
        yield process, token, port


def test_one_process_serves_two_ports_and_sees_a_rotation(alone: tuple[Process, str, int], tmp_path: Path) -> None:
    process, token, port = alone
    assert f"management on http://127.0.0.1:{port}" in process.log.read_text()
    asked = {
        path: [process.ask(path, key=token, port=at)[0] for at in (process.port, port)]
        for path in ("/models", "/metrics", "/healthz", "/readyz", "/docs")
    }
    assert asked == {
        "/models": [200, 404],
        "/metrics": [404, 200],
        "/healthz": [200, 200],
        "/readyz": [200, 200],
        "/docs": [200, 404],
    }
    fresh = made(tmp_path / "keys.json", "generate")
    process.until(lambda: process.ask("/models", key=fresh)[0] == 200, "it never read the file again")
    assert process.ask("/models", key=token)[0] == 401
    assert process.stop() == 0
    log = process.log.read_text()
    assert "The keys file was read again: 1 keys." in log
    assert "gny_" not in log


def test_a_management_port_that_is_taken_is_an_error(models_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        flags = ["--port", "0", "--management-port", str(port), "--models", str(models_dir), "--device", "cpu"]
        refused = subprocess.run([*COMMAND, *flags], capture_output=True, timeout=PATIENCE, check=False, text=True)
    assert refused.returncode == 1
    assert f"Can't listen on 127.0.0.1, port {port}: address already in use" in refused.stderr


def test_a_limit_is_one_over_all_workers_and_outlives_one(
    models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, port = made(tmp_path / "keys.json", "generate", "metrics", pictures_per_day=6), free_port()
    monkeypatch.setenv("GANYMEDE_KEYS_FILE", str(tmp_path / "keys.json"))
    monkeypatch.setenv("GANYMEDE_MANAGEMENT_PORT", str(port))
    with tempfile.TemporaryDirectory() as folder:
        service = Service(models_dir, tmp_path / "log", Path(folder))

        def draw() -> tuple[int, bytes]:
            return service.ask("/generate?model=toy@1&seed=5", key=token)

        try:
            for index in range(2):
                with service.paused(index):
                    assert [draw()[0] for _ in range(3)] == [200] * 3
            for index in range(2):
                with service.paused(index):
                    status, said = draw()
                    assert (status, json.loads(said)["violated-policies"]) == (429, ["pictures"])
                    # Whichever worker takes it, the management port is there.
                    assert service.ask("/metrics", key=token, port=port)[0] == 200
                    assert service.ask("/metrics", key=token)[0] == 404
            killed = service.pid(0)
            os.kill(killed, signal.SIGKILL)
            service.until(lambda: service.pid(0) != killed, "it never came back")
            service.settled()
            with service.paused(1):
                assert draw()[0] == 429
            told = service.ask("/metrics", key=token, port=port)[1].decode()
            assert 'ganymede_key_images_total{key="studio"} 6.0' in told
            assert service.stop() == 0
        finally:
            service.end()
