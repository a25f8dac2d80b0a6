"""A short run of what `python -m tests.fuzz.uploads` does for long."""

from tests.fuzz import uploads

COUNT = 600


def test_no_upload_that_is_almost_right_crashes_hangs_or_fails_whoever_reads_it() -> None:
    found = uploads.run(COUNT, seed=2)
    assert found.counts.total() == COUNT
    assert [outcome for outcome in found.counts if uploads.is_bad(outcome)] == []
    for kind in ("picture", "clip", "sound", "codes", "recipe"):
        assert found.counts[f"{kind}: read"], f"no {kind} got as far as its decoder"


def test_what_must_not_be_is_told_from_what_may() -> None:
    may = ["picture: 422 Unreadable picture", "clip: read", "sound: answered 415"]
    must_not = [
        "codes: answered 503",
        "any: hung for 20 s",
        "clip: failed, TypeError in gif.py:7: no",
        "any: crashed with -11",
    ]
    assert [outcome for outcome in (*may, *must_not) if uploads.is_bad(outcome)] == must_not
    assert uploads.growth([90, 80, 100, 100, 104, 104, 110, 110]) == 110 / 100 - 1
