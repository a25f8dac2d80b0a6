"""A short run of what `python -m tests.fuzz.folders` does for long."""

from pathlib import Path

from app.engine import providers
from tests.fuzz import folders

COUNT = 250


def test_no_folder_that_is_almost_right_crashes_or_hangs_whoever_loads_it() -> None:
    counts, held = folders.run(COUNT, seed=7)
    assert sum(counts.values()) == COUNT
    assert [outcome for outcome in counts if outcome.startswith("crashed")] == []
    assert counts["refused by the graph's bytes"] > COUNT / 4
    assert counts["refused by the manifest"] > COUNT / 20
    assert held < 500_000_000


def test_a_folder_that_was_not_changed_is_served(tmp_path: Path) -> None:
    folder = folders.toy.build(tmp_path, classes=())
    assert folders.outcome_of(folder, providers.device("cpu")).startswith("served")
