"""What SECURITY.md names exists: tests, files and flags."""

import re
from pathlib import Path

from app.settings import Settings

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_every_test_and_file_that_the_threat_model_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+\.py)`", TEXT))
    assert named <= {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    paths = set(re.findall(r"`(tests/[\w/.]+)`", TEXT)) | set(re.findall(r"\]\((?!https)([^)#]+)\)", TEXT))
    assert len(paths) > 8
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def test_every_flag_that_it_names_is_a_setting() -> None:
    flags = set(re.findall(r"`--([a-z][a-z-]+)", TEXT)) - {"strict"}
    assert flags <= {name.replace("_", "-") for name in Settings.model_fields}
