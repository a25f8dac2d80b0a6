"""One graph on the CPU, as far as the models folder does not show it: its sizes, and its runs on several threads."""

import os
import sys
from pathlib import Path
from threading import current_thread
from typing import Any

import numpy as np
import pytest

from app import contract
from app.engine import niceness, providers, session, warmup
from app.engine.session import Session
from tests import toy

CPU = providers.device("cpu")


def loaded(tmp_path: Path, max_batch: int, threads: int = 1) -> tuple[Session, contract.Manifest]:
    folder = toy.build(tmp_path)
    manifest = contract.read(folder)
    data = contract.load(folder, manifest, "generator.onnx")
    return Session(data, manifest.graphs["generator"], max_batch, threads), manifest


@pytest.mark.parametrize(("largest", "sizes"), [(1, [1]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])])
def test_sizes_are_powers_of_two_up_to_the_largest(largest: int, sizes: list[int]) -> None:
    assert session.sizes(largest) == sizes


def test_the_warm_up_of_a_slow_model_on_a_cpu_stops_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warmup, "SECONDS", 0)
    made, manifest = loaded(tmp_path, 32)
    assert set(warmup.warm(made, manifest, "generator", CPU).snapshot()) == {1}


def test_several_threads_draw_what_one_draws(tmp_path: Path) -> None:
    made, manifest = loaded(tmp_path, 8, threads=2)
    warmup.warm(made, manifest, "generator", CPU)
    assert made.wide
    one = manifest.inputs(7, range(1))
    # Enough of them that both ways are taken.
    pictures = [made.run(one, alone=True)["image"] for _ in range(40)]
    assert all(np.array_equal(picture, made.run(one)["image"]) for picture in pictures)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells threads apart")
def test_several_threads_are_as_nice_as_the_executors(tmp_path: Path) -> None:
    def threads() -> dict[str, int]:
        """The niceness of each thread of this process, the 19th field after its name in proc(5)."""
        stats = {task.name: (task / "stat").read_text() for task in Path("/proc/self/task").iterdir()}
        return {task: int(stat.rpartition(") ")[2].split()[16]) for task, stat in stats.items()}

    before = threads()
    made, _ = loaded(tmp_path, 8, threads=3)
    new = [nice for task, nice in threads().items() if task not in before]
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    assert made.wide
    assert new == [usual + niceness.NICE] * 2


def test_a_load_that_hangs_on_a_nicer_thread_keeps_no_process_from_its_end() -> None:
    assert niceness.behind(lambda: current_thread().daemon)
    with pytest.raises(ZeroDivisionError):
        niceness.behind(lambda: 1 // 0)


def test_threads_that_draw_another_picture_are_given_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made, manifest = loaded(tmp_path, 8, threads=2)

    class Other:
        def run(self, names: list[str], inputs: dict[str, Any]) -> Any:
            return [255 - value for value in made._session.run(names, inputs)]

    made._wide = Other()
    warmup.warm(made, manifest, "generator", CPU)
    assert not made.wide
    assert "draws other pictures on several threads than on one" in caplog.text
