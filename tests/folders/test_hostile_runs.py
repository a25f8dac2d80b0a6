"""Graphs that only a run unmasks: by the memory that they take, or because they never end. The service goes on."""

import re
import time
from pathlib import Path

import pytest
from onnx import helper

from app import contract, latents, onnxfile
from app.contract import ContractError
from app.engine import memory, model, providers
from app.engine.bounded import within
from app.engine.model import Bounds
from tests import toy
from tests.conftest import serving
from tests.folders import zoo
from tests.peaks import forget, peak

CPU = providers.device("cpu")

BOUND = 100
"""Megabytes that a graph may take here."""


GREEDY = {
    "values that are doubled again and again": zoo.doubling(24),
    "noise of a shape that a node states": zoo.growing(
        [helper.make_node("RandomNormal", [], ["large"], shape=[2**13, 2**13])]
    ),
}


@pytest.mark.parametrize("name", GREEDY)
def test_a_graph_that_takes_more_memory_than_there_may_be_is_refused(name: str, tmp_path: Path) -> None:
    toy.build(tmp_path, "good")
    zoo.folder(tmp_path, GREEDY[name])
    before = forget()
    with serving(tmp_path, memory_mb=BOUND) as catalog:
        good, hostile = catalog.entries()
    assert good.state == "ready"
    assert (hostile.state, hostile.model) == ("failed", None)
    assert re.search(r"takes more memory than there may be|RandomNormal makes one value of", hostile.reason or "")
    assert peak() - before < 1.5 * BOUND * 1e6


def test_batches_for_which_there_is_no_room_are_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    toy.regild(zoo.folder(tmp_path, zoo.doubling(18)))
    grown = []
    # The least of three: a process that has run other tests grows by what is theirs, too.
    for _ in range(3):
        before = forget()
        with serving(tmp_path, memory_mb=BOUND, threads=1) as catalog:
            assert set(catalog.get("toy").costs["generator"]) == {1, 2, 4}
        grown.append(peak() - before)
    said = "toy@1: generator.onnx takes more memory than there may be for it, 100 MB, in a batch of 8: not used."
    assert said in caplog.text
    assert min(grown) < 1.5 * BOUND * 1e6


def test_what_a_runtime_would_compute_ahead_in_a_branch_that_no_run_takes_is_not_computed(tmp_path: Path) -> None:
    count = 60_000_000
    folder = zoo.folder(tmp_path, zoo.hidden(count))
    toy.regild(folder)
    before = forget()
    model.prove(folder, CPU, 1, bounds=Bounds(BOUND))
    assert peak() - before < 4 * count / 2


def test_what_a_runtime_would_compute_ahead_and_keep_is_not_computed(tmp_path: Path) -> None:
    """Thirty times 20 MB, of which a run holds one at a time."""
    folder = zoo.folder(tmp_path, zoo.hoarding(30, 5_000_000))
    toy.regild(folder)
    before = forget()
    model.prove(folder, CPU, 1, bounds=Bounds(BOUND))
    assert peak() - before < 1.5 * BOUND * 1e6


def test_a_graph_that_never_ends_is_given_up_and_the_others_come(tmp_path: Path) -> None:
    zoo.folder(tmp_path, zoo.slow(600), "endless")
    toy.build(tmp_path, "good")
    began = time.monotonic()
    with serving(tmp_path, load_seconds=1) as catalog:
        endless, good = catalog.entries()
    assert time.monotonic() - began < 10
    assert good.state == "ready"
    assert (endless.state, endless.reason) == (
        "failed",
        "generator.onnx was given up: its warm-up was not done after 1 s",
    )


def test_work_that_can_not_be_stopped_is_left_to_itself_and_told_so() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"^not done after 0\.1 s, and it can't be stopped$"):
        within(0.1, lambda: time.sleep(4), lambda: None)
    assert time.monotonic() - began < 3


def test_work_that_raises_raises_and_what_it_returns_is_returned() -> None:
    assert within(5, lambda: "done", lambda: None) == "done"
    with pytest.raises(TimeoutError, match=r"^its own$"):
        within(5, raise_its_own, lambda: None)


def raise_its_own() -> None:
    raise TimeoutError("its own")


def test_samples_that_have_no_room_are_refused_before_they_are_made(tmp_path: Path) -> None:
    folder = toy.build(tmp_path, classes=())
    graph = contract.read(folder).graphs["generator"]
    image = graph.outputs[0].model_copy(update={"shape": ("n", 6000, 6000, 3)})
    toy.rewrite(folder, graphs={"generator": graph.model_copy(update={"outputs": (image,)})})
    with pytest.raises(
        ContractError, match=r"^one sample that generator\.onnx takes and gives has 108 MB; there may be 100 MB$"
    ):
        model.prove(folder, CPU, 1, bounds=Bounds(BOUND))


def test_a_budget_is_never_too_small_for_a_small_graph(tmp_path: Path) -> None:
    toy.build(tmp_path)
    with serving(tmp_path, memory_mb=1) as catalog:
        assert catalog.get("toy").manifest.reference == "toy@1"


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({"proc/meminfo": "MemTotal: 9 kB\nMemAvailable:  5000 kB\n"}, 5_120_000),
        (
            {
                "proc/meminfo": "MemAvailable: 5000 kB\n",
                "sys/fs/cgroup/memory.max": "3000\n",
                "sys/fs/cgroup/memory.current": "1000\n",
            },
            2000,
        ),
        (
            {
                "proc/meminfo": "MemAvailable: 5000 kB\n",
                "sys/fs/cgroup/memory.max": "max\n",
                "sys/fs/cgroup/memory.current": "7\n",
            },
            5_120_000,
        ),
        (
            {
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "4000",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": "4096",
            },
            0,
        ),
    ],
)
def test_what_is_free_is_the_least_of_the_machine_and_its_group(
    files: dict[str, str], free: int, tmp_path: Path
) -> None:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert memory.available(tmp_path) == free


def test_a_session_in_bounded_memory_leaves_none_behind() -> None:
    data = zoo.doubling(18).SerializeToString()
    assert onnxfile.screen(data)
    z = latents.noise(0, range(4), toy.LATENT)
    for round_ in range(6):
        if round_ == 2:
            held = memory.resident()
        session = providers.load_bounded(data, 200_000_000)
        session.run(None, {"z": z})
        del session
        memory.release()
    assert memory.resident() - held < 20_000_000
