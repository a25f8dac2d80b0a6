"""The collectors: each named once, in base units, and cheap to have many times in one process."""

import re
from typing import Any, get_args

import pytest

from app.metrics import Metrics, State


def test_many_applications_live_in_one_process() -> None:
    one, two = Metrics(), Metrics()
    one.request("/generate", "toy@1", 200)
    labels = {"route": "/generate", "model": "toy@1", "status": "200"}
    assert one.registry.get_sample_value("ganymede_requests_total", labels) == 1
    assert two.registry.get_sample_value("ganymede_requests_total", labels) is None


def test_a_model_has_all_of_its_series_from_the_start() -> None:
    """A counter that appears only with its first event hides that event from `rate()`."""
    metrics = Metrics()
    metrics.model("toy@1")
    text = metrics.exposition().decode()
    for series in (
        'ganymede_phase_seconds_count{model="toy@1",phase="decode"} 0.0',
        'ganymede_batches_total{model="toy@1",reason="wait"} 0.0',
        'ganymede_dropped_samples_total{model="toy@1",reason="cancelled"} 0.0',
        'ganymede_refused_requests_total{model="toy@1",reason="queue"} 0.0',
        'ganymede_padding_samples_total{model="toy@1"} 0.0',
        'ganymede_images_total{model="toy@1"} 0.0',
        'ganymede_model_bytes{model="toy@1"} 0.0',
        'ganymede_model_loads_total{model="toy@1"} 0.0',
        'ganymede_model_unloads_total{model="toy@1"} 0.0',
    ):
        assert series in text


def test_the_queue_s_gauges_are_read_at_the_scrape() -> None:
    metrics = Metrics()
    waiting = [3.0]
    metrics.model("toy@1").watch(lambda: waiting[0], lambda: 0, lambda: waiting[0] / 10, lambda: True)
    waiting[0] = 5
    assert metrics.registry.get_sample_value("ganymede_queue_samples", {"model": "toy@1"}) == 5
    assert metrics.registry.get_sample_value("ganymede_queue_seconds", {"model": "toy@1"}) == 0.5
    assert metrics.registry.get_sample_value("ganymede_model_state", {"model": "toy@1", "state": "failing"}) == 1


def test_a_model_is_in_one_state_at_a_time() -> None:
    metrics = Metrics()
    for state in get_args(State):
        metrics.state("toy@1", state)
        states = {
            name: metrics.registry.get_sample_value("ganymede_model_state", {"model": "toy@1", "state": name})
            for name in get_args(State)
        }
        assert states == {name: float(name == state) for name in states}


def test_names_are_as_promtool_wants_them() -> None:
    """Counters end in _total and nothing else does; base units; help for each; no series for creation times."""
    metrics = Metrics()
    metrics.model("toy@1")
    text = metrics.exposition().decode()
    kinds = dict(re.findall(r"# TYPE (ganymede_\w+) (\w+)", text))
    helps = dict(re.findall(r"# HELP (ganymede_\w+) (.+)", text))
    assert len(kinds) == 33
    for name, kind in kinds.items():
        assert name.endswith("_total") == (kind == "counter"), name
        assert not re.search(r"_(ms|milliseconds|us|minutes|percent|created|count|sum|bucket)$", name), name
        assert helps[name].endswith("."), name


def test_process_platform_and_collector_are_there() -> None:
    text = Metrics().exposition().decode()
    for name in ("process_cpu_seconds_total", "python_info", "python_gc_collections_total"):
        assert name in text


def test_a_request_that_is_counted_while_its_model_leaves_hides_none_that_come_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    metrics = Metrics()
    resolve = metrics._requests.labels

    def slowly(*labels: str) -> Any:
        counter = resolve(*labels)
        metrics.forget("m@1")
        return counter

    with monkeypatch.context() as patch:
        patch.setattr(metrics._requests, "labels", slowly)
        metrics.request("/generate", "m@1", 200)
    metrics.request("/generate", "m@1", 200)
    labels = {"route": "/generate", "model": "m@1", "status": "200"}
    assert metrics.registry.get_sample_value("ganymede_requests_total", labels) == 1
