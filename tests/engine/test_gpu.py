"""What only a GPU can show: nodes where they should be, CUDA graphs, captures beside traffic. See `bench/gpu.sh`."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from app import contract
from app.contract import ContractError
from app.engine import model, providers, warmup
from app.engine.catalog import Catalog
from app.engine.cuda import GpuSession
from app.engine.providers import Cuda, Device, DeviceUnavailable
from app.metrics import Metrics
from app.settings import Settings
from tests import toy


def _missing() -> str:
    try:
        providers.device("cuda")
    except DeviceUnavailable as error:
        return str(error)
    return ""


MISSING = _missing()
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(bool(MISSING), reason=MISSING)]

SIZES = (1, 2, 4, 8)


@pytest.fixture(scope="module")
def device() -> Device:
    return providers.device("cuda", Cuda(streams=2))


def here(_: int, errand: Callable[[], Any]) -> Any:
    return errand()


def loaded(folder: Path, device: Device) -> tuple[GpuSession, contract.Manifest]:
    manifest = contract.read(folder)
    session = GpuSession(contract.load(folder, manifest, "generator.onnx"), manifest.graphs["generator"], device, 8)
    warmup.warm_lanes(session, manifest, "generator", device, here)
    return session, manifest


@contextmanager
def serving(models: Path, **settings: Any) -> Iterator[Catalog]:
    catalog = Catalog(Settings(models=models, device="cuda", max_batch=8, **settings), Metrics())
    catalog.start()
    yield catalog
    catalog.close(5)


def ready(catalog: Catalog, reference: str) -> model.LiveModel:
    """That model, once it is in memory."""
    end = time.monotonic() + 120
    while True:
        entry = next(entry for entry in catalog.entries() if entry.reference == reference)
        assert entry.state != "failed", entry.reason
        if entry.state == "ready":
            return catalog.get(reference)
        assert time.monotonic() < end, f"{reference} is still {entry.state}"
        time.sleep(0.01)


def test_pictures_are_the_exporters_within_a_grey_level(models_dir: Path, device: Device) -> None:
    session, manifest = loaded(models_dir / "toy" / "1", device)
    cpu = providers.load((models_dir / "toy" / "1" / "generator.onnx").read_bytes())
    for size in range(1, 9):
        inputs = manifest.inputs(11, range(size))
        (expected,) = cpu.run(["image"], inputs)
        assert np.abs(session.run(inputs)["image"].astype(np.int16) - expected).max() <= warmup.LEVELS


def test_graphs_are_captured_and_draw_what_plain_runs_draw(
    models_dir: Path, device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    graphs, manifest = loaded(models_dir / "toy" / "1", device)
    assert caplog.messages == []
    plain, _ = loaded(models_dir / "toy" / "1", providers.device("cuda", Cuda(streams=1, graphs=False)))
    for seed in range(20):
        for size in SIZES:
            inputs = manifest.inputs(seed, range(size))
            assert np.array_equal(graphs.run(inputs)["image"], plain.run(inputs)["image"])


def test_a_picture_does_not_depend_on_its_neighbours(models_dir: Path, device: Device) -> None:
    session, manifest = loaded(models_dir / "toy" / "1", device)
    for size in SIZES:
        first = session.run(manifest.inputs(5, range(size)))["image"]
        moved = {name: np.roll(value, 1, axis=0) for name, value in manifest.inputs(5, range(size)).items()}
        assert np.array_equal(np.roll(session.run(moved)["image"], -1, axis=0), first)


def test_every_node_is_on_the_gpu(models_dir: Path, device: Device) -> None:
    data = (models_dir / "toy" / "1" / "generator.onnx").read_bytes()
    for graphs in (False, True):
        session = providers.load_fixed(data, device, 0, 4, ["n"], graphs=graphs)
        assert providers.placement(session) == {providers.CUDA}


def test_a_node_that_only_the_cpu_can_run_is_refused(tmp_path: Path, device: Device) -> None:
    folder = toy.build(tmp_path, classes=())
    graph = toy.graph()
    # Of the domain ai.onnx.ml, for which CUDA has no kernels.
    scaler = helper.make_node("Scaler", ["z"], ["scaled_z"], domain="ai.onnx.ml", offset=[0.0], scale=[1.0])
    graph.graph.node[0].input[0] = "scaled_z"
    graph.graph.node.insert(0, scaler)
    graph.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    onnx.save(graph, folder / "generator.onnx")
    toy.regild(folder)
    with pytest.raises(ContractError, match="can't be loaded on cuda:0 in batches of 1"):
        loaded(folder, device)


def test_jobs_of_any_size_are_served_on_both_streams(models_dir: Path) -> None:
    with serving(models_dir) as catalog:
        live = ready(catalog, "toy@1")
        cpu = providers.load((models_dir / "toy" / "1" / "generator.onnx").read_bytes())
        jobs = [
            (seed, live.submit(_inputs(live, seed), deadline=None, finish=lambda outputs: outputs["image"]))
            for seed in range(400)
        ]
        for seed, job in jobs:
            (expected,) = cpu.run(["image"], _inputs(live, seed))
            assert np.abs(job.result(30).astype(np.int16) - expected).max() <= warmup.LEVELS


def test_models_that_come_while_others_are_served_break_no_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for version in range(1, 5):
        toy.build(tmp_path, version=version, seed=version)
    with serving(tmp_path, load="first-use") as catalog:
        end = time.monotonic() + 60
        while not catalog.ready:
            assert time.monotonic() < end, catalog.reason
            time.sleep(0.01)
        first = catalog.get("toy@1")
        first.submit(_inputs(first, 0), deadline=None, finish=lambda outputs: outputs["image"]).result(120)
        others = [catalog.get(f"toy@{version}") for version in range(2, 5)]
        coming = [live.submit(_inputs(live, 1), deadline=None, finish=len) for live in others]
        served = 0
        while not all(job.done() for job in coming):
            first.submit(_inputs(first, served), deadline=None, finish=len).result(30)
            served += 1
        assert [job.result(120) for job in coming] == [1, 1, 1]
        assert served > 0
    assert not [message for message in caplog.messages if "without CUDA graphs" in message or "failed" in message]


def _inputs(live: model.LiveModel, seed: int) -> dict[str, Any]:
    return live.manifest.inputs(seed, range(1 + seed % 8))
