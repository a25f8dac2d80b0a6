"""Several classes by weights, and pictures of a first stage."""

from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from starlette.testclient import TestClient

from app import contract
from app.engine import providers
from app.media.provenance import recipe_of
from tests import toy, toy_parts
from tests.api.conftest import Serve
from tests.api.test_generate import pixels

ASKED = "/generate?model=mixing@1&seed=9"


def ask(client: TestClient, label: str, rest: str = "") -> np.ndarray:
    answer = client.get(f"{ASKED}&class={quote(label)}{rest}")
    assert answer.status_code == 200, answer.text
    return pixels(answer.content)


def test_a_mixture_draws_what_the_graph_draws_of_its_weights(studio: TestClient, studio_dir: Path) -> None:
    folder = studio_dir / "mixing" / "1"
    manifest = contract.read(folder)
    inputs = manifest.inputs(9, range(1), {1: 0.7, 0: 0.3})
    [image] = providers.load((folder / "generator.onnx").read_bytes()).run(["image"], inputs)
    np.testing.assert_array_equal(ask(studio, "dog:0.7,cat:0.3"), image[0])


def test_weights_are_normalised_in_any_order_and_unit(studio: TestClient) -> None:
    due = ask(studio, "dog:0.75,cat:0.25")
    for same in ("cat:0.25,dog:0.75", "dog:3,cat:1", "1:75, 0:25", "dog:3e-5,cat:1e-5,"):
        np.testing.assert_array_equal(ask(studio, same), due)
    assert not np.array_equal(ask(studio, "dog:0.5,cat:0.5"), due)


def test_a_mixture_of_one_is_that_class(studio: TestClient) -> None:
    answer = studio.get(f"{ASKED}&class=dog:0.3")
    assert answer.headers["x-class"] == "dog"
    assert answer.content == studio.get(f"{ASKED}&class=dog").content
    # The model that draws one class at once has nothing against it, either.
    assert studio.get("/generate?model=judged&class=owl:2").headers["x-class"] == "owl"


def test_a_mixture_of_more_classes_than_there_are_is_refused_at_once(studio: TestClient) -> None:
    body = {"model": "mixing", "class": {f"x{number}": 1 for number in range(70_000)}}
    answer = studio.post("/interpolate", json=body)
    assert (answer.status_code, answer.json()["detail"]) == (422, "class: names 70000 classes; mixing@1 has 3")


def test_a_mixture_whose_name_a_format_can_t_hold_is_refused_before_it_is_drawn(serve: Serve, tmp_path: Path) -> None:
    names = tuple(f"{number:02} {'é' * 150}" for number in range(80))
    toy.build(tmp_path, "wide", weighs=True, classes=names)
    client = serve(models=tmp_path)
    asked = f"/generate?model=wide&seed=1&class={','.join(f'{number}:1' for number in range(80))}"
    assert client.get(f"{asked}&format=png").status_code == 200
    answer = client.get(f"{asked}&format=jpeg")
    assert answer.status_code == 422
    assert answer.json()["detail"].endswith(" bytes of metadata, jpeg holds 65504; use png, or fewer classes")


def test_a_mixture_has_one_name_which_is_its_address(studio: TestClient) -> None:
    answer = studio.get(f"{ASKED}&class={quote('owl:1,cat:0.50')}&n=2")
    assert answer.headers["x-class"] == "cat:0.5,owl:1"
    location = answer.headers["content-location"]
    assert location.startswith("/generate?model=mixing@1&class=cat:0.5,owl:1&n=2&seed=9")
    assert studio.get(location).content == answer.content
    assert recipe_of(answer.content).class_ == "cat:0.5,owl:1"
    sample = studio.get(f"{ASKED}&class={quote('owl:1,cat:0.50')}&format=json").json()["samples"][0]
    assert sample["class"] == "cat:0.5,owl:1"
    assert studio.get(sample["url"]).headers["x-class"] == "cat:0.5,owl:1"


