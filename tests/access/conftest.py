"""Keys files for tests, and the command that makes them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from app import cli


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def token(self) -> str:
        return self.out.strip()


Keys = Callable[..., Said]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture
def keys(file: Path, capsys: pytest.CaptureFixture[str]) -> Keys:
    """Runs `ganymede keys` on `file`."""

    def run(*arguments: str) -> Said:
        try:
            code = cli.keys([arguments[0], "--keys-file", str(file), *arguments[1:]])
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        return Said(code, *capsys.readouterr())

    return run
