"""Weights and pictures that are too large for the repository: tests that need them are skipped where they aren't."""

import os
from pathlib import Path

import pytest

BESIDE = Path(__file__).resolve().parents[3] / "shared"


def weights(name: str) -> Path:
    """A file under `$GANYMEDE_SHARED/weights`, or under `../shared/weights` beside the repository."""
    return _there(Path(os.environ.get("GANYMEDE_SHARED", BESIDE)) / "weights" / name, "GANYMEDE_SHARED")


def pictures(name: str) -> Path:
    """An unpacked data set under `$GANYMEDE_DATA`, or under `../shared/data` beside the repository."""
    return _there(Path(os.environ.get("GANYMEDE_DATA", BESIDE / "data")) / name, "GANYMEDE_DATA")


def _there(path: Path, variable: str) -> Path:
    if not path.exists():
        pytest.skip(f"needs {path.name}: set {variable} to the folder that holds it")
    return path
