"""Models that come into memory when asked for, within a budget, and leave it for each other, with no job lost."""

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from threading import Semaphore
from typing import Any

import numpy as np
import onnx
import pytest

from app.engine import memory, model
from app.engine.batching import Batcher
from app.engine.catalog import Catalog
from app.engine.model import Host, LiveModel
from app.errors import Draining, NotReady
from app.metrics import Metrics
from tests import toy
from tests.conftest import serving

PATIENCE = 10
"""Seconds after which a test that waits has failed."""

NAMES = ("ant", "bee", "cow")

resident = memory.resident


@pytest.fixture(autouse=True)
def weights_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes without noise: each model takes its graph's bytes, once for each of its two sessions."""
    monkeypatch.setattr(memory, "resident", lambda: 0)


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """Three models that draw different pictures, all of one size."""
    for seed, name in enumerate(NAMES):
        toy.build(tmp_path, name, seed=seed)
    return tmp_path


def size(models: Path, name: str = "ant") -> float:
    """What a model takes, in megabytes."""
    return 2 * (models / name / "1" / "generator.onnx").stat().st_size / 1e6


def send(live: LiveModel, seed: int = 0, n: int = 1, seconds: float | None = None) -> Future[np.ndarray]:
    """A job for `n` pictures."""
    deadline = None if seconds is None else time.monotonic() + seconds
    inputs = live.manifest.inputs(seed, range(n))
    return live.submit(inputs, deadline=deadline, finish=lambda outputs: np.asarray(outputs["image"]))


def draw(live: LiveModel, seed: int = 0) -> np.ndarray:
    return send(live, seed).result(PATIENCE)


def states(catalog: Catalog) -> dict[str, str]:
    return {entry.reference: entry.state for entry in catalog.entries()}


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.001)


