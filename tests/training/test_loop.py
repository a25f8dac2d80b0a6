"""The loop's promises: exact resumption, budgets, saving when stopped, several processes that train one model."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training import runs
from training import average, checkpoint, journal, loop
from training.checkpoint import BEST, LAST, CheckpointError
from training.config import ConfigError
from training.data import DataError
from training.features import FeaturesError
from training.run import Run, autocast

STATES = ("networks", "averages", "optimisers", "progress")


def weights(folder: Path, name: str = LAST) -> dict[str, Any]:
    saved = vars(checkpoint.load(folder / name))
    return {key: saved[key] for key in STATES}


def assert_same(a: Any, b: Any, where: str = "") -> None:
    """Equal bit for bit, whatever is nested in whatever."""
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            if key not in ("seconds",):
                assert_same(a[key], b[key], f"{where}/{key}")
    elif isinstance(a, list | tuple):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}/{i}")
    else:
        assert a == b, where


class Interrupted(Exception):  # noqa: N818
    """Stands for whatever ends a run."""


@pytest.mark.parametrize("recipe", ["gan", "cgan"])
def test_a_run_stopped_and_resumed_equals_the_unbroken_one_bit_for_bit(
    recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    often = {"status_every": 100, "sheet_every": 200, "augment": 0.5, "r1": 0.1, "lazy": 3, "mirror": True}
    unbroken = runs.train(recipe, tmp_path / "unbroken", **often)
    step = loop.Run.step
    steps = 0

    def stopping(run: loop.Run) -> Any:
        nonlocal steps
        steps += 1
        if steps == 8:
            signal.raise_signal(signal.SIGTERM)
        return step(run)

    monkeypatch.setattr(loop.Run, "step", stopping)
    broken = runs.train(recipe, tmp_path / "broken", **often)
    assert checkpoint.load(broken / LAST).progress["images"] == 8 * 32
    runs.train(recipe, tmp_path / "broken", **often, resume=True)
    assert_same(weights(unbroken), weights(broken))
    assert_same(weights(unbroken, BEST), weights(broken, BEST))


def test_resuming_with_other_settings_is_refused_with_a_list_of_what_differs(tmp_path: Path) -> None:
    folder = runs.train("cgan", tmp_path / "run")
    with pytest.raises(CheckpointError) as refusal:
        runs.train("cgan", folder, rate=1e-3, width=16, resume=True)
    assert "rate: 0.0002 before, 0.001 now" in str(refusal.value)
    assert "width: 8 before, 16 now" in str(refusal.value)
    assert "images" not in str(refusal.value)


def test_a_run_from_before_a_setting_was_there_goes_on_at_its_default(tmp_path: Path) -> None:
    run = runs.run("stackgan", tmp_path)
    saved = run.checkpoint()
    older = replace(saved, settings={name: value for name, value in saved.settings.items() if name != "first"})
    run.restore(older)
    with pytest.raises(CheckpointError, match=r"started otherwise: first: 0\.0 before, 0\.5 now"):
        runs.run("stackgan", tmp_path, first=0.5).restore(older)


def test_what_a_run_is_measured_by_is_read_before_the_first_step(tmp_path: Path) -> None:
    for recipe in ("gan", "pix2pix", "cyclegan"):
        with pytest.raises(FeaturesError, match=r"none\.pth"):
            runs.train(recipe, tmp_path / recipe, judge=tmp_path / "none.pth")


def test_a_file_in_the_place_of_the_runs_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(ConfigError, match=r"--out .*run can't be made: File exists"):
        runs.train("gan", tmp_path / "run")


def test_resuming_with_another_number_of_processes_is_refused(tmp_path: Path) -> None:
    one, values = runs.run("gan", tmp_path), runs.values("gan", tmp_path)
    two = Run(values, rank=0, world=2)
    with pytest.raises(CheckpointError, match="started otherwise: processes: 1 before, 2 now"):
        two.restore(one.checkpoint())
    two.restore(two.checkpoint())
    two.restore(replace(one.checkpoint(), world=None))


def test_what_does_not_change_the_weights_may_change_on_resumption(tmp_path: Path) -> None:
    folder = runs.train("gan", tmp_path / "run")
    runs.train("gan", folder, resume=True, status_every=50)


def test_a_second_run_does_not_overwrite_the_first(tmp_path: Path) -> None:
    folder = runs.train("gan", tmp_path / "run")
    with pytest.raises(CheckpointError, match="holds a run already: go on with --resume"):
        runs.train("gan", folder)


def test_resuming_where_there_is_no_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        runs.train("gan", tmp_path / "none", resume=True)


def test_a_cut_checkpoint_is_named_and_not_half_read(tmp_path: Path) -> None:
    folder = runs.train("gan", tmp_path / "run")
    data = (folder / LAST).read_bytes()
    (folder / LAST).write_bytes(data[: len(data) // 2])
    with pytest.raises(CheckpointError, match=r"last\.pt is not a whole checkpoint"):
        runs.train("gan", folder, resume=True)


@pytest.mark.parametrize("content", [b"hello", b"", b"\x80\x02.", b"X1", b"\xff" * 40, b"PK\x03\x04" + bytes(100)])
def test_a_file_that_is_no_checkpoint_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / LAST).write_bytes(content)
    with pytest.raises(CheckpointError, match=r"last\.pt is not a whole checkpoint"):
        checkpoint.load(tmp_path / LAST)


def test_saving_leaves_the_old_checkpoint_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = runs.train("gan", tmp_path / "run")
    before = (folder / LAST).read_bytes()

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(folder / LAST, checkpoint.load(folder / LAST))
    assert (folder / LAST).read_bytes() == before


def test_the_learning_rate_holds_and_then_falls_to_nothing_at_the_end_of_the_budget(tmp_path: Path) -> None:
    run = runs.run("gan", tmp_path, images=320, decay_from=0.5)
    rates = []
    while run.done < 1:
        run.step()
        rates.append(float(run.optimisers["generator"].param_groups[0]["lr"]))
    assert rates[:5] == pytest.approx([2e-4] * 5)
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert 0 < rates[-1] <= 2e-4 * 0.21
    assert run.done == 1


def test_each_phase_learns_within_its_share_of_the_run_and_its_rate_falls_within_it(tmp_path: Path) -> None:
    run = runs.run("stackgan", tmp_path, images=640, first=0.5, decay_from=0.5)

    def values() -> dict[str, list[torch.Tensor]]:
        return {name: [p.detach().clone() for p in network.parameters()] for name, network in run.networks.items()}

    def moved(since: dict[str, list[torch.Tensor]]) -> set[str]:
        now = values()
        return {name for name in now if not all(map(torch.equal, now[name], since[name]))}

    begun, told, rates = values(), [], []
    for _ in range(10):
        told.append({name.split("/")[0] for name in run.step()})
        rates.append(float(run.optimisers["generator1"].param_groups[0]["lr"]))
    assert moved(begun) == {"critic1", "stage1"}
    begun = values()
    for _ in range(10):
        told.append({name.split("/")[0] for name in run.step()})
        rates.append(float(run.optimisers["generator2"].param_groups[0]["lr"]))
    assert moved(begun) == {"critic2", "stage2"}
    assert run.done == 1
    assert told == [{"critic1", "generator1"}] * 10 + [{"critic2", "generator2"}] * 10
    assert rates[:10] == pytest.approx(rates[10:])
    assert rates[:5] == pytest.approx([2e-4] * 5)
    assert 0 < rates[9] <= 2e-4 * 0.21


def test_a_budget_in_time_ends_the_run_too(tmp_path: Path) -> None:
    began = time.monotonic()
    folder = runs.train("gan", tmp_path / "run", images=10_000_000, time=1.5)
    assert time.monotonic() - began < 30
    assert checkpoint.load(folder / LAST).progress["seconds"] >= 1.5


def test_the_log_the_sheet_and_both_checkpoints_are_there_at_the_end(tmp_path: Path) -> None:
    folder = runs.train("cgan", tmp_path / "run", status_every=320)
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    told = set().union(*lines)
    assert {"images", "rate", "accuracy", "gap", "diversity", "match", "critic/gradient", "generator/gradient"} <= told
    assert "kernel distance on 8-px pictures" in told
    assert (folder / "sheet-000000640.png").exists()
    assert (folder / BEST).exists()
    assert (folder / LAST).exists()


def test_a_terminated_run_saves_and_says_so(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-c", "import sys; from training.cli import train; sys.exit(train(sys.argv[1:]))"]
    flags = "gan --data digits --preset smoke --images 100M --width 8 --threads 1 --status-every 320"
    process = subprocess.Popen([*command, *flags.split(), "--out", str(out)], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while "img/s" not in (line := process.stderr.readline()):
        assert line, "the run ended before its first status"
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "stopped after" in said
    assert checkpoint.load(out / LAST).progress["images"] > 0


def torchrun(count: int, script: Path, *arguments: str) -> None:
    """Runs a script in so many processes, of one group."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    done = subprocess.run([*command, str(script), *arguments], capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr


