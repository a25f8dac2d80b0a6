"""What is served, changed while it is: what comes is proven first, what leaves ends in peace, and nothing is lost."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from app.engine import memory, orders
from app.engine.catalog import Catalog
from app.engine.model import LiveModel
from app.engine.orders import Order
from app.errors import ModelRefused, NotKept, NotReady, RetiredModel, UnknownModel
from app.metrics import Metrics
from app.settings import Settings
from tests import toy
from tests.conftest import serving

PATIENCE = 10


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.002)


def draw(live: LiveModel, seed: int = 0) -> np.ndarray:
    inputs = live.manifest.inputs(seed, range(1))
    job = live.submit(inputs, deadline=None, finish=lambda outputs: np.asarray(outputs["image"]))
    return job.result(PATIENCE)


def meant(catalog: Catalog, requests: int = 1, name: str = "toy") -> dict[int, int]:
    """How many of so many requests that name no version come to each."""
    return dict(Counter(catalog.named(name).manifest.version for _ in range(requests)))


def states(catalog: Catalog) -> dict[str, str]:
    return {entry.reference: entry.state for entry in catalog.entries()}


def test_a_version_that_came_since_is_loaded_beside_the_others_and_takes_over(tmp_path: Path) -> None:
    toy.build(tmp_path)
    with serving(tmp_path) as catalog:
        one = catalog.named("toy")
        toy.build(tmp_path, version=2, seed=2)
        with pytest.raises(UnknownModel):
            catalog.named("toy@2")
        catalog.changes.load("toy")
        assert meant(catalog, 10) == {2: 10}
        assert catalog.named("toy@1") is one
        assert states(catalog) == {"toy@2": "ready", "toy@1": "ready"}
        assert not np.array_equal(draw(catalog.named("toy")), draw(one))


def test_while_it_is_loaded_the_others_go_on_and_the_service_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy.build(tmp_path)
    with serving(tmp_path) as catalog:
        toy.build(tmp_path, version=2, seed=2)
        seen = []
        warm = catalog._residency.bring

        def watched(live: LiveModel) -> None:
            seen.append(
                (meant(catalog, 3), catalog.ready, [live.manifest.version for live in catalog.able("generate")])
            )
            with pytest.raises(NotReady, match="toy@2 is still loading"):
                catalog.named("toy@2")
            warm(live)
            seen.append(
                (meant(catalog, 3), catalog.ready, [live.manifest.version for live in catalog.able("generate")])
            )

        monkeypatch.setattr(catalog._residency, "bring", watched)
        catalog.changes.load("toy", 2)
        assert seen == [({1: 3}, True, [1]), ({1: 3}, True, [1, 2])]
        assert [live.manifest.version for live in catalog.able("generate")] == [2, 1]


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (toy.lie, "the golden samples, drawn alone, are not the exporter's"),
        (lambda folder: (folder / "generator.onnx").unlink(), "can't be read: No such file"),
        (lambda folder: (folder / "generator.onnx").write_bytes(b"\0"), "was altered"),
    ],
)
def test_one_that_fails_leaves_what_served_and_says_why(
    tmp_path: Path, break_it: Callable[[Path], None], said: str
) -> None:
    toy.build(tmp_path)
    metrics = Metrics()
    with serving(tmp_path, metrics) as catalog:
        break_it(toy.build(tmp_path, version=2, seed=2))
        with pytest.raises(ModelRefused, match=r"^toy@2 is not served: .*toy goes on with version 1\.$") as refused:
            catalog.changes.load("toy", 2)
        assert said in refused.value.detail
        assert meant(catalog, 5) == {1: 5}
        assert catalog.ready
        newest = catalog.entries()[0]
        assert (newest.reference, newest.state, newest.late) == ("toy@2", "failed", True)
        assert said in (newest.reason or "")
        assert metrics.registry.get_sample_value("ganymede_model_swaps_total", {"name": "toy", "result": "failed"}) == 1
        assert metrics.registry.get_sample_value("ganymede_images_total", {"model": "toy@2"}) is None
        assert metrics.registry.get_sample_value("ganymede_model_state", {"model": "toy@2", "state": "failed"}) == 1
        assert orders.read(tmp_path) == {}


def test_one_that_was_mended_can_be_loaded_again(tmp_path: Path) -> None:
    toy.build(tmp_path)
    with serving(tmp_path) as catalog:
        folder = toy.build(tmp_path, version=2, seed=2)
        toy.lie(folder)
        with pytest.raises(ModelRefused):
            catalog.changes.load("toy", 2)
        toy.regild(folder)
        catalog.changes.load("toy", 2)
        assert meant(catalog) == {2: 1}


def test_the_previous_version_is_there_for_a_rollback(models_copy: Path) -> None:
    with serving(models_copy) as catalog:
        assert meant(catalog) == {2: 1}
        catalog.changes.load("toy", 1)
        assert meant(catalog, 5) == {1: 5}
        assert catalog.get("toy@2").manifest.version == 2
        assert [live.manifest.reference for live in catalog.able("generate")] == ["shapes@1", "toy@1", "toy@2"]
    with serving(models_copy) as catalog:
        assert meant(catalog) == {1: 1}  # after a restart, too


def test_several_versions_share_the_requests_by_weight(models_copy: Path) -> None:
    metrics = Metrics()
    with serving(models_copy, metrics) as catalog:
        catalog.changes.load("toy", 1, {2: 0.1})
        for requests in (10, 100, 1000):
            assert meant(catalog, requests)[2] == pytest.approx(requests / 10, abs=2)
        assert catalog.shares("toy") == {1: pytest.approx(0.9), 2: pytest.approx(0.1)}
        assert metrics.registry.get_sample_value("ganymede_model_share", {"model": "toy@2"}) == pytest.approx(0.1)
        assert metrics.registry.get_sample_value("ganymede_model_share", {"model": "shapes@1"}) == 1
        assert orders.read(models_copy)["toy"].shares == {1: 0.9, 2: 0.1}
        catalog.changes.load("toy", canaries={2: 0.5})
        assert meant(catalog, 100)[1] == pytest.approx(50, abs=2)


def test_where_one_of_several_is_refused_the_others_go_again_that_came_for_this(models_copy: Path) -> None:
    with serving(models_copy) as catalog:
        catalog.changes.unload("toy", 1)
        toy.build(models_copy, version=3, seed=3)
        toy.lie(toy.build(models_copy, version=4, seed=4))
        brought: list[LiveModel] = []
        bring = catalog._residency.bring

        def watched(live: LiveModel) -> None:
            brought.append(live)
            bring(live)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(catalog._residency, "bring", watched)
            with pytest.raises(ModelRefused, match=r"^toy@4 is not served: .*toy goes on with version 2\.$"):
                catalog.changes.load("toy", canaries={1: 0.1, 3: 0.1, 4: 0.1})
        assert [live.manifest.version for live in brought] == [1, 2, 3, 4]
        assert states(catalog) == {"shapes@1": "ready", "toy@4": "failed", "toy@2": "ready", "toy@1": "retired"}
        with pytest.raises(RetiredModel):
            catalog.named("toy@1")
        with pytest.raises(UnknownModel):
            catalog.named("toy@3")
        until(lambda: [live.queues is not None for live in brought] == [False, True, False, False])
        assert meant(catalog, 5) == {2: 5}
        catalog.changes.load("toy", 3, {1: 0.5})
        assert catalog.shares("toy") == {3: 0.5, 2: 0, 1: 0.5}


def test_where_one_of_several_is_taken_out_the_others_have_its_share(models_copy: Path) -> None:
    with serving(models_copy) as catalog:
        catalog.changes.load("toy", 1, {2: 0.25})
        catalog.changes.unload("toy", 1)
        assert meant(catalog, 20) == {2: 20}


def test_a_version_that_is_taken_out_is_found_no_more_and_a_sentence_says_so(models_copy: Path) -> None:
    with serving(models_copy) as catalog:
        catalog.changes.unload("toy", 2)
        assert meant(catalog) == {1: 1}
        said = "toy@2 was taken out of service; in service: shapes@1, toy@1."
        with pytest.raises(RetiredModel) as retired:
            catalog.named("toy@2")
        assert retired.value.detail == said
        assert catalog.ready
        catalog.changes.unload("toy")
        with pytest.raises(RetiredModel, match=r"^toy was taken out of service; in service: shapes@1\.$"):
            catalog.named("toy")
    with serving(models_copy) as catalog:
        assert states(catalog) == {"shapes@1": "ready", "toy@2": "retired", "toy@1": "retired"}
        catalog.changes.unload("shapes")
        assert (catalog.reason or "").startswith("no model is in service: shapes@1: an operator took it out of service")
        catalog.changes.load("toy", 1)
        assert catalog.ready
        assert draw(catalog.named("toy@1")).shape == (1, 16, 16, 3)


def test_jobs_that_it_has_are_done_and_whoever_found_it_before_may_still_ask(models_copy: Path) -> None:
    metrics = Metrics()
    with serving(models_copy, metrics) as catalog:
        live = catalog.named("toy@2")
        before = draw(live)
        guest = object()
        catalog.guests.enter(guest)
        inputs = live.manifest.inputs(0, range(32))
        jobs = [live.submit(inputs, deadline=None, finish=len) for _ in range(8)]
        catalog.changes.unload("toy", 2)
        assert np.array_equal(draw(live), before)
        assert live.queues is not None
        assert all(job.result(PATIENCE) for job in jobs)
        catalog.guests.leave(guest)
        until(lambda: live.queues is None)
        with pytest.raises(RetiredModel):
            draw(live)
        until(lambda: metrics.registry.get_sample_value("ganymede_images_total", {"model": "toy@2"}) is None)
    told = metrics.exposition().decode()
    left = [line for line in told.splitlines() if 'model="toy@2"' in line and "ganymede_model_state" not in line]
    assert left == []
    assert metrics.registry.get_sample_value("ganymede_model_state", {"model": "toy@2", "state": "retired"}) == 1


def come_back(catalog: Catalog) -> tuple[object, LiveModel]:
    """Has toy@2 unloaded and loaded again while a guest may still ask the one before; that guest, and that one."""
    guest, old = object(), catalog.named("toy@2")
    catalog.guests.enter(guest)
    catalog.changes.unload("toy", 2)
    catalog.changes.load("toy", 2)
    return guest, old


def test_one_that_comes_back_at_once_keeps_its_metrics(models_copy: Path) -> None:
    metrics = Metrics()
    with serving(models_copy, metrics) as catalog:
        guest, old = come_back(catalog)
        assert catalog.named("toy@2") is not old
        catalog.guests.leave(guest)
        until(lambda: old.queues is None)
        draw(catalog.named("toy@2"))
        until(lambda: metrics.registry.get_sample_value("ganymede_images_total", {"model": "toy@2"}) == 1)


def test_what_one_takes_that_came_back_is_shown_when_the_one_before_has_left(models_copy: Path) -> None:
    metrics = Metrics()
    with serving(models_copy, metrics) as catalog:
        guest, old = come_back(catalog)

        def shown() -> float | None:
            return metrics.registry.get_sample_value("ganymede_model_bytes", {"model": "toy@2"})

        new = catalog.named("toy@2")
        assert shown() == old.bytes + new.bytes
        catalog.guests.leave(guest)
        until(lambda: shown() == new.bytes)


def test_what_waits_for_a_request_without_end_leaves_when_that_must_have_ended(models_copy: Path) -> None:
    with serving(models_copy, request_timeout=0.2) as catalog:
        live = catalog.named("toy@2")
        catalog.guests.enter(object())
        catalog.changes.unload("toy", 2)
        until(lambda: live.queues is None)


def test_the_budget_for_memory_holds_for_those_that_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "resident", lambda: 0)
    one = toy.build(tmp_path)
    size = 2 * (one / "generator.onnx").stat().st_size / 1e6
    with serving(tmp_path, memory_mb=1.5 * size) as catalog:
        toy.build(tmp_path, version=2, seed=2)
        catalog.changes.load("toy", 2)
        assert states(catalog) == {"toy@2": "ready", "toy@1": "unloaded"}
        draw(catalog.named("toy@1"))
        assert meant(catalog) == {2: 1}
        assert states(catalog) == {"toy@2": "unloaded", "toy@1": "ready"}


def test_one_that_leaves_for_another_meanwhile_stays_out_of_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "resident", lambda: 0)
    size = 2 * (toy.build(tmp_path) / "generator.onnx").stat().st_size / 1e6
    with serving(tmp_path, memory_mb=1.5 * size) as catalog:
        guest = object()
        catalog.guests.enter(guest)
        toy.build(tmp_path, version=2, seed=2)
        catalog.changes.unload("toy", 1)
        catalog.changes.load("toy", 2)
        assert states(catalog) == {"toy@2": "ready", "toy@1": "retired"}
        catalog.guests.leave(guest)


def test_an_unknown_model_or_version_can_be_neither_loaded_nor_unloaded(models_copy: Path) -> None:
    with serving(models_copy) as catalog:
        for change in (
            lambda: catalog.changes.load("toy", 9),
            lambda: catalog.changes.load("nobody"),
            lambda: catalog.changes.load("nobody", canaries={2: 0.1}),
            lambda: catalog.changes.load("toy", canaries={9: 0.1}),
            lambda: catalog.changes.unload("toy", 9),
            lambda: catalog.changes.unload("nobody"),
        ):
            with pytest.raises(UnknownModel):
                change()
        assert meant(catalog) == {2: 1}
        assert orders.read(models_copy) == {}


def test_while_the_models_of_the_start_load_nothing_is_changed(
    models_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Event()
    monkeypatch.setattr("app.engine.warmup.warm", lambda *_: held.wait(PATIENCE))
    catalog = Catalog(Settings(models=models_copy, device="cpu"), Metrics())
    catalog.start()
    try:
        with pytest.raises(NotReady, match="The models of the start are still loading"):
            catalog.changes.load("toy", 1)
    finally:
        held.set()
        catalog.close(0)


def test_what_can_t_be_written_down_is_not_done(models_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with serving(models_copy) as catalog:
        monkeypatch.setattr("app.engine.orders.tempfile.mkstemp", full)
        for change in (lambda: catalog.changes.load("toy", 1), lambda: catalog.changes.unload("toy", 2)):
            with pytest.raises(NotKept, match=r"\.serving\.json can't be written: No space left on device\. What is"):
                change()
        assert meant(catalog, 3) == {2: 3}
        assert set(states(catalog).values()) == {"ready"}


def test_orders_that_can_t_be_read_are_none(models_copy: Path, caplog: pytest.LogCaptureFixture) -> None:
    (models_copy / orders.FILE).write_text('{"toy": {"shares": {"1": 2}}}')
    with serving(models_copy) as catalog:
        assert meant(catalog) == {2: 1}
    assert f"{models_copy}/.serving.json can't be read: Input should be less than or equal to 1" in caplog.text


def test_orders_for_what_is_gone_leave_the_newest_that_is_there(models_copy: Path) -> None:
    orders.change(models_copy, "toy", lambda _: Order(shares={7: 1.0}, retired=frozenset({8})))
    with serving(models_copy) as catalog:
        assert meant(catalog) == {2: 1}


def test_a_graph_that_may_not_be_run_is_refused_as_at_the_start(tmp_path: Path) -> None:
    toy.build(tmp_path)
    with serving(tmp_path) as catalog:
        toy.taint(toy.build(tmp_path, version=2, seed=2))
        with pytest.raises(ModelRefused, match="is refused"):
            catalog.changes.load("toy")
        assert meant(catalog) == {1: 1}
