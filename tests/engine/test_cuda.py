"""Lanes of fixed sizes with bound buffers, as on GPUs. The graphs run on the CPU's provider, through the same code."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app import contract
from app.contract import ContractError
from app.engine import model, providers, warmup
from app.engine.admission import Limits
from app.engine.cuda import Bound, Capture, GpuSession
from app.engine.executor import Executors
from app.engine.model import Host, LiveModel
from app.engine.providers import Cuda, Device
from app.engine.rotation import Rotation
from app.engine.session import Session
from app.metrics import Metrics
from tests import toy

GPUS = Device("cpu", "a GPU that is a CPU", gpus=(0, 0), cuda=Cuda(streams=2))
"""Two GPUs, so four lanes. The CPU has but one memory, number 0."""

ONE = Device("cpu", "a GPU that is a CPU", gpus=(0,), cuda=Cuda(streams=1))


@pytest.fixture
def manifest(tmp_path: Path) -> contract.Manifest:
    return contract.read(toy.build(tmp_path))


def loaded(manifest: contract.Manifest, tmp_path: Path, device: Device = ONE, max_batch: int = 6) -> GpuSession:
    folder = tmp_path / manifest.name / str(manifest.version)
    data = contract.load(folder, manifest, "generator.onnx")
    return GpuSession(data, manifest.graphs["generator"], device, max_batch)


def here(_: int, errand: Callable[[], Any]) -> Any:
    return errand()


@pytest.fixture
def warm(manifest: contract.Manifest, tmp_path: Path) -> GpuSession:
    """A session of one lane, on this thread."""
    session = loaded(manifest, tmp_path)
    warmup.warm_lanes(session, manifest, "generator", ONE, here)
    return session


def test_a_lane_sees_only_its_fixed_sizes(
    warm: GpuSession, manifest: contract.Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    run = Bound.run

    def noted(bound: Bound, inputs: Any) -> Any:
        seen.append(len(bound._staged["z"]))
        return run(bound, inputs)

    monkeypatch.setattr(Bound, "run", noted)
    for samples in range(1, 7):
        assert len(warm.run(manifest.inputs(3, range(samples)))["image"]) == samples
    assert seen == [1, 2, 4, 4, 6, 6]


def test_padding_changes_no_picture(warm: GpuSession, manifest: contract.Manifest) -> None:
    alone = np.concatenate([warm.run(manifest.inputs(3, range(i, i + 1)))["image"] for i in range(5)])
    assert np.array_equal(warm.run(manifest.inputs(3, range(5)))["image"], alone)


def test_a_picture_stays_as_it_is_while_the_next_batch_runs(warm: GpuSession, manifest: contract.Manifest) -> None:
    first = warm.run(manifest.inputs(3, range(4)))["image"]
    kept = first.copy()
    warm.run(manifest.inputs(99, range(4)))
    assert np.array_equal(first, kept)


def test_buffers_stay_where_they_are(warm: GpuSession, manifest: contract.Manifest) -> None:
    bound = warm._bounds[0][4]
    before = {name: value.data_ptr() for name, value in bound._inputs.items()}
    for seed in range(3):
        warm.run(manifest.inputs(seed, range(4)))
    assert {name: value.data_ptr() for name, value in bound._inputs.items()} == before


def test_a_session_of_one_size_knows_its_shapes(warm: GpuSession) -> None:
    (output,) = warm._bounds[0][4]._session.get_outputs()
    assert output.shape == [4, toy.SIDE, toy.SIDE, 3]


def test_warm_up_measures_every_size_however_slow(
    manifest: contract.Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warmup, "SECONDS", 0)
    session = loaded(manifest, tmp_path)
    assert set(warmup.warm_lanes(session, manifest, "generator", ONE, here).snapshot()) == {1, 2, 4, 6}


def test_wrong_pictures_of_any_lane_are_refused(manifest: contract.Manifest, tmp_path: Path) -> None:
    session = loaded(manifest, tmp_path, GPUS)
    last = session._bounds[3][6]

    class Dark:
        def copy_outputs_to_cpu(self) -> list[Any]:
            return [np.zeros((6, toy.SIDE, toy.SIDE, 3), np.uint8)]

    class Blind:
        def run_with_iobinding(self, binding: Any, options: Any) -> None:
            assert isinstance(binding, Dark)

    last._binding, last._session = Dark(), Blind()
    with pytest.raises(ContractError, match=r"the golden samples, drawn in batches of 6, are not the exporter's"):
        warmup.warm_lanes(session, manifest, "generator", GPUS, here)


def test_a_graph_that_is_not_as_declared_is_refused(manifest: contract.Manifest, tmp_path: Path) -> None:
    graph = manifest.graphs["generator"]
    other = graph.model_copy(update={"outputs": (graph.outputs[0].model_copy(update={"shape": ("n", 8, 8, 3)}),)})
    with pytest.raises(ContractError, match=r"output image is \[n, 16, 16, 3\], the manifest says \[n, 8, 8, 3\]"):
        GpuSession(toy.graph(2).SerializeToString(), other, ONE, 2)


def test_pictures_of_another_size_than_the_usual_one_are_drawn_too() -> None:
    folder = Path(__file__).parents[2] / "models/monet-unit/1"
    manifest = contract.read(folder)
    graph, data = manifest.graphs["generator"], (folder / "generator.onnx").read_bytes()
    session = GpuSession(data, graph, ONE, 2)
    warmup.warm_lanes(session, manifest, "generator", ONE, here)
    plain = Session(data, graph, 2)
    for height, width in ((64, 64), (32, 48)):
        picture = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), np.uint8)
        drawn = session.run({"picture": picture})["image"]
        assert np.array_equal(drawn, plain.run({"picture": picture})["image"])


def test_without_graphs_one_line_says_why(
    manifest: contract.Manifest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    session = loaded(manifest, tmp_path, GPUS)
    warmup.warm_lanes(session, manifest, "generator", GPUS, here)
    assert caplog.messages == [
        "generator.onnx runs without CUDA graphs: some of its nodes run on CPUExecutionProvider."
    ]


def test_graphs_that_are_not_wanted_are_not_missed(
    manifest: contract.Manifest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    device = Device("cpu", "a GPU that is a CPU", gpus=(0,), cuda=Cuda(streams=1, graphs=False))
    warmup.warm_lanes(loaded(manifest, tmp_path, device), manifest, "generator", device, here)
    assert caplog.messages == []


@pytest.fixture
def capturing(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bool]]:
    """Has all nodes said to be on CUDA; notes each run's size, and whether it may be a CUDA graph."""
    monkeypatch.setattr(providers, "placement", lambda session: {providers.CUDA})
    noted: list[tuple[int, bool]] = []
    run = Bound._run

    def _run(bound: Bound, inputs: Any) -> Any:
        noted.append((len(bound._staged["z"]), bound._options is None))
        return run(bound, inputs)

    monkeypatch.setattr(Bound, "_run", _run)
    return noted