def test_two_processes_train_one_model_and_the_first_one_keeps_it(tmp_path: Path) -> None:
    out = tmp_path / "run"
    flags = "cgan --data digits --preset smoke --images 320 --batch 32 --width 8 --latent 8 --threads 1"
    script = tmp_path / "train.py"
    script.write_text(
        "import sys; from pathlib import Path; from training.cli import train\n"
        "failed = train(sys.argv[1:])\n"
        "threads = [path.read_text() for path in Path('/proc/self/task').glob('*/comm')]\n"
        "sys.exit(failed or [name for name in threads if 'gloo' in name] or None)",
        encoding="utf-8",
    )
    torchrun(2, script, *flags.split(), "--out", str(out))
    assert checkpoint.load(out / LAST).progress["images"] == 320


def test_two_processes_have_the_loss_curve_of_one_with_the_same_global_batch(tmp_path: Path) -> None:
    """Shown on a recipe without noise or batch statistics, where the two must agree but for the order of sums."""
    changed = {"adversarial": 0, "jitter": 1, "mirror": False, "precision": "fp32", "batch": 8, "images": 160}
    given = runs.values("pix2pix", tmp_path / "one", **changed, status_every=8)
    script = tmp_path / "train.py"
    script.write_text(
        "import json, sys; from training import loop; loop.train(json.loads(sys.argv[1]))", encoding="utf-8"
    )
    curves = []
    for count in (1, 2):
        out = tmp_path / str(count)
        values = json.dumps({**given, "out": str(out)})
        torchrun(count, script, values)
        lines = [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]
        curves.append([line["generator/l1"] for line in lines if "generator/l1" in line])
    assert len(curves[0]) == 20
    assert curves[1] == pytest.approx(curves[0], rel=1e-3)
    assert curves[0][-1] < 0.9 * curves[0][0]


