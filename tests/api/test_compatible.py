"""The examples of docs/compatible.md run as they stand, on the shipped models."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.process import PATIENCE, Process

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = re.findall(r"```(python|sh)\n(.*?)```", (ROOT / "docs/compatible.md").read_text(encoding="utf-8"), re.DOTALL)
RUN = {"python": [sys.executable, "-c"], "sh": ["sh", "-ec"]}


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """The real server on the models that the examples name."""
    folder = tmp_path_factory.mktemp("shipped")
    (folder / "models").mkdir()
    for name in ("cifar10", "fashion-ae"):
        shutil.copytree(ROOT / "models" / name, folder / "models" / name)
    with Process(folder / "models", folder / "log") as process:
        yield process


def test_each_protocol_has_an_example_for_its_client_and_one_for_curl() -> None:
    assert [language for language, _ in EXAMPLES] == ["python", "sh"] * 2


@pytest.mark.parametrize(("language", "example"), EXAMPLES)
def test_every_example_runs(shipped: Process, tmp_path: Path, language: str, example: str) -> None:
    here = example.replace("localhost:8000", f"127.0.0.1:{shipped.port}")
    assert here != example
    told = subprocess.run(
        [*RUN[language], here], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert told.returncode == 0, told.stderr
    assert '"error"' not in told.stdout
    assert told.stdout
