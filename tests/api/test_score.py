"""`/score` asks a model's critic about a picture: is it real, and does it match its class?"""

import re
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from app import contract
from tests import toy, toy_parts
from tests.api.conftest import Serve, count
from tests.api.test_encode import PICTURE, png

CLASSES = ("cat", "dog", "owl")


def test_the_critic_says_how_real_and_how_well_it_matches_each_class(studio: TestClient) -> None:
    answer = studio.post("/score?model=judged", content=png(PICTURE)).json()
    assert answer["model"] == "judged@1"
    assert answer["realness"] == pytest.approx(toy_parts.realness(PICTURE[None])[0], rel=1e-4)
    due = {name: toy_parts.match(PICTURE[None], label)[0] for label, name in enumerate(CLASSES)}
    assert answer["match"] == pytest.approx(due, rel=1e-4)


def test_the_class_that_matches_best_comes_first(studio: TestClient) -> None:
    green, blue = np.zeros_like(PICTURE), np.zeros_like(PICTURE)
    green[..., 1], blue[..., 2], blue[..., 0] = 200, 200, 100
    assert next(iter(studio.post("/score?model=judged", content=png(green)).json()["match"])) == "dog"
    assert list(studio.post("/score?model=judged", content=png(blue)).json()["match"]) == ["owl", "cat", "dog"]


def test_a_class_can_be_asked_about_alone(studio: TestClient) -> None:
    every = studio.post("/score?model=judged", files={"image": png(PICTURE)}).json()
    for name, index in zip(CLASSES, "012", strict=True):
        by_name = studio.post("/score", data={"model": "judged", "class": name}, files={"image": png(PICTURE)}).json()
        assert by_name == every | {"match": {name: every["match"][name]}}
        assert studio.post(f"/score?model=judged&class={index}", content=png(PICTURE)).json() == by_name


def test_a_critic_without_classes_says_how_real_it_is(studio: TestClient) -> None:
    answer = studio.post("/score?model=codes", content=png(PICTURE)).json()
    assert answer == {"model": "codes@1", "realness": pytest.approx(toy_parts.realness(PICTURE[None])[0], rel=1e-4)}


def test_a_generated_picture_scores_as_best_of_said(studio: TestClient) -> None:
    best = studio.get("/generate?model=judged@1&class=owl&seed=2&best_of=8")
    scored = studio.post("/score?model=judged@1&class=owl", content=best.content).json()
    assert f"{scored['realness']:g}" == best.headers["x-realness"]
    assert f"{scored['match']['owl']:g}" == best.headers["x-match"]


def test_without_a_model_the_first_with_a_critic_and_the_class_judges(studio: TestClient) -> None:
    assert studio.post("/score", content=png(PICTURE)).headers["x-model"] == "codes@1"
    assert studio.post("/score?class=owl", content=png(PICTURE)).headers["x-model"] == "judged@1"


def test_a_default_model_without_a_critic_leaves_it_to_one_that_has(serve: Serve, studio_dir: Path) -> None:
    client = serve(models=studio_dir, default_model="clouds")
    assert client.post("/score", content=png(PICTURE)).headers["x-model"] == "codes@1"


def test_headers_and_metrics_of_a_score(studio: TestClient) -> None:
    before = count(studio, "ganymede_phase_seconds_count", model="judged@1", phase="decode")
    answer = studio.post("/score?model=judged", content=png(PICTURE))
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    [sizes] = re.findall(r'batch;desc="([\d/]+)", decode;dur=', answer.headers["server-timing"])
    assert sum(map(int, sizes.split("/"))) == 3
    assert count(studio, "ganymede_phase_seconds_count", model="judged@1", phase="decode") == before + 1


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("model=clouds", 422, "model: clouds@1 has no critic that could judge; it has generator, encoder"),
        ("model=codes&class=cat", 422, "class: codes@1 is unconditional, it has no classes; leave class out"),
        ("model=judged&class=cow", 404, "judged@1 has no class 'cow'; known: cat, dog, owl."),
        (
            "model=mixing&class=cat:1,dog:1",
            422,
            "class: must be one class, not several by weights; leave it out to ask about each",
        ),
        ("n=1", 422, "n: there is no such parameter; known: model, timeout, priority, class"),
    ],
)
def test_what_can_not_be_judged_is_refused_in_words(studio: TestClient, query: str, status: int, message: str) -> None:
    answer = studio.post(f"/score?{query}", content=png(PICTURE))
    assert (answer.status_code, answer.json()["detail"]) == (status, message)


def test_more_classes_than_samples_are_not_judged_at_once(serve: Serve, studio_dir: Path) -> None:
    client = serve(models=studio_dir, max_samples=2)
    answer = client.post("/score?model=judged", content=png(PICTURE))
    message = "class: is missing: judged@1 has 3 classes, and 2 are judged at once"
    assert (answer.status_code, answer.json()["detail"]) == (422, message)
    assert client.post("/score?model=judged&class=cat", content=png(PICTURE)).status_code == 200


def test_where_no_model_has_a_critic_nothing_is_judged(client: TestClient) -> None:
    answer = client.post("/score", content=png(PICTURE))
    assert (answer.status_code, answer.json()["detail"]) == (422, "model: no model has a graph 'critic'")


def test_a_critic_that_knows_no_classes_is_not_asked_about_one(serve: Serve, tmp_path: Path) -> None:
    folder = toy_parts.add(toy.build(tmp_path, "toy", classes=()), "critic")
    critic = (folder / "critic.onnx").read_bytes()
    graph = contract.read(folder).graphs["critic"]
    folder = toy.build(tmp_path, "blind")
    (folder / "critic.onnx").write_bytes(critic)
    manifest = contract.read(folder)
    files = {**manifest.files, "critic.onnx": contract.digest(critic)}
    toy.rewrite(folder, graphs={**manifest.graphs, "critic": graph}, files=files)
    client = serve(models=tmp_path)
    answer = client.post("/score?model=blind&class=dog", content=png(PICTURE))
    message = "class: the critic of blind@1 knows no classes; leave class out"
    assert (answer.status_code, answer.json()["detail"]) == (422, message)
    assert list(client.post("/score?model=blind", content=png(PICTURE)).json()) == ["model", "realness"]
