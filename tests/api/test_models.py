"""What is served, in which state, and where it comes from."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app import contract
from tests import toy
from tests.api.conftest import Serve

SHEET = b"\x89PNG a sheet of samples"
CARD = "# Toy — a card"


@pytest.fixture
def documented(serve: Serve, tmp_path: Path) -> Iterator[TestClient]:
    """A client of `toy@1`, which has a sheet and a card, and `toy@2`, whose graph was altered."""
    folder = toy.direct(toy.build(tmp_path, "toy"))
    for sheet in ("samples.png", "directions.png"):
        (folder / sheet).write_bytes(SHEET)
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    files = {path.name: contract.digest(path.read_bytes()) for path in folder.iterdir() if path.name != "model.json"}
    toy.rewrite(folder, files=files, metrics=(contract.Metric(name="fid", value=9.5, floor=1.5, protocol="10k"),))
    (toy.build(tmp_path, "toy", version=2) / "generator.onnx").write_bytes(b"altered")
    return serve(models=tmp_path)


def test_every_version_is_listed_with_its_state_and_reason(documented: TestClient) -> None:
    altered, good = documented.get("/models").json()["models"]
    assert (good["model"], good["state"], good["reason"]) == ("toy@1", "ready", None)
    assert (altered["model"], altered["state"], altered["bytes"]) == ("toy@2", "failed", 0)
    assert good["bytes"] > 0
    assert "generator.onnx was altered: its SHA-256 is not the manifest's" in altered["reason"]


def test_a_model_shows_what_it_is_and_where_it_comes_from(documented: TestClient) -> None:
    shown = documented.get("/models/toy@1").json()
    assert shown["classes"] == ["cat", "dog"]
    assert shown["metrics"] == [{"name": "fid", "value": 9.5, "floor": 1.5, "others": {}, "protocol": "10k"}]
    assert shown["training"]["recipe"] == "toy"
    assert shown["licence"]["weights"] == "CC0-1.0"
    assert [tensor["meaning"] for tensor in shown["graphs"]["generator"]["inputs"]] == ["latent", "label"]
    assert shown["seconds_by_batch_size"]["generator"]["1"] > 0
    assert shown["runtime"].startswith("onnxruntime ")
    assert "golden" not in shown


def test_every_link_of_a_model_leads_somewhere(documented: TestClient) -> None:
    links = documented.get("/models/toy@1").json()["links"]
    assert set(links) == {"self", "generate", "edit", "map", "samples", "directions", "card"}
    assert {documented.get(link).status_code for link in links.values()} == {200}


def test_a_model_shows_what_its_pictures_look_like(documented: TestClient) -> None:
    shown = documented.get("/models/toy@1").json()["output"]["generator"]
    assert (shown["pictures"], shown["pairs"], shown["mean"], shown["diversity"]) == (0, 0, None, None)
    assert shown["reference"]["diversity"] > 0.5
    assert documented.get("/generate?model=toy@1&n=8&seed=1&class=cat&format=zip").status_code == 200
    end = time.monotonic() + 10
    while not (shown := documented.get("/models/toy@1").json()["output"]["generator"])["pictures"]:
        assert time.monotonic() < end, "nobody looked"
    assert (shown["pairs"], shown["twins"]) == (shown["pictures"] - 1, 0)
    assert shown["diversity"] > 0.5
    assert shown["variance"] > 0.01


def test_a_bare_name_means_the_newest_version_that_is_ready(documented: TestClient) -> None:
    assert documented.get("/models/toy").json()["model"] == "toy@1"
    assert documented.get("/models/toy@2").json()["state"] == "failed"


def test_a_model_tells_its_directions_how_they_were_found_and_how_far_they_go(
    documented: TestClient, client: TestClient
) -> None:
    found = [
        {"name": "hue", "kind": "sefa", "range": [-3.0, 3.0]},
        {"name": "size", "kind": "pca", "range": [0.0, 2.0]},
    ]
    assert documented.get("/models/toy@1").json()["directions"] == found
    _, listed = documented.get("/models").json()["models"]
    assert listed["directions"] == found
    assert client.get("/models/toy").json()["directions"] == []


def test_the_card_is_sent_as_it_is(documented: TestClient) -> None:
    card = documented.get("/models/toy/card")
    assert (card.text, card.headers["content-type"]) == (CARD, "text/markdown; charset=utf-8")


@pytest.mark.parametrize("file", ["samples.png", "directions.png"])
def test_a_sheet_is_sent_as_it_is_and_may_be_kept(documented: TestClient, file: str) -> None:
    sheet = documented.get(f"/models/toy/{file}")
    assert (sheet.content, sheet.headers["content-type"]) == (SHEET, "image/png")
    assert sheet.headers["cache-control"] == "public, no-cache"
    again = documented.get(f"/models/toy/{file}", headers={"if-none-match": sheet.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_sheet_that_was_altered_is_not_sent(documented: TestClient, tmp_path: Path) -> None:
    (tmp_path / "toy" / "1" / "samples.png").write_bytes(b"another")
    answer = documented.get("/models/toy/samples.png")
    assert answer.status_code == 503
    assert "samples.png was altered" in answer.json()["detail"]


@pytest.mark.parametrize("file", ["samples.png", "directions.png"])
def test_a_model_without_a_sheet_says_so(client: TestClient, file: str) -> None:
    answer = client.get(f"/models/toy/{file}")
    assert (answer.status_code, answer.json()["detail"]) == (404, f"toy@2 comes without {file}.")


def test_files_of_a_model_that_failed_are_not_sent(documented: TestClient) -> None:
    answer = documented.get("/models/toy@2/card")
    assert answer.status_code == 503
    assert answer.json()["detail"].startswith("toy@2 is failed: ")


@pytest.mark.parametrize("reference", ["cow", "toy@9", "toy@", "@", "..%2f..%2fetc"])
def test_an_unknown_model_lists_those_that_exist(client: TestClient, reference: str) -> None:
    answer = client.get(f"/models/{reference}")
    assert answer.status_code == 404
    if "%" not in reference:
        assert answer.json()["known"] == ["shapes@1", "toy@2", "toy@1"]


def test_a_model_that_is_not_in_memory_shows_what_it_is_and_takes_nothing(serve: Serve) -> None:
    client = serve(load="first-use")
    shown = client.get("/models/toy").json()
    assert (shown["model"], shown["state"], shown["reason"], shown["bytes"]) == ("toy@2", "unloaded", None, 0)
    assert (shown["classes"], shown["seconds_by_batch_size"]) == (["cat", "dog"], {})
    assert client.get("/models/toy/card").status_code == 404
    assert client.get(shown["links"]["generate"]).headers["x-model"] == "toy@2"
    shown = client.get("/models/toy").json()
    assert (shown["state"], shown["seconds_by_batch_size"]["generator"]["1"] > 0) == ("ready", True)
    assert shown["bytes"] >= 10_000