@pytest.mark.parametrize(
    ("model", "label", "status", "message"),
    [
        ("mixing", "cow:1,dog:1", 404, "mixing@1 has no class 'cow'; known: cat, dog, owl."),
        ("mixing", "cow:1,dog:1,hen:0", 404, "mixing@1 has no class 'cow' or 'hen'; known: cat, dog, owl."),
        ("mixing", "3:1,0:1", 404, "mixing@1 has no class '3'; known: cat, dog, owl."),
        ("mixing", "dog:-1,cat:1", 422, "class: the weight of dog must be a number above 0, such as 0.7, not '-1'"),
        ("mixing", "dog:0,cat:1", 422, "class: the weight of dog must be a number above 0, such as 0.7, not '0'"),
        ("mixing", "dog:nan,cat:1", 422, "class: the weight of dog must be a number above 0, such as 0.7, not 'nan'"),
        (
            "mixing",
            "dog:1e999,cat:1",
            422,
            "class: the weight of dog must be a number above 0, such as 0.7, not '1e999'",
        ),
        ("mixing", "dog:much,cat:1", 422, "class: the weight of dog must be a number above 0, such as 0.7, not 'much'"),
        ("mixing", "dog:,cat:1", 422, "class: the weight of dog must be a number above 0, such as 0.7, not ''"),
        ("mixing", "dog:1,1:1", 422, "class: names dog twice; give each class one weight"),
        (
            "mixing",
            "dog:0.7,cat",
            422,
            "class: must be a class, or classes with their weights, such as cat:0.7,dog:0.3, not 'dog:0.7,cat'",
        ),
        (
            "judged",
            "dog:0.7,cat:0.3",
            422,
            "class: judged@1 draws one class at once, it can't mix dog and cat; give one",
        ),
        ("codes", "dog:0.7,cat:0.3", 422, "class: codes@1 is unconditional, it has no classes; leave class out"),
    ],
)
def test_what_is_no_mixture_is_refused_in_words(
    studio: TestClient, model: str, label: str, status: int, message: str
) -> None:
    answer = studio.post("/generate", json={"model": model, "class": label})
    assert (answer.status_code, answer.json()["detail"]) == (status, message)


def test_without_a_model_the_first_that_has_all_classes_draws(serve: Serve, tmp_path: Path) -> None:
    toy.build(tmp_path, "a", classes=("cat", "dog"), weighs=True)
    toy.build(tmp_path, "b", classes=("cat", "owl"), weighs=True)
    client = serve(models=tmp_path)
    assert client.get("/generate?class=cat:1,owl:1").headers["x-model"] == "b@1"
    answer = client.get("/generate?class=dog:1,owl:1")
    assert (answer.status_code, answer.json()["detail"]) == (422, "class: no model has all of dog, owl; name one")
    answer = client.get("/generate?class=cow:1,owl:1")
    assert (answer.status_code, answer.json()["detail"]) == (
        404,
        "No model has a class 'cow'; known: cat, dog, owl.",
    )


def test_a_class_whose_name_looks_like_a_mixture_is_that_class(serve: Serve, tmp_path: Path) -> None:
    toy.build(tmp_path, "odd", classes=("goldfish, carp", "a:1"), weighs=True)
    client = serve(models=tmp_path)
    assert client.get("/generate", params={"class": "a:1"}).headers["x-class"] == "a:1"
    mixed = client.get("/generate", params={"class": "goldfish, carp:0.5,a:1:2"})
    assert mixed.headers["x-class"] == "goldfish, carp:0.5,a:1:2"


def test_stage_1_draws_the_small_picture_of_the_same_latent(studio: TestClient, studio_dir: Path) -> None:
    folder = studio_dir / "judged" / "1"
    manifest = contract.read(folder)
    session = providers.load((folder / "stage1.onnx").read_bytes())
    [small] = session.run(["image"], manifest.inputs(4, range(3), 1, role="stage1"))
    answer = studio.get("/generate?model=judged@1&seed=4&class=dog&n=3&stage=1&format=npy")
    drawn = np.load(BytesIO(answer.content))
    assert drawn.shape == (3, toy_parts.SMALL, toy_parts.SMALL, 3)
    np.testing.assert_array_equal(drawn, small)


def test_stage_2_is_what_is_drawn_anyway(studio: TestClient) -> None:
    large, plain = (studio.get(f"/generate?model=judged@1&seed=4&class=dog{stage}") for stage in ("&stage=2", ""))
    assert large.content == plain.content
    assert large.headers["etag"] == plain.headers["etag"]


def test_a_small_picture_has_an_address_and_a_recipe_of_its_own(studio: TestClient) -> None:
    small = studio.get("/generate?model=judged@1&seed=4&class=dog&stage=1")
    assert "stage=1" in small.headers["content-location"]
    assert studio.get(small.headers["content-location"]).content == small.content
    assert small.headers["etag"] != studio.get("/generate?model=judged@1&seed=4&class=dog").headers["etag"]
    assert recipe_of(small.content).stage == 1


@pytest.mark.parametrize("stage", [1, 2])
def test_a_model_of_one_stage_has_no_stages(studio: TestClient, stage: int) -> None:
    answer = studio.get(f"/generate?model=codes&stage={stage}")
    message = "stage: codes@1 draws in one stage; leave stage out"
    assert (answer.status_code, answer.json()["detail"]) == (422, message)


def test_there_is_no_third_stage(studio: TestClient) -> None:
    answer = studio.get("/generate?model=judged&stage=3")
    message = 'stage: must be an integer from 1 to 2, not "3"'
    assert (answer.status_code, answer.json()["detail"]) == (422, message)


def test_without_a_model_the_first_of_two_stages_draws(studio: TestClient) -> None:
    assert studio.get("/generate?stage=1").headers["x-model"] == "judged@1"
