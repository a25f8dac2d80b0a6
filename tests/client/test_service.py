"""What the service says of itself and its models."""

from pathlib import Path
from typing import Any

from app.settings import Settings
from tests import toy
from tests.client.conftest import Connect, refusal
from tests.live import live


def test_models_say_what_they_can(client: Any) -> None:
    models = {model.reference: model for model in client.models()}
    assert set(models) == {"facades@1", "hush@1", "monet@1", "shapes@1", "toy@1", "toy@2"}
    assert models["toy@2"].classes == ("cat", "dog")
    assert models["monet@1"].tasks == ("style",)
    assert models["monet@1"].styles == ("monet", "photo")
    assert {model.state for model in models.values()} == {"ready"}


def test_a_model_is_shown_with_its_manifest(client: Any) -> None:
    shown = client.model("toy")
    assert (shown.reference, shown.title, shown.reason) == ("toy@2", "Toy toy", None)
    assert shown.document["latent"]["size"] == toy.LATENT
    assert client.model("toy@1").reference == "toy@1"


def test_a_model_that_can_not_be_read_says_why(connect: Connect, tmp_path: Path) -> None:
    (toy.build(tmp_path, "toy") / "model.json").write_text("{")
    with live(Settings(models=tmp_path, device="cpu", threads=1)) as service:
        [broken] = connect(service.url).models()
    assert (broken.reference, broken.state, broken.classes) == ("toy@1", "failed", ())
    assert "model.json" in broken.reason


def test_a_service_says_that_it_lives_and_can_work(client: Any) -> None:
    assert client.health() == {"status": "alive"}
    assert {"model": "toy@2", "state": "ready", "reason": None} in client.ready()["models"]


def test_a_service_that_can_not_work_says_why(connect: Connect, tmp_path: Path) -> None:
    with live(Settings(models=tmp_path, device="cpu", threads=1)) as service:
        client = connect(service.url)
        assert client.health() == {"status": "alive"}
        assert refusal(client.ready).status == 503