def test_the_average_starts_with_the_run_and_copies_counters() -> None:
    network = torch.nn.BatchNorm1d(2)
    kept = average.average_of(network)
    with torch.no_grad():
        network.weight += 1
        network.num_batches_tracked += 7
    average.update(kept, network, torch.tensor(average.share(batch=64, seen=64, half_life=50_000)))
    assert kept.weight.tolist() == pytest.approx([2, 2], abs=1e-4)
    assert kept.num_batches_tracked == 7
    with torch.no_grad():
        network.weight += 1
    average.update(kept, network, torch.tensor(average.share(batch=100, seen=2000, half_life=100)))
    assert kept.weight.tolist() == pytest.approx([2.5, 2.5], abs=1e-4)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"diversity": 0.1}, "collapsing"),
        ({"accuracy": 0.99}, "tells everything apart"),
        ({"critic/tell": float("nan")}, "not finite"),
    ],
)
def test_a_run_in_trouble_is_told(values: dict[str, float], said: str) -> None:
    assert said in " ".join(journal.warnings(values))


def test_a_healthy_run_is_not_warned_of() -> None:
    assert journal.warnings({"diversity": 0.9, "accuracy": 0.8, "critic/tell": 1.2}) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_an_error_before_the_first_step(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="torch sees no GPU"):
        runs.train("gan", tmp_path / "run", device="cuda")


def test_more_pictures_in_a_batch_than_there_are_is_an_error_before_the_first_step(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="fewer than a batch of 5000"):
        runs.train("gan", tmp_path / "run", batch=5000)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("amx", "avx"), [(True, False), (False, True), (False, False)])
def test_half_precision_is_chosen_only_where_the_processor_has_it(
    monkeypatch: pytest.MonkeyPatch, amx: bool, avx: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx)
    weights = torch.ones(2, 2)
    dtypes = {}
    for precision in ("auto", "bf16", "fp32"):
        with autocast(torch.device("cpu"), precision):
            dtypes[precision] = (weights @ weights).dtype
    assert dtypes["auto"] == (torch.bfloat16 if amx or avx else torch.float32)
    assert (dtypes["bf16"], dtypes["fp32"]) == (torch.bfloat16, torch.float32)
