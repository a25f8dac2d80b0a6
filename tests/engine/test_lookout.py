"""What others do to the folder of models: complete versions come, vanished ones go, and workers follow each other."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from app.engine import orders, uploads
from app.engine.catalog import Catalog
from app.engine.incoming import incoming
from app.errors import RetiredModel, UnknownModel
from app.metrics import Metrics
from tests import toy
from tests.conftest import serving
from tests.engine.test_changes import draw, meant, states, until


def looked(catalog: Catalog, times: int = 2) -> Catalog:
    """After so many looks: a folder that nobody writes to any more has come at the second."""
    for _ in range(times):
        catalog.lookout.look()
    return catalog


def test_a_newer_version_that_is_complete_comes_and_takes_over(tmp_path: Path) -> None:
    toy.build(tmp_path)
    with serving(tmp_path, watch_seconds=0.1) as catalog:
        toy.build(tmp_path, version=2, seed=2)
        until(lambda: meant(catalog) == {2: 1})
        shutil.rmtree(tmp_path / "toy" / "2")
        until(lambda: meant(catalog) == {1: 1})
        with pytest.raises(UnknownModel):
            catalog.named("toy@2")


def test_a_version_that_was_moved_away_and_back_comes_again(tmp_path: Path) -> None:
    toy.build(tmp_path / "models")
    with serving(tmp_path / "models") as catalog:
        looked(catalog)
        folder = toy.build(tmp_path / "models", version=2, seed=2)
        assert set(states(looked(catalog))) == {"toy@2", "toy@1"}
        folder.rename(tmp_path / "away")
        assert set(states(looked(catalog))) == {"toy@1"}
        (tmp_path / "away").rename(folder)
        assert set(states(looked(catalog))) == {"toy@2", "toy@1"}
        assert meant(catalog) == {2: 1}


def test_what_is_not_complete_is_left_alone_until_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    toy.build(tmp_path / "models")
    done = toy.build(tmp_path / "elsewhere", version=2, seed=2)
    with serving(tmp_path / "models") as catalog:
        looked(catalog)
        folder = tmp_path / "models" / "toy" / "2"
        folder.mkdir()
        graph = (done / "generator.onnx").read_bytes()
        (folder / "generator.onnx").write_bytes(graph)
        assert set(states(looked(catalog))) == {"toy@1"}  # no manifest yet
        shutil.copy(done / "model.json", folder)
        (folder / "generator.onnx").write_bytes(graph[:-9])
        assert set(states(looked(catalog, 1))) == {"toy@1"}  # somebody writes
        assert set(states(looked(catalog, 3))) == {"toy@1"}  # nobody does, and the hash is another
        assert caplog.text.count("toy@2 is not complete, and left alone until it changes") == 1
        (folder / "generator.onnx").write_bytes(graph)
        assert states(looked(catalog)) == {"toy@2": "ready", "toy@1": "ready"}
        assert meant(catalog) == {2: 1}


def test_one_that_can_t_be_served_says_why_and_is_tried_again_once_it_is_mended(tmp_path: Path) -> None:
    toy.build(tmp_path)
    metrics = Metrics()
    with serving(tmp_path, metrics) as catalog:
        folder = toy.build(tmp_path, version=2, seed=2)
        toy.lie(folder)
        for _ in range(4):
            assert meant(looked(catalog)) == {1: 1}
        assert "are not the exporter's" in (catalog.entries()[0].reason or "")
        assert metrics.registry.get_sample_value("ganymede_model_swaps_total", {"name": "toy", "result": "failed"}) == 1
        assert catalog.ready
        toy.regild(folder)
        assert meant(looked(catalog)) == {2: 1}


def test_an_older_version_comes_for_those_alone_who_name_it(tmp_path: Path) -> None:
    toy.build(tmp_path, version=2, seed=2)
    with serving(tmp_path) as catalog:
        toy.build(tmp_path, version=1)
        assert meant(looked(catalog), 5) == {2: 5}
        assert catalog.named("toy@1").manifest.version == 1


def test_where_an_operator_has_versions_share_the_requests_a_new_one_gets_none(models_copy: Path) -> None:
    with serving(models_copy) as catalog:
        catalog.changes.load("toy", 1, {2: 0.5})
        toy.build(models_copy, version=3, seed=3)
        assert set(meant(looked(catalog), 20)) == {1, 2}
        assert catalog.named("toy@3").manifest.version == 3
        catalog.changes.load("toy", 1)
        toy.build(models_copy, version=4, seed=4)
        assert meant(looked(catalog)) == {4: 1}  # a rollback holds for what was there


def test_what_an_operator_took_out_of_service_stays_out(models_copy: Path) -> None:
    with serving(models_copy) as catalog:
        catalog.changes.unload("toy", 2)
        assert states(looked(catalog, 3))["toy@2"] == "retired"


@pytest.mark.parametrize("empty", [False, True])
def test_where_the_whole_folder_is_gone_what_is_loaded_goes_on_and_it_is_said(
    models_copy: Path, caplog: pytest.LogCaptureFixture, empty: bool
) -> None:
    with serving(models_copy) as catalog:
        before = states(catalog)
        kept = models_copy.rename(models_copy.parent / "kept")
        if empty:
            models_copy.mkdir()
        looked(catalog, 3)
        assert states(catalog) == before
        assert catalog.ready
        said = f"{models_copy} holds no models any more: those that are loaded go on."
        assert catalog.lookout.notice == said
        assert caplog.text.count(said) == 1
        if empty:
            models_copy.rmdir()
        kept.rename(models_copy)
        assert states(looked(catalog)) == before
        assert catalog.lookout.notice is None


def test_one_worker_does_what_another_was_told(models_copy: Path) -> None:
    with serving(models_copy) as told, serving(models_copy) as other:
        told.changes.load("toy", 1, {2: 0.25})
        other.lookout.follow()
        assert meant(other, 20)[1] == pytest.approx(15, abs=2)
        toy.build(models_copy, version=3, seed=3)
        told.changes.load("toy")
        assert set(meant(other)) <= {1, 2}
        other.lookout.follow()
        assert meant(other, 5) == {3: 5}
        told.changes.unload("toy", 1)
        other.lookout.follow()
        with pytest.raises(RetiredModel):
            other.named("toy@1")
        other.lookout.follow()  # nothing was said since
        assert states(other) == states(told)


def sent(models: Path, catalog: Catalog, source: Path) -> None:
    """Sends the folder of toy@2 as an operator does."""
    with incoming(models) as place:
        with zipfile.ZipFile(place.archive, "w") as archive:
            for path in source.iterdir():
                archive.write(path, path.name)
        uploads.put(catalog.changes, "toy", 2, place, 10**6)


def test_a_version_that_is_deleted_before_others_look_leaves_them_too(models_copy: Path) -> None:
    with serving(models_copy) as told, serving(models_copy) as other:
        told.changes.unload("toy", 2)
        uploads.delete(told.changes, "toy", 2)
        other.lookout.follow()
        assert states(other) == states(told) == {"shapes@1": "ready", "toy@1": "ready"}
        assert meant(other) == {1: 1}


def test_one_that_comes_again_with_other_weights_before_others_look_does_so_everywhere(
    models_copy: Path, tmp_path: Path
) -> None:
    another = toy.build(tmp_path / "another", version=2, seed=9)
    with serving(models_copy) as told, serving(models_copy) as other:
        before = draw(other.named("toy@2"))
        told.changes.unload("toy", 2)
        uploads.delete(told.changes, "toy", 2)
        sent(models_copy, told, another)
        other.lookout.follow()
        np.testing.assert_array_equal(draw(other.named("toy@2")), draw(told.named("toy@2")))
        assert (draw(other.named("toy@2")) != before).any()
        assert meant(other) == {2: 1}


def test_a_deleted_version_whose_folder_is_put_back_by_hand_stays_out_until_it_is_loaded(
    models_copy: Path, tmp_path: Path
) -> None:
    kept = shutil.copytree(models_copy / "toy" / "2", tmp_path / "kept")
    with serving(models_copy) as catalog:
        catalog.changes.unload("toy", 2)
        uploads.delete(catalog.changes, "toy", 2)
        shutil.copytree(kept, models_copy / "toy" / "2")
        assert set(states(looked(catalog, 3))) == {"shapes@1", "toy@1"}
        catalog.changes.load("toy", 2)
        assert meant(catalog) == {2: 1}
    with serving(models_copy) as again:
        assert states(again) == {"shapes@1": "ready", "toy@2": "ready", "toy@1": "ready"}


def test_orders_of_versions_that_can_t_be_served_here_leave_what_can(models_copy: Path) -> None:
    with serving(models_copy) as other:
        orders.change(models_copy, "toy", lambda _: orders.Order(shares={2: 0.5, 7: 0.5}))
        other.lookout.follow()
        assert meant(other, 5) == {2: 5}


def test_several_workers_that_may_be_told_follow_by_themselves(models_copy: Path) -> None:
    with serving(models_copy, admin=True, workers=2) as told, serving(models_copy, admin=True, workers=2) as other:
        told.changes.load("toy", 1)
        until(lambda: meant(other) == {1: 1})
