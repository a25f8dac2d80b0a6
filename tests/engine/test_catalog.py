"""The models folder: what is served, what a request means by a name, and what is said of folders that are broken."""

import threading
import time
from pathlib import Path

import pytest

from app.engine import model
from app.engine.catalog import Catalog
from app.errors import Draining, InvalidParameter, NotReady, UnknownClass, UnknownModel
from app.metrics import Metrics
from app.settings import Settings
from tests import toy
from tests.conftest import serving


def test_every_version_is_loaded_and_ready(catalog: Catalog) -> None:
    assert catalog.ready
    assert [(entry.reference, entry.state) for entry in catalog.entries()] == [
        ("shapes@1", "ready"),
        ("toy@2", "ready"),
        ("toy@1", "ready"),
    ]


def test_a_name_means_its_newest_version(catalog: Catalog) -> None:
    assert catalog.get("toy").manifest.reference == "toy@2"
    assert catalog.get("toy@1").manifest.reference == "toy@1"


def test_no_name_means_the_first_model_that_fits(catalog: Catalog) -> None:
    assert catalog.get().manifest.reference == "shapes@1"
    assert catalog.get(classes=["dog"]).manifest.reference == "toy@2"


def test_no_name_means_the_default_model_where_one_is_set(models_dir: Path) -> None:
    with serving(models_dir, default_model="toy@1") as catalog:
        assert catalog.get().manifest.reference == "toy@1"


@pytest.mark.parametrize("reference", ["nobody", "toy@3", "toy@", "toy@1@1", "", "../toy"])
def test_an_unknown_model_is_answered_with_those_that_are_known(catalog: Catalog, reference: str) -> None:
    with pytest.raises(UnknownModel) as unknown:
        catalog.get(reference)
    assert unknown.value.detail == f"There is no model {reference!r}; known: shapes@1, toy@2, toy@1."
    assert unknown.value.document()["known"] == ["shapes@1", "toy@2", "toy@1"]


def test_an_unknown_class_is_answered_with_those_that_are_known(catalog: Catalog) -> None:
    with pytest.raises(UnknownClass, match=r"^toy@2 has no class 'cow'; known: cat, dog\.$"):
        catalog.get("toy", classes=["cow"])
    with pytest.raises(UnknownClass, match=r"^shapes@1 has no class 'dog'; known: none\.$"):
        catalog.get("shapes", classes=["dog"])
    with pytest.raises(UnknownClass, match=r"^No model has a class 'cow'; known: cat, dog\.$"):
        catalog.get(classes=["cow"])


def test_a_model_that_lacks_the_task_is_an_invalid_parameter(catalog: Catalog) -> None:
    with pytest.raises(InvalidParameter, match="model: toy@2 can generate, not style"):
        catalog.get("toy", task="style")


def test_a_model_is_found_by_name_whatever_its_tasks(tmp_path: Path) -> None:
    toy.translator(tmp_path, "negative")
    with serving(tmp_path) as catalog:
        assert catalog.named("negative") is catalog.named("negative@1")
        with pytest.raises(InvalidParameter, match="negative@1 can translate, not generate"):
            catalog.get("negative")
        with pytest.raises(UnknownModel, match="There is no model 'negative@2'; known: negative@1"):
            catalog.named("negative@2")
    with pytest.raises(Draining):
        catalog.named("negative")


def test_an_empty_name_is_no_name_of_the_default_model(models_dir: Path) -> None:
    with serving(models_dir, default_model="toy@1") as catalog, pytest.raises(UnknownModel):
        catalog.get("")


def test_before_the_start_nothing_is_ready(settings: Settings) -> None:
    catalog = Catalog(settings, Metrics())
    assert not catalog.ready
    assert catalog.reason == "the service is starting"
    catalog.close(0)


