"""The benchmark measures what it says: one command, and verdicts that can be missed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from app import contract
from bench import __main__ as command
from bench import report, swaps
from bench.conditions import Conditions
from bench.limit import Limit
from bench.load import Round
from bench.overload import Overload
from bench.peers import roster
from bench.protocol import OURS, PLAIN, Measured, Plan
from bench.vanish import Vanished
from bench.verdicts import verdicts

ROUND = Round(images_per_second=100, p50=2, p99=3, errors={}, busy=0.1)
LIMIT = Limit(draw=1e9, infer=200, pillow=100, encode=200, chain=1.0)
OVERLOAD = Overload(
    images_per_second=95, p50=400, p99=499, late=0, refused=2, untold=0, came_back=2, welcome=1,
    told=[0.5, 0.5], true=[0.4, 0.5], errors={},
)  # fmt: skip


def test_one_command_measures_everything_the_service_is_held_to(
    models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "figures.json"
    flags = ["--quick", "--seconds", "0.3", "--warmup", "0.1", "--json", str(file)]
    monkeypatch.setattr("sys.argv", ["bench", "--model", str(models_dir / "toy" / "1"), *flags])
    assert command.main() in (0, 1)
    said = capsys.readouterr().out
    assert "Model: toy@1, 16×16, 3 channels" in said
    for row in ("| 1 | ganymede |", "| 1 | plain FastAPI |", "| 32 | ganymede |", "| 32 | plain FastAPI |"):
        assert row in said
    assert "Answers that were no picture: 0; 0 are required: **reached**." in said
    for part in ("perfectly overlapped **", "The raw chain", "Overload, 400 clients", "After 300 clients hung up"):
        assert part in said
    for part in ("Beside a request of 256", "Beside a model that 32 clients want", "with 12, ", "`/healthz`"):
        assert part in said
    measured = json.loads(file.read_text(encoding="utf-8"))["measured"]
    assert [len(measured[part]) for part in ("limits", "overloads", "fairness", "mixed")] == [1, 1, 1, 1]
    assert measured["fairness"][0]["many"]["errors"] == measured["mixed"][0]["hot"]["errors"] == {}
    assert measured["footprint"]["many"] > measured["footprint"]["one"] > 10


def test_only_the_chosen_parts_are_measured(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--quick", "--seconds", "0.2", "--warmup", "0.1", "--parts", "vanish"]
    monkeypatch.setattr("sys.argv", ["bench", "--model", str(models_dir / "toy" / "1"), *flags])
    assert command.main() in (0, 1)
    said = capsys.readouterr().out
    assert "After 300 clients hung up" in said
    assert "Overload" not in said
    assert "| concurrency |" not in said


def test_a_peer_without_an_environment_is_said(
    models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(roster, "ENVIRONMENTS", tmp_path)
    monkeypatch.setattr(
        "sys.argv", ["bench", "--model", str(models_dir / "toy" / "1"), "--peers", "litserve", "triton"]
    )
    assert command.main() == 2
    said = capsys.readouterr().err
    assert (
        "no environment for litserve, triton; bench/peers/install.sh makes those of litserve, bentoml, mlserver" in said
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--parts", "load,speed"], "there is no part 'speed'; known: load, overload, vanish, fairness, mixed, memory"),
        (["--rounds", "many"], "invalid int value: 'many'"),
    ],
)
def test_flags_that_can_not_be_used_are_said(
    flags: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["bench", *flags])
    with pytest.raises(SystemExit, match="2"):
        command.main()
    assert message in capsys.readouterr().err


def test_a_model_that_is_not_there_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["bench", "--model", str(tmp_path / "toy" / "1")])
    assert command.main() == 2
    assert "model.json can't be read" in capsys.readouterr().err


def test_the_verdict_compares_round_by_round() -> None:
    plain = [replace(ROUND, images_per_second=speed, p50=100 / speed) for speed in (50, 100, 200)]
    ours = [replace(ROUND, images_per_second=speed, p50=100 / speed) for speed in (85, 161, 310)]
    limits = [replace(LIMIT, chain=100 / speed) for speed in (85, 100, 310)]
    said = _said(Measured(limits=limits, rounds={(32, OURS): ours, (32, PLAIN): plain}))
    assert said[0] == (
        "Concurrency 32, share of the limit: 1.61 (0.85 to 3.10); at least 0.85 is required: **reached**."
    )
    assert said[1] == (
        "Concurrency 32, times plain FastAPI's rate: 1.61 (1.55 to 1.70); at least 1.6 is required: **reached**."
    )
    said = _said(Measured(limits=limits, rounds={(1, OURS): plain, (1, PLAIN): ours}))
    assert said[0].startswith("Concurrency 1, median over the raw chain's: 1.55 (1.00 to 1.70)")
    assert said[0].endswith("at most 1.3 is required: **missed**.")
    assert (
        said[1] == "Concurrency 1, median over plain FastAPI's: 1.61 (1.55 to 1.70); at most 1 is required: **missed**."
    )
    failing = Measured(rounds={(4, OURS): [replace(ROUND, errors={"status 500": 2})], (4, PLAIN): [ROUND]})
    assert _said(failing) == ["Answers that were no picture: 2; 0 are required: **missed**."]


def test_an_overload_is_judged_by_rate_delay_and_retry_after() -> None:
    assert [verdict.reached for verdict in verdicts(Measured(overloads=[OVERLOAD], peaks=[100]))] == [True] * 4
    slow = replace(OVERLOAD, images_per_second=94, p99=501, untold=1, told=[2.0, 2.0])
    assert [verdict.reached for verdict in verdicts(Measured(overloads=[slow], peaks=[100]))] == [False] * 4
    assert replace(OVERLOAD, told=[1.0], true=[0.0]).typical_inaccuracy == float("inf")


def test_every_client_that_vanished_must_be_counted() -> None:
    left = Vanished(wait=20, vanished=300, dropped=300)
    assert [verdict.reached for verdict in verdicts(Measured(vanished={OURS: [left]}))] == [True, True]
    lost = replace(left, wait=51, dropped=299)
    assert [verdict.reached for verdict in verdicts(Measured(vanished={OURS: [lost]}))] == [False, False]
    assert not verdicts(Measured(vanished={PLAIN: [lost]}))


def test_at_the_limit_a_picture_costs_the_sum_of_all_steps() -> None:
    limit = Limit(draw=4000, infer=1000, pillow=2000, encode=4000, chain=1)
    assert limit.in_use == pytest.approx(1000 / 1.5)
    assert limit.with_pillow == pytest.approx(1000 / 1.75)


def test_figures_that_nothing_was_answered_for_are_null_in_json(models_dir: Path) -> None:
    none = replace(ROUND, p50=float("inf"), p99=float("inf"))
    here = Conditions(2, "", 0.0, "", "", {}, "")
    manifest = contract.read(models_dir / "toy" / "1")
    figures = report.data(manifest, here, Plan(), Measured(rounds={(1, OURS): [none]}), [])
    assert figures["measured"]["rounds"][0]["rounds"][0]["p99"] is None


def _said(measured: Measured) -> list[str]:
    return [str(verdict) for verdict in verdicts(measured)]


def test_nobody_notices_that_a_model_is_changed(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["swaps", "--models", str(models_dir), "--swaps", "4"])
    assert swaps.main() in (0, 1)  # what a minute's memory is, no short test can say
    said = capsys.readouterr().out
    assert " 4 swaps, each in " in f" {said.splitlines()[-1]}"
    assert "errors: none" in said
    assert " of toy@1, " in said