class Loads:
    """Holds each load until the test lets it go, and notes which models were loaded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        self._load = model.load
        self._go = Semaphore(0)
        monkeypatch.setattr(model, "load", self._held)

    def let(self, loads: int = 1) -> None:
        self._go.release(loads)

    def _held(self, live: LiveModel, host: Host) -> Batcher:
        self.names.append(live.manifest.name)
        assert self._go.acquire(timeout=PATIENCE), "the test never let this load go"
        return self._load(live, host)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loads]:
    loads = Loads(monkeypatch)
    yield loads
    loads.let(100)


def test_at_first_use_nothing_is_in_memory_and_the_service_is_ready(three: Path) -> None:
    with serving(three, load="first-use") as catalog:
        assert catalog.ready
        assert states(catalog) == {"ant@1": "unloaded", "bee@1": "unloaded", "cow@1": "unloaded"}
        assert catalog.get("bee").costs == {}
        assert draw(catalog.get("bee")).shape == (1, 16, 16, 3)
        assert states(catalog) == {"ant@1": "unloaded", "bee@1": "ready", "cow@1": "unloaded"}
        assert set(catalog.get("bee").costs["generator"]) == {1, 2, 4, 8, 16, 32}


def test_pictures_are_the_same_however_their_model_came(three: Path) -> None:
    with serving(three) as catalog:
        at_start = draw(catalog.get("cow"), 7)
    with serving(three, load="first-use", memory_mb=size(three)) as catalog:
        first, _, again = (draw(catalog.get(name), 7) for name in ("cow", "ant", "cow"))
    assert np.array_equal(first, at_start)
    assert np.array_equal(again, at_start)


def test_several_jobs_for_a_model_that_is_coming_wait_for_one_load(three: Path, loads: Loads) -> None:
    with serving(three, load="first-use") as catalog:
        live = catalog.get("ant")
        jobs = [send(live, seed) for seed in range(20)]
        until(lambda: states(catalog)["ant@1"] == "loading")
        assert catalog.ready
        assert not any(job.done() for job in jobs)
        loads.let()
        pictures = [job.result(PATIENCE) for job in jobs]
        assert loads.names == ["ant"]
        assert len({picture.tobytes() for picture in pictures}) == 20


def test_the_wait_for_a_model_is_time_in_the_queue(three: Path, loads: Loads) -> None:
    with serving(three, load="first-use") as catalog:
        live = catalog.get("ant")
        job: Any = send(live)
        time.sleep(0.05)
        loads.let()
        job.result(PATIENCE)
        assert 0.05 <= job.timing.queue < PATIENCE
        assert job.timing.batches == [1]


def test_a_job_whose_deadline_passes_while_its_model_loads_is_told_so(three: Path, loads: Loads) -> None:
    metrics = Metrics()
    with serving(three, metrics, load="first-use") as catalog:
        live = catalog.get("ant")
        patient, late = send(live, 1, seconds=PATIENCE), send(live, 2, n=3, seconds=0.05)
        with pytest.raises(
            NotReady, match=r"^ant@1 was still loading when the deadline passed, after 0\.0\d+ s\.$"
        ) as passed:
            late.result(1)
        assert passed.value.status == 503
        labels = {"model": "ant@1", "reason": "deadline"}
        assert metrics.registry.get_sample_value("ganymede_dropped_samples_total", labels) == 3
        loads.let()
        assert patient.result(PATIENCE).shape == (1, 16, 16, 3)


def test_a_job_that_waited_for_its_model_can_be_kept_beyond_its_deadline(
    three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(three, load="first-use", threads=1) as catalog:
        bee = catalog.get("bee")
        draw(bee)
        assert bee.queues is not None
        batcher = bee.queues["generator"]
        go, run = threading.Event(), batcher.run
        monkeypatch.setattr(batcher, "run", lambda *batch: (go.wait(PATIENCE), run(*batch))[1])
        ahead = send(bee)
        job: Any = send(catalog.get("ant"), seconds=1.5)
        until(lambda: states(catalog)["ant@1"] == "ready")
        job.keep()
        time.sleep(1.6)
        go.set()
        for one in (ahead, job):
            assert one.result(PATIENCE).shape == (1, 16, 16, 3)
        assert not job.inputs


def test_a_later_job_with_an_earlier_deadline_is_told_in_time(three: Path, loads: Loads) -> None:
    with serving(three, load="first-use") as catalog:
        send(catalog.get("ant"), seconds=5)
        until(lambda: states(catalog)["ant@1"] == "loading")
        began = time.monotonic()
        with pytest.raises(NotReady):
            send(catalog.get("ant"), seconds=0.02).result(PATIENCE)
        assert time.monotonic() - began < 1
        loads.let()


def test_who_comes_back_knows_how_long_a_load_takes(three: Path, loads: Loads) -> None:
    loads.let(2)
    with serving(three, load="first-use", memory_mb=size(three)) as catalog:
        draw(catalog.get("ant"))
        draw(catalog.get("bee"))
        with pytest.raises(NotReady) as passed:
            send(catalog.get("ant"), seconds=0.02).result(PATIENCE)
        assert passed.value.headers["Retry-After"] == "1"
        loads.let()


def test_a_cancelled_job_neither_waits_nor_loads_its_model(three: Path, loads: Loads) -> None:
    metrics = Metrics()
    with serving(three, metrics, load="first-use") as catalog:
        first = send(catalog.get("ant"))
        until(lambda: loads.names == ["ant"])
        job = send(catalog.get("bee"), n=4)
        assert job.cancel()
        with pytest.raises(CancelledError):
            job.result(0)
        loads.let(100)
        first.result(PATIENCE)
        draw(catalog.get("cow"))
        assert loads.names == ["ant", "cow"]
        labels = {"model": "bee@1", "reason": "cancelled"}
        assert metrics.registry.get_sample_value("ganymede_dropped_samples_total", labels) == 4


def test_other_models_are_served_while_one_loads(three: Path, loads: Loads) -> None:
    loads.let()
    with serving(three, load="first-use") as catalog:
        draw(catalog.get("ant"))
        coming = send(catalog.get("bee"))
        until(lambda: loads.names == ["ant", "bee"])
        for seed in range(20):
            draw(catalog.get("ant"), seed)
        assert not coming.done()
        loads.let()


def test_a_model_that_can_t_be_loaded_tells_those_that_waited_and_those_that_come(three: Path) -> None:
    with serving(three, load="first-use") as catalog:
        graph = three / "ant" / "1" / "generator.onnx"
        graph.write_bytes(graph.read_bytes() + b"\0")
        live = catalog.get("ant")
        with pytest.raises(NotReady, match=r"^ant@1 failed to load: .*generator.onnx was altered: its SHA-256"):
            draw(live)
        assert states(catalog)["ant@1"] == "failed"
        for ask in (lambda: catalog.get("ant"), lambda: send(live)):
            with pytest.raises(NotReady, match=r"^ant@1 failed to load: .*generator.onnx was altered"):
                ask()
        draw(catalog.get("bee"))


def test_the_newest_version_that_can_be_served_stands_for_a_name(tmp_path: Path) -> None:
    toy.build(tmp_path, version=1)
    broken = toy.build(tmp_path, version=2)
    golden = toy.build(tmp_path / "other", seed=9) / "generator.onnx"
    (broken / "generator.onnx").write_bytes(golden.read_bytes())
    toy.rewrite(broken)
    with serving(tmp_path, load="first-use") as catalog:
        assert catalog.get("toy").manifest.reference == "toy@2"
        with pytest.raises(NotReady, match=r"^toy@2 failed to load: the golden samples, drawn alone, are not"):
            draw(catalog.get("toy"))
        assert catalog.get("toy").manifest.reference == "toy@1"
        draw(catalog.get("toy"))


def test_the_least_recently_used_leaves_for_one_that_is_asked_for(three: Path) -> None:
    metrics = Metrics()
    with serving(three, metrics, load="first-use", memory_mb=2 * size(three)) as catalog:
        for name in ("ant", "bee", "ant", "cow"):
            draw(catalog.get(name))
        assert states(catalog) == {"ant@1": "ready", "bee@1": "unloaded", "cow@1": "ready"}
        draw(catalog.get("bee"))
        assert states(catalog) == {"ant@1": "unloaded", "bee@1": "ready", "cow@1": "ready"}

        def value(name: str, reference: str) -> float | None:
            return metrics.registry.get_sample_value(name, {"model": reference})

        assert [value("ganymede_model_bytes", f"{name}@1") for name in NAMES] == [0, *[size(three) * 1e6] * 2]
        assert [value("ganymede_model_loads_total", f"{name}@1") for name in NAMES] == [1, 2, 1]
        assert [value("ganymede_model_unloads_total", f"{name}@1") for name in NAMES] == [1, 1, 0]
        assert metrics.registry.get_sample_value("ganymede_model_state", {"model": "ant@1", "state": "unloaded"}) == 1


def test_at_the_start_models_come_as_far_as_there_is_room_and_the_rest_when_asked_for(three: Path) -> None:
    with serving(three, memory_mb=2 * size(three)) as catalog:
        assert catalog.ready
        assert states(catalog) == {"ant@1": "ready", "bee@1": "ready", "cow@1": "unloaded"}
        assert [entry.bytes > 0 for entry in catalog.entries()] == [True, True, False]
        draw(catalog.get("cow"))
        assert states(catalog)["cow@1"] == "ready"


def test_a_model_larger_than_the_budget_is_refused_with_both_figures(three: Path) -> None:
    for load in ("start", "first-use"):
        with serving(three, load=load, memory_mb=0.001) as catalog:
            if load == "first-use":
                with pytest.raises(NotReady, match=r"^ant@1 failed to load: it takes "):
                    draw(catalog.get("ant"))
            entry = catalog.entries()[0]
            assert entry.state == "failed"
            assert entry.reason == f"it takes {size(three):.3g} MB; the budget is 0.001 MB"


def test_a_model_that_grows_the_process_more_than_its_weights_takes_that(
    three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown = iter([0, 5_000_000, 0, 1_000_000, 0, 3_000_000, 0, 1_000_000])
    monkeypatch.setattr(memory, "resident", lambda: next(grown))
    with serving(three, load="first-use", memory_mb=5.5) as catalog:
        ant, bee = catalog.get("ant"), catalog.get("bee")
        draw(ant)
        assert ant.bytes == 5_000_000
        draw(bee)
        until(lambda: states(catalog)["ant@1"] == "unloaded")
        draw(ant)
        # Others allocate meanwhile, so the least of all measurements counts.
        assert ant.bytes == 3_000_000
        draw(bee)
        assert states(catalog) == {"ant@1": "ready", "bee@1": "ready", "cow@1": "unloaded"}


def test_a_model_with_open_jobs_stays_until_they_are_done(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(three, load="first-use", memory_mb=size(three)) as catalog:
        ant = catalog.get("ant")
        draw(ant)
        assert ant.queues is not None
        batcher = ant.queues["generator"]
        go, run = threading.Event(), batcher.run
        monkeypatch.setattr(batcher, "run", lambda *batch: (go.wait(PATIENCE), run(*batch))[1])
        open_job = send(ant, 3)
        waits = send(catalog.get("bee"))
        # The one that is to leave takes no more jobs, else it would never be idle; this one is served when it's back.
        until(lambda: bool(ant._leaving))
        comes_back = send(ant, 4)
        time.sleep(0.02)
        assert states(catalog) == {"ant@1": "ready", "bee@1": "unloaded", "cow@1": "unloaded"}
        assert not waits.done()
        go.set()
        for job in (open_job, waits, comes_back):
            assert job.result(PATIENCE).shape == (1, 16, 16, 3)


def test_a_model_that_has_left_leaves_nothing_behind(three: Path) -> None:
    with serving(three, load="first-use", memory_mb=size(three)) as catalog:
        ant = catalog.get("ant")
        draw(ant)
        # What holds its sessions.
        run = weakref.ref(ant.queues["generator"].run)  # type: ignore[index]
        assert run() is not None
        gc.disable()
        try:
            draw(catalog.get("bee"))
            until(lambda: run() is None)
        finally:
            gc.enable()


def widen(folder: Path, hidden: int = 500_000) -> None:
    """Puts a layer of 32 MB before the generator, which changes its pictures."""
    path = folder / "generator.onnx"
    graph = onnx.load(path)
    for node in graph.graph.node:
        node.input[:] = ["mixed" if name == "z" else name for name in node.input]
    for name, shape in (("up", (toy.LATENT, hidden)), ("down", (hidden, toy.LATENT))):
        weights = np.full(shape, 0.001, np.float32)
        graph.graph.initializer.append(onnx.numpy_helper.from_array(weights, name))
    graph.graph.node.insert(0, onnx.helper.make_node("MatMul", ["z", "up"], ["hidden"]))
    graph.graph.node.insert(1, onnx.helper.make_node("MatMul", ["hidden", "down"], ["mixed"]))
    path.write_bytes(graph.SerializeToString())
    toy.regild(folder)


def test_memory_that_a_model_held_goes_back_to_the_system(tmp_path: Path) -> None:
    for name in NAMES[:2]:
        widen(toy.build(tmp_path, name, classes=()))
    # In a process of its own: a large one may let go meanwhile what other tests left.
    with ProcessPoolExecutor(1, get_context("spawn")) as apart:
        grown = apart.submit(_grown, tmp_path).result(6 * PATIENCE)
    # One of them is there, with the bytes of its file and the runtime's arena; eight would take over 800 MB.
    assert 20e6 < grown < 200e6


def _grown(models: Path) -> int:
    """By how many bytes a process grows that draws with two models in turn, of which one has room at a time."""
    memory.release()
    before = resident()
    with (
        pytest.MonkeyPatch.context() as patch,
        serving(models, load="first-use", memory_mb=40, max_batch=1, threads=1) as catalog,
    ):
        patch.setattr(memory, "resident", lambda: 0)
        for _ in range(4):
            for name in NAMES[:2]:
                draw(catalog.get(name))
        return resident() - before


def test_the_drain_waits_for_models_that_jobs_wait_for(three: Path, loads: Loads) -> None:
    with serving(three, load="first-use") as catalog:
        live = catalog.get("ant")
        jobs = [send(live, seed) for seed in range(3)]
        closing = threading.Thread(target=catalog.close, args=(PATIENCE,))
        closing.start()
        until(lambda: not catalog.ready)
        with pytest.raises(Draining):
            catalog.get("bee")
        loads.let()
        closing.join(PATIENCE)
        assert all(job.result(0).shape == (1, 16, 16, 3) for job in jobs)
        with pytest.raises(Draining):
            send(next(entry.model for entry in catalog.entries() if entry.name == "bee"))  # type: ignore[arg-type]


def test_jobs_whose_model_does_not_come_before_the_end_of_the_drain_are_told_so(three: Path, loads: Loads) -> None:
    before = set(threading.enumerate())
    with serving(three, load="first-use") as catalog:
        jobs = [send(catalog.get(name)) for name in ("ant", "bee")]
        until(lambda: loads.names == ["ant"])
        closing = threading.Thread(target=catalog.close, args=(0.01,))
        closing.start()
        for job in jobs:
            with pytest.raises(Draining):
                job.result(PATIENCE)
        loads.let()
        closing.join(PATIENCE)
        assert loads.names == ["ant"]
    until(lambda: not set(threading.enumerate()) - before)


class Client:
    """Asks for pictures of all models, a few at a time, and notes those that come out wrong."""

    def __init__(self, catalog: Catalog, number: int, right: dict[tuple[str, int], np.ndarray]) -> None:
        self.wrong: list[object] = []
        self._catalog = catalog
        self._right = right
        self._draw = np.random.default_rng(number)

    def run(self) -> None:
        for _ in range(12):
            asked = [(str(self._draw.choice(NAMES)), int(self._draw.integers(8))) for _ in range(4)]
            jobs = [send(self._catalog.get(name), seed, seconds=60) for name, seed in asked]
            if self._draw.random() < 0.2:
                jobs[0].cancel()
            self.wrong += [end for end in map(self._end, asked, jobs) if end is not None]

    def _end(self, asked: tuple[str, int], job: Future[np.ndarray]) -> object:
        try:
            right = np.array_equal(job.result(60), self._right[asked])
        except CancelledError:
            return None
        except Exception as error:
            return asked, error
        return None if right else asked


def test_with_room_for_one_of_three_every_job_of_many_clients_is_answered_right(
    three: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(three) as catalog:
        right = {(name, seed): draw(catalog.get(name), seed) for name in NAMES for seed in range(8)}
    metrics = Metrics()
    with serving(three, metrics, load="first-use", memory_mb=size(three)) as catalog:
        clients = [Client(catalog, number, right) for number in range(12)]
        threads = [threading.Thread(target=client.run) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [wrong for client in clients for wrong in client.wrong] == []
        assert list(states(catalog).values()).count("ready") == 1
    sums = [
        sum(
            metrics.registry.get_sample_value(f"ganymede_model_{what}_total", {"model": f"{name}@1"}) or 0
            for name in NAMES
        )
        for what in ("loads", "unloads")
    ]
    assert sums[0] == sums[1] + 1 > 3
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
