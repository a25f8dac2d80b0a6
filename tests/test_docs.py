"""What the documents point at is there."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
PLACES = sorted(set(re.findall(r"`([\w/]+\.py):(\w+)`", (ROOT / "docs/lecture.md").read_text(encoding="utf-8"))))


@pytest.mark.parametrize(("file", "symbol"), PLACES, ids=":".join)
def test_every_place_that_the_lecture_names_is_in_the_code(file: str, symbol: str) -> None:
    name = file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    assert importlib.util.find_spec(name) is not None
    assert hasattr(importlib.import_module(name), symbol)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_to_a_file_finds_it(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", document.read_text(encoding="utf-8"))
    missing = [link for link in links if not (document.parent / link).exists()]
    assert not missing
