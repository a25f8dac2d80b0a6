"""The command that adds graphs, on a models folder of the test's own."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from app import inventory
from tests.elsewhere.graphs import Sketch


@dataclass(frozen=True)
class Told:
    """What the command said, and its exit code."""

    code: int
    out: str
    error: str


Add = Callable[..., Told]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def add(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Add:
    """Adds a graph as `made.onnx` with these flags, and a licence if `licensed`."""
    monkeypatch.setenv("GANYMEDE_DEVICE", "cpu")

    def add(made: Sketch | bytes, *flags: str, licensed: bool = True, file: str = "made.onnx") -> Told:
        path = tmp_path / file
        path.write_bytes(made if isinstance(made, bytes) else made.save())
        licence = ("--licence", "CC0-1.0") if licensed else ()
        capsys.readouterr()
        code = inventory.run(["add", str(path), "--models", str(models), *licence, *flags], "")
        return Told(code, *capsys.readouterr())

    return add