def test_each_size_is_planned_then_captured_then_replayed(
    manifest: contract.Manifest, tmp_path: Path, capturing: list[tuple[int, bool]]
) -> None:
    session = loaded(manifest, tmp_path, max_batch=2)
    warmup.warm_lanes(session, manifest, "generator", ONE, here)
    for size in (1, 2):
        runs = [graph for samples, graph in capturing if samples == size]
        assert runs[0] is False
        assert all(runs[1:])
        assert len(runs) > 4


def test_a_capture_that_fails_leaves_plain_runs(
    manifest: contract.Manifest,
    tmp_path: Path,
    capturing: list[tuple[int, bool]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(bound: Bound, inputs: Any) -> None:
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(Bound, "capture", fail)
    session = loaded(manifest, tmp_path, GPUS)
    broken = session._bounds[0][1]
    warmup.warm_lanes(session, manifest, "generator", GPUS, here)
    assert caplog.messages == [
        "generator.onnx runs without CUDA graphs: in batches of 1, operation not permitted when stream is capturing"
    ]
    assert session._bounds[0][1] is not broken
    assert not any(graph for _, graph in capturing)


def test_nobody_runs_while_one_captures() -> None:
    capture = Capture()
    began, go = threading.Event(), threading.Event()
    order: list[str] = []

    def run() -> None:
        with capture.running():
            order.append("run")

    def captured() -> None:
        with capture.capturing():
            began.set()
            assert go.wait(10)
            order.append("capture")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(captured)
        assert began.wait(10)
        second = pool.submit(run)
        with pytest.raises(TimeoutError):
            second.result(0.05)
        go.set()
        first.result(10)
        second.result(10)
    assert order == ["capture", "run"]


def test_a_run_that_hangs_delays_a_capture_for_some_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.engine.cuda.PATIENCE", 0.01)
    capture = Capture()
    with ThreadPoolExecutor(1) as pool, capture.running():

        def captured() -> None:
            with capture.capturing():
                raise AssertionError

        with pytest.raises(TimeoutError, match=r"other runs are not done after 0\.01 s"):
            pool.submit(captured).result(10)
        with capture.running():
            assert not capture._capturing


@pytest.fixture
def host() -> Iterator[Host]:
    """Four executors, as for two GPUs."""
    rotation: Rotation[Any] = Rotation(len(GPUS.lanes))
    executors = Executors(rotation, "test")
    encode = ThreadPoolExecutor(1)
    yield Host(GPUS, rotation, encode, Metrics(), Limits(10, 0, 1), max_batch=4)
    executors.close()
    encode.shutdown()


def test_lanes_are_readied_on_their_executors_threads_and_serve_there(
    manifest: contract.Manifest, tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: dict[int, set[str]] = {}
    ran: dict[int, set[str]] = {}
    prepare, run = GpuSession.prepare, Bound.run

    def noted_prepare(session: GpuSession, lane: int, inputs: Any) -> None:
        prepared.setdefault(lane, set()).add(threading.current_thread().name)
        prepare(session, lane, inputs)

    def noted_run(bound: Bound, inputs: Any) -> Any:
        ran.setdefault(id(bound), set()).add(threading.current_thread().name)
        return run(bound, inputs)

    monkeypatch.setattr(GpuSession, "prepare", noted_prepare)
    monkeypatch.setattr(Bound, "run", noted_run)
    live = LiveModel(manifest, tmp_path / "toy" / "1", host, lambda model, deadline: None)
    live.arrive(model.load(live, host))
    jobs: list[Future[Any]] = [
        live.submit(manifest.inputs(seed, range(3)), deadline=None, finish=lambda outputs: outputs["image"])
        for seed in range(40)
    ]
    pictures = [job.result(10) for job in jobs]
    assert prepared == {lane: {f"ganymede-test-{lane}"} for lane in range(4)}
    assert all(len(threads) == 1 for threads in ran.values())
    data = (tmp_path / "toy" / "1" / "generator.onnx").read_bytes()
    for seed, picture in enumerate(pictures):
        assert np.array_equal(picture, providers.load(data).run(["image"], manifest.inputs(seed, range(3)))[0])


def test_a_model_on_gpus_counts_its_weights_once_for_each_lane_and_size(
    manifest: contract.Manifest, tmp_path: Path, host: Host
) -> None:
    folder = tmp_path / "toy" / "1"
    live = LiveModel(manifest, folder, host, lambda model, deadline: None)
    assert live.weights == 4 * 3 * (folder / "generator.onnx").stat().st_size
