"""The training curve as it is read from a run's log; `test_export.py` has a run's own in the manifest."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app import contract
from training import journal


def write(folder: Path, *records: dict[str, Any], rest: str = "") -> Path:
    """A run's folder with these lines in its log."""
    lines = [json.dumps({"rate": 0, "time": 1.5, **record}) + "\n" for record in records]
    (folder / "log.jsonl").write_text("".join(lines) + rest, encoding="utf-8")
    return folder


def points(folder: Path) -> list[tuple[int, float]]:
    curve = journal.curve(folder)
    assert curve is not None
    return list(curve.points)


def test_only_lines_of_the_measure_are_points(tmp_path: Path) -> None:
    status = {"images": 150, "rate": 80.0, "loss": 1.0}
    folder = write(tmp_path, {"images": 100, "fid": 9}, status, {"images": 200, "fid": 7.123456}, rest='{"images": 3')
    assert points(folder) == [(100, 9.0), (200, 7.1235)]


def test_what_a_resumed_run_did_again_counts(tmp_path: Path) -> None:
    folder = write(
        tmp_path, *({"images": images, "fid": fid} for images, fid in [(100, 9), (200, 8), (300, 7), (200, 6)])
    )
    assert points(folder) == [(100, 9.0), (200, 6.0)]


def test_a_long_run_keeps_a_hundred_points_with_its_ends(tmp_path: Path) -> None:
    folder = write(tmp_path, *({"images": 10 + at, "fid": at} for at in range(1234)))
    kept = points(folder)
    assert len(kept) == 100
    assert (kept[0], kept[-1]) == ((10, 0.0), (1243, 1233.0))


def test_values_that_are_no_numbers_are_no_points(tmp_path: Path) -> None:
    folder = write(tmp_path, {"images": 1, "fid": 2}, {"images": 2, "fid": float("nan")}, {"images": 3, "fid": 1})
    assert points(folder) == [(1, 2.0), (3, 1.0)]


def test_one_point_or_no_log_is_no_curve(tmp_path: Path) -> None:
    assert journal.curve(tmp_path) is None
    assert journal.curve(write(tmp_path, {"images": 100, "fid": 9})) is None


@pytest.mark.parametrize(
    ("flawed", "said"),
    [
        ([(2, 1.0), (1, 2.0)], "a curve's pictures grow from point to point"),
        ([(1, 1.0)], "at least 2"),
        ([(at, 1.0) for at in range(101)], "at most 100"),
        ([(1, float("inf")), (2, 1.0)], "finite number"),
    ],
)
def test_a_manifest_with_a_flawed_curve_is_refused(flawed: list[tuple[int, float]], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        contract.Curve(measure="fid", points=tuple(flawed))