def test_while_models_load_requests_are_told_so(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = threading.Event()
    load = model.load
    monkeypatch.setattr(model, "load", lambda folder, host: held.wait(5) and load(folder, host))
    catalog = Catalog(Settings(models=models_dir, device="cpu"), Metrics())
    catalog.start()
    try:
        assert catalog.reason == "still loading: shapes@1, toy@2, toy@1"
        with pytest.raises(NotReady, match="toy@2 is still loading"):
            catalog.get("toy")
        with pytest.raises(NotReady, match="still loading: shapes@1, toy@2, toy@1"):
            catalog.get()
    finally:
        held.set()
        catalog.close(0)


def test_a_missing_models_folder_is_the_reason_for_not_being_ready(tmp_path: Path) -> None:
    with serving(tmp_path / "nowhere") as catalog:
        assert not catalog.ready
        assert catalog.reason == (
            f"there is no folder {tmp_path}/nowhere; name the folder of models with --models or GANYMEDE_MODELS"
        )


def test_an_empty_models_folder_is_the_reason_for_not_being_ready(tmp_path: Path) -> None:
    with serving(tmp_path) as catalog:
        assert catalog.reason == f"{tmp_path} holds no model folder <name>/<version>/"


def test_what_is_no_model_folder_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    toy.build(tmp_path)
    (tmp_path / "README.md").write_text("models")
    (tmp_path / ".cache" / "1").mkdir(parents=True)
    (tmp_path / "toy" / ".partial").mkdir()
    (tmp_path / "toy" / "notes.txt").write_text("notes")
    (tmp_path / "toy" / "latest").mkdir()
    (tmp_path / "Toy" / "1").mkdir(parents=True)
    with serving(tmp_path) as catalog:
        assert [entry.reference for entry in catalog.entries()] == ["toy@1"]
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warned == [
        f"{tmp_path}/{folder} is no model folder: its path must end in <name>/<version>, such as cifar10/1."
        for folder in ("Toy/1", "toy/latest")
    ]


def test_a_broken_version_leaves_the_others_in_service(tmp_path: Path) -> None:
    toy.build(tmp_path, version=1)
    (toy.build(tmp_path, version=2) / "generator.onnx").unlink()
    with serving(tmp_path) as catalog:
        assert catalog.ready
        assert catalog.get("toy").manifest.reference == "toy@1"
        with pytest.raises(NotReady, match=r"toy@2 failed to load: .*generator.onnx can't be read: No such file"):
            catalog.get("toy@2")


def test_with_every_model_broken_the_service_is_not_ready(tmp_path: Path) -> None:
    (toy.build(tmp_path) / "model.json").write_text("{")
    with serving(tmp_path) as catalog:
        assert (catalog.reason or "").startswith("no model could be loaded: toy@1: ")


def test_with_the_default_model_broken_the_service_is_not_ready(models_dir: Path) -> None:
    with serving(models_dir, default_model="toy@9") as catalog:
        assert catalog.reason == "default model: There is no model 'toy@9'; known: shapes@1, toy@2, toy@1."


def test_an_error_of_the_loader_itself_fails_the_model_and_not_the_service(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(*_: object) -> None:
        raise MemoryError("no memory for the weights")

    monkeypatch.setattr("app.engine.warmup.warm", out_of_memory)
    with serving(models_dir) as catalog:
        assert {entry.reason for entry in catalog.entries()} == {"MemoryError: no memory for the weights"}


def test_a_live_model_says_what_it_is_and_where_it_runs(catalog: Catalog) -> None:
    one, two = catalog.get("toy@1"), catalog.get("toy@2")
    assert one.identity == two.identity
    assert one.identity.startswith("onnxruntime ")
    assert " cpu " in one.identity
    assert len(one.digest) == 64
    assert one.digest != two.digest
    assert set(one.costs["generator"]) == {1, 2, 4, 8, 16, 32}
    assert one.folder.parts[-2:] == ("toy", "1")


def test_the_same_files_have_the_same_digest_elsewhere(tmp_path: Path, catalog: Catalog) -> None:
    toy.build(tmp_path)
    with serving(tmp_path) as other:
        assert other.get("toy@1").digest == catalog.get("toy@1").digest


def test_metrics_show_the_state_of_every_model_and_what_ready_ones_are(tmp_path: Path) -> None:
    toy.build(tmp_path, version=1)
    (toy.build(tmp_path, version=2) / "generator.onnx").unlink()
    metrics = Metrics()
    with serving(tmp_path, metrics):
        text = metrics.exposition().decode()
    assert 'ganymede_model_state{model="toy@1",state="ready"} 1.0' in text
    assert 'ganymede_model_state{model="toy@1",state="loading"} 0.0' in text
    assert 'ganymede_model_state{model="toy@2",state="failed"} 1.0' in text
    assert 'model="toy@1",name="toy",recipe="toy"' in text


def test_close_finishes_accepted_work_refuses_more_and_ends_every_thread(models_dir: Path) -> None:
    before = set(threading.enumerate())
    with serving(models_dir) as catalog:
        live = catalog.get("toy")
        jobs = [live.submit(live.manifest.inputs(s, range(9)), deadline=None, finish=len) for s in range(20)]
        catalog.close(10)
        assert all(job.done() for job in jobs)
        assert catalog.reason == "the service is shutting down"
        with pytest.raises(Draining):
            catalog.get("toy")
        with pytest.raises(Draining):
            live.submit(live.manifest.inputs(0, range(1)), deadline=None, finish=len)
        catalog.close(10)
    end = time.monotonic() + 5
    while left := set(threading.enumerate()) - before:
        assert time.monotonic() < end, left
        time.sleep(0.005)
