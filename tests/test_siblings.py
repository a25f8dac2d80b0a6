"""The sums over all workers: what is added up, what is not, and what stays of a worker that is gone."""

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.metrics import Metrics
from app.processes import siblings
from app.processes.siblings import Siblings

Join = Callable[[int], Metrics]


@pytest.fixture
def join(tmp_path: Path) -> Join:
    """Makes the metrics of worker `index` of two."""

    def join(index: int) -> Metrics:
        metrics = Metrics()
        metrics.shown = told = Siblings(tmp_path, index, 2, metrics.registry)
        told.listen()
        return metrics

    return join


def value(metrics: Metrics, name: str, /, **labels: str) -> float | None:
    """The value of one series as the worker shows it; None if it isn't there."""
    found = [
        sample.value
        for family in text_string_to_metric_families(metrics.exposition().decode())
        for sample in family.samples
        if (sample.name, sample.labels) == (name, labels)
    ]
    assert len(found) < 2, f"{name} is there twice"
    return found[0] if found else None


def test_what_is_counted_is_added_up_by_whichever_worker_is_asked(join: Join) -> None:
    one, two = join(0), join(1)
    for metrics, times in ((one, 2), (two, 3)):
        for _ in range(times):
            metrics.request("/generate", "toy@1", 200)
            metrics.model("toy@1").infer.observe(0.001 * times)
    two.request("/generate", "toy@1", 500)
    for asked in (one, two):
        labels = {"route": "/generate", "model": "toy@1"}
        assert value(asked, "ganymede_requests_total", status="200", **labels) == 5
        assert value(asked, "ganymede_requests_total", status="500", **labels) == 1
        phase = {"model": "toy@1", "phase": "infer"}
        assert value(asked, "ganymede_phase_seconds_count", **phase) == 5
        assert value(asked, "ganymede_phase_seconds_bucket", le="0.0025", **phase) == 2
        assert value(asked, "ganymede_phase_seconds_bucket", le="+Inf", **phase) == 5
        assert value(asked, "ganymede_phase_seconds_sum", **phase) == pytest.approx(0.013)


def test_gauges_are_merged_by_what_they_mean(join: Join) -> None:
    one, two = join(0), join(1)
    for metrics, samples in ((one, 3), (two, 4)):
        metrics.model("toy@1").watch(
            lambda samples=samples: samples, lambda: 0, lambda samples=samples: samples / 10, lambda: False
        )
        metrics.info("toy@1", recipe="toy", device="cpu", runtime="any")
    one.state("toy@1", "ready")
    two.state("toy@1", "loading")
    assert value(one, "ganymede_queue_samples", model="toy@1") == 7
    assert value(one, "ganymede_queue_seconds", model="toy@1") == 0.4
    states = {state: value(one, "ganymede_model_state", model="toy@1", state=state) for state in ("ready", "loading")}
    assert states == {"ready": 1, "loading": 1}
    assert value(one, "ganymede_model_state", model="toy@1", state="failed") == 0
    info = {"model": "toy@1", "name": "toy", "version": "1", "recipe": "toy", "device": "cpu", "runtime": "any"}
    assert value(one, "ganymede_model_info", **info) == 1


def test_what_pictures_look_like_is_added_up_and_the_golden_samples_are_not(join: Join) -> None:
    one, two = join(0), join(1)
    for metrics, diversities in ((one, (0.5, 0.7)), (two, (0.0,))):
        graph = metrics.outputs.graph("toy@1", "generator", judged=True)
        for diversity in diversities:
            graph.diversity.observe(diversity)
            graph.mean.observe(0.25)
        graph.refer("diversity", 0.9)
        assert graph.score is not None
        graph.score.observe(-3)
    labels = {"model": "toy@1", "graph": "generator"}
    for asked in (one, two):
        assert value(asked, "ganymede_output_diversity_sum", **labels) == pytest.approx(1.2)
        assert value(asked, "ganymede_output_diversity_count", **labels) == 3
        assert value(asked, "ganymede_output_diversity_bucket", le="0.01", **labels) == 1
        assert value(asked, "ganymede_output_mean_sum", **labels) == 0.75
        assert value(asked, "ganymede_output_critic_score_bucket", le="-2.0", **labels) == 2
        assert value(asked, "ganymede_output_reference", measure="diversity", **labels) == 0.9


