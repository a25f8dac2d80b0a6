"""What the benchmark serves, starts, watches and ends."""

import time
from pathlib import Path

import numpy as np
import pytest

from app import contract
from bench import copies, dcgan, mixed, processes, servers, soak
from tests.conftest import serving
from tests.fuzz import models


def test_the_standard_graph_is_a_model_that_the_service_accepts(tmp_path: Path) -> None:
    folder = dcgan.build(tmp_path)
    weights = [np.prod(tensor.dims) for tensor in dcgan.graph().graph.initializer if tensor.name[0] in "wb"]
    assert 3.75e6 < sum(weights) < 3.85e6
    with serving(tmp_path) as catalog:
        assert [(entry.state, entry.reason) for entry in catalog.entries()] == [("ready", None)]
    golden = contract.check(folder).golden[0].array()
    assert golden.shape == (64, 64, 3)
    assert np.std(golden) > 30


def test_a_copy_is_the_same_model_under_another_name(models_dir: Path, tmp_path: Path) -> None:
    one, two = copies.lay_out(models_dir / "toy" / "2", tmp_path, ["one", "two"])
    assert [contract.check(folder).reference for folder in (one, two)] == ["one@2", "two@2"]
    assert contract.read(one).files == contract.read(models_dir / "toy" / "2").files


def test_a_server_that_does_not_start_is_told_with_what_it_wrote(tmp_path: Path) -> None:
    said = r"(?s)plain FastAPI did not start.*model\.json can't be read"
    with pytest.raises(servers.ServerError, match=said), servers.running(servers.plain(tmp_path)):
        pass


def test_a_server_ends_with_every_process_that_it_started() -> None:
    forks = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    lingers = f"{forks}; import time; time.sleep(60)"
    with servers._process(servers.Command("forking", ("-c", lingers))) as (server, _, _):
        end = time.monotonic() + 10
        while len(processes.of_session(server.pid)) < 2:
            assert time.monotonic() < end, "it started no other"
            time.sleep(0.01)
    end = time.monotonic() + 5
    while processes.of_session(server.pid):
        assert time.monotonic() < end, "it left a process behind"
        time.sleep(0.01)


def test_a_process_is_measured_from_outside() -> None:
    counts = "x = bytearray(20_000_000)\nwhile True: pass"
    with servers._process(servers.Command("counting", ("-c", counts))) as (server, _, _):
        assert processes.of_session(server.pid) == [server.pid]
        end = time.monotonic() + 10
        while processes.resident(server.pid) < 20:
            assert time.monotonic() < end, "its memory is not seen"
            time.sleep(0.01)
        assert 0.01 < processes.busy(server.pid, 0.2) < 1.5
        assert processes.spent(server.pid) > 0


def test_a_soak_compares_its_last_minute_with_its_first(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["soak", "--minutes", "0.02", "--models", str(models_dir)])
    monkeypatch.setattr(soak, "SETTLING", 1)
    monkeypatch.setattr(soak, "TURNS", 2)
    assert soak.main() in (0, 1)
    settling, capacity, asked, first, last, *rest = capsys.readouterr().out.splitlines()
    assert "0.00 min" in settling
    assert capacity.startswith("capacity: ")
    assert asked.startswith("asked for from now on: ")
    assert "p99" in first
    assert "0.02 min" in last
    _, _, *turns = rest[:6]
    assert [turn.split(":")[0].strip() for turn in turns] == ["old", "fresh", "fresh", "old"]
    verdicts = [verdict.split()[:2] for verdict in rest[6:]]
    assert [first for first, _ in verdicts] == ["p99", "p99", "memory", "open", "threads", "0"]
    assert verdicts[1] == ["p99", "over"]


def test_a_soak_asks_for_all_that_the_models_can(tmp_path: Path) -> None:
    targets = {ask.target.partition("?")[0] for ask in mixed.asks(models.build(tmp_path))}
    assert targets == {"/generate", "/interpolate", "/reconstruct", "/translate", "/style", "/enhance", "/predict"}


def test_a_soak_without_a_model_that_generates_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["soak", "--models", str(tmp_path)])
    assert soak.main() == 2
    assert "has no model that generates" in capsys.readouterr().err
