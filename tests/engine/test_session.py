"""One graph on one device, as far as the models folder does not show it: fixed sizes and their padding."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app import contract
from app.engine import providers, warmup
from app.engine.providers import Device
from app.engine.session import Session
from tests import toy

GPU = Device("cuda", "a GPU that runs on the CPU")


@pytest.fixture
def fixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Session, contract.Manifest]:
    """A session of fixed sizes, as on a GPU. Its graphs run on the CPU, since no GPU is at hand."""
    load, cpu = providers.load, providers.device("cpu")
    monkeypatch.setattr(providers, "load", lambda data, device: load(data, cpu))
    folder = toy.build(tmp_path)
    manifest = contract.read(folder)
    data = contract.load(folder, manifest, "generator.onnx")
    return Session(data, manifest.graphs["generator"], GPU, max_batch=6), manifest


def test_sizes_are_powers_of_two_up_to_the_largest(fixed: tuple[Session, contract.Manifest]) -> None:
    assert fixed[0].sizes == [1, 2, 4, 6]


def test_a_gpu_sees_only_its_fixed_sizes(fixed: tuple[Session, contract.Manifest]) -> None:
    session, manifest = fixed
    seen: list[tuple[int, int]] = []

    class Recorder:
        def __init__(self, place: int, inner: Any) -> None:
            self.place, self.inner = place, inner

        def run(self, names: list[str], inputs: dict[str, Any]) -> Any:
            seen.append((self.place, len(inputs["z"])))
            return self.inner.run(names, inputs)

    session._sessions = [Recorder(place, inner) for place, inner in enumerate(session._sessions)]
    for samples in range(1, 7):
        assert len(session.run(manifest.inputs(3, range(samples)))["image"]) == samples
    assert seen == [(0, 1), (1, 2), (2, 4), (2, 4), (3, 6), (3, 6)]


def test_padding_changes_no_picture(fixed: tuple[Session, contract.Manifest]) -> None:
    session, manifest = fixed
    alone = np.concatenate([session.run(manifest.inputs(3, range(i, i + 1)))["image"] for i in range(5)])
    assert np.array_equal(session.run(manifest.inputs(3, range(5)))["image"], alone)


def test_the_warm_up_of_fixed_sizes_measures_each(
    fixed: tuple[Session, contract.Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    session, manifest = fixed
    monkeypatch.setattr(warmup, "SECONDS", 0)
    assert set(warmup.warm(session, manifest, GPU).snapshot()) == {1, 2, 4, 6}


def test_the_warm_up_of_a_slow_model_on_a_cpu_stops_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warmup, "SECONDS", 0)
    device = providers.device("cpu")
    folder = toy.build(tmp_path)
    manifest = contract.read(folder)
    session = Session(contract.load(folder, manifest, "generator.onnx"), manifest.graphs["generator"], device, 32)
    assert set(warmup.warm(session, manifest, device).snapshot()) == {1}