def test_what_the_process_is_has_its_worker_s_label(join: Join) -> None:
    one, _ = join(0), join(1)
    for worker in ("0", "1"):
        assert value(one, "process_start_time_seconds", worker=worker)
        assert value(one, "ganymede_worker_up", worker=worker) == 1
    assert value(one, "process_start_time_seconds") is None


def test_a_worker_that_is_gone_counts_as_it_last_told_and_its_successor_goes_on(join: Join, tmp_path: Path) -> None:
    one, two = join(0), join(1)
    labels = {"route": "/generate", "model": "toy@1", "status": "200"}
    two.request("/generate", "toy@1", 200)
    two.model("toy@1").watch(lambda: 4, lambda: 0, lambda: 4, lambda: False)
    assert value(one, "ganymede_requests_total", **labels) == 1

    (tmp_path / "1.socket").unlink()
    assert value(one, "ganymede_requests_total", **labels) == 1
    assert value(one, "ganymede_worker_up", worker="1") == 0
    assert value(one, "ganymede_queue_samples", model="toy@1") is None
    assert value(one, "process_start_time_seconds", worker="1") is None

    successor = join(1)
    successor.request("/generate", "toy@1", 200)
    for asked in (one, successor):
        assert value(asked, "ganymede_requests_total", **labels) == 2
        assert value(asked, "ganymede_worker_up", worker="1") == 1


@pytest.mark.parametrize("answer", [None, b'[["ganymede_requests", "HTTP'])
def test_a_worker_that_hangs_or_dies_while_it_tells_is_missing(
    join: Join, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes | None
) -> None:
    monkeypatch.setattr(siblings, "PATIENCE", 0.2)
    one = join(0)
    with socket.socket(socket.AF_UNIX) as broken:
        broken.bind(str(tmp_path / "1.socket"))
        broken.listen()
        if answer is not None:
            Thread(target=tell, args=(broken, answer), daemon=True).start()
        assert value(one, "ganymede_worker_up", worker="1") == 0
        assert value(one, "ganymede_worker_up", worker="0") == 1


def tell(listener: socket.socket, answer: bytes) -> None:
    caller, _ = listener.accept()
    with caller:
        caller.sendall(answer)


@pytest.mark.parametrize(
    ("owner", "name", "error"),
    [
        (socket.socket, "accept", OSError(24, "Too many open files")),
        (Siblings, "write", RuntimeError("dictionary changed size during iteration")),
    ],
)
def test_a_worker_that_could_not_tell_once_is_there_for_a_later_scrape(
    join: Join, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, error: Exception
) -> None:
    monkeypatch.setattr(siblings, "PATIENCE", 0.2)
    act, failed = getattr(owner, name), Event()

    def fails_once(self: object) -> object:
        if threading.current_thread().name == "ganymede-siblings" and not failed.is_set():
            failed.set()
            raise error
        return act(self)

    one = join(0)
    monkeypatch.setattr(owner, name, fails_once)
    join(1)
    value(one, "ganymede_worker_up", worker="1")
    assert failed.is_set()
    end = time.monotonic() + 10
    while value(one, "ganymede_worker_up", worker="1") == 0:
        assert time.monotonic() < end, "it is down for ever"


def test_metrics_are_shown_where_they_can_t_be_written(
    join: Join, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, _ = join(0), join(1)
    (tmp_path / "0.new").mkdir()
    assert value(one, "ganymede_worker_up", worker="0") == 1
    assert "The metrics can't be kept for after a crash: " in caplog.text


def test_families_are_told_once_each_in_one_piece(join: Join) -> None:
    """As promtool wants it, for any number of workers."""
    one, two = join(0), join(1)
    one.model("toy@1")
    two.model("toy@2")
    lines = one.exposition().decode().splitlines()
    for mark in ("# HELP ", "# TYPE "):
        named = [line.split()[2] for line in lines if line.startswith(mark)]
        assert len(named) == len(set(named))
        assert "ganymede_worker_up" in named
    series = [line.rpartition(" ")[0] for line in lines if not line.startswith("#")]
    assert len(series) == len(set(series))
