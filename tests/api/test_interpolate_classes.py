"""Classes blend between the stops of a walk, or change half-way; latents may stand for seeds."""

from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from app import latents
from tests import toy
from tests.api.conftest import Serve
from tests.api.walks import HERE, drawn, npy, pixels, refusal, sample
from tests.toy import LATENT


def test_weights_of_classes_blend_from_stop_to_stop(walker: TestClient) -> None:
    stops = [{"seed": 1, "class": "cat"}, {"seed": 1, "class": {"dog": 1}}]
    walk = drawn(walker, model="mixer@1", stops=stops, steps=3)
    mixed = drawn(walker, model="mixer@1", stops="1,1", **{"class": "dog:2,cat:2"}, steps=2)
    np.testing.assert_array_equal(walk[0], pixels(sample(walker, model="mixer@1", seed=1, **{"class": "cat"})))
    np.testing.assert_array_equal(walk[2], pixels(sample(walker, model="mixer@1", seed=1, **{"class": "dog"})))
    np.testing.assert_array_equal(walk[1], mixed[0])
    assert len({picture.tobytes() for picture in walk}) == 3


def test_a_mixture_that_both_stops_have_stays_as_it_is(walker: TestClient) -> None:
    asked = {"model": "mixer@1", "stops": "1,2", "class": "dog:0.7,cat:0.3", "steps": 4, "format": "json"}
    assert {frame["class"] for frame in walker.post(HERE, json=asked).json()["samples"]} == {"cat:0.3,dog:0.7"}


def test_a_model_that_takes_one_class_at_once_changes_it_half_way(walker: TestClient) -> None:
    asked = {"model": "toy@1", "from": 1, "to": 2, "class": "dog;cat", "steps": 6, "format": "json"}
    answer = walker.post(HERE, json=asked)
    assert [frame["class"] for frame in answer.json()["samples"]] == ["dog"] * 3 + ["cat"] * 3


def test_a_stop_names_its_class_or_has_that_of_all_or_draws_one(walker: TestClient) -> None:
    named, drawn = {"seed": 1, "class": "cat"}, walker.get("/generate?model=toy@1&seed=5").headers["x-class"]
    for text, expected in (("dog", ["cat", "dog"]), (";", ["cat", drawn]), (None, ["cat", drawn])):
        asked = {"model": "toy@1", "stops": [named, 5], "steps": 2, "format": "json"} | (
            {"class": text} if text else {}
        )
        assert [frame["class"] for frame in walker.post(HERE, json=asked).json()["samples"]] == expected


def test_without_a_model_the_first_that_has_the_class_draws(walker: TestClient, serve: Serve, tmp_path: Path) -> None:
    toy.build(tmp_path, "birds", classes=("jay", "owl"), weighs=True)
    toy.build(tmp_path, "fish", classes=("eel", "ray"), weighs=True)
    here = serve(models=tmp_path)
    for given, model in (("eel", "fish@1"), ("ray:1,eel:2", "fish@1"), ("jay;owl", "birds@1"), ({"ray": 1}, "fish@1")):
        assert here.post(HERE, json={"class": given}).headers["x-model"] == model
    assert here.post(HERE, json={"to": {"seed": 1, "class": "eel"}, "class": "ray;"}).headers["x-model"] == "fish@1"
    assert here.post(HERE, json={"from": 1, "to": {"seed": 1, "class": "ray"}}).headers["x-model"] == "fish@1"
    assert walker.post(HERE).headers["x-model"] == "mixer@1"


@pytest.mark.parametrize("form", ["list", "float32", "float64", "row"])
def test_a_latent_may_stand_for_a_seed(walker: TestClient, form: str) -> None:
    latent = latents.noise(7, range(1), LATENT)
    given = {
        "list": latent[0].tolist(),
        "float32": npy(latent[0]),
        "float64": npy(latent[0].astype(np.float64)),
        "row": npy(latent),
    }[form]
    walk = drawn(walker, model="toy@1", stops=[{"latent": given, "class": "dog"}, 8], steps=3)
    np.testing.assert_array_equal(walk, drawn(walker, model="toy@1", stops=[{"seed": 7, "class": "dog"}, 8], steps=3))


def test_truncation_leaves_given_latents_as_they_are(walker: TestClient) -> None:
    stops = [{"latent": [0.5] * LATENT}, 8]
    whole, truncated = (drawn(walker, model="shapes@1", stops=stops, steps=2, truncation=psi) for psi in (1, 0.5))
    np.testing.assert_array_equal(whole[0], truncated[0])
    np.testing.assert_array_equal(truncated[1], pixels(sample(walker, model="shapes@1", seed=8, truncation=0.5)))


@pytest.mark.parametrize(
    "latent",
    [
        [0.5] * 7,
        [0.5] * 7 + [True],
        [0.5] * 7 + ["1"],
        [0.5] * 7 + [1001],
        [0.5] * 7 + [10**400],
        {"0": 0.5},
        7,
        "AAAA",
        "not base64!",
        npy(np.zeros(7)),
        npy(np.zeros((2, 4))),
        npy(np.full(8, np.nan)),
        npy(np.zeros(8, np.bool_)),
        npy(np.zeros(8))[:-8],
    ],
)
def test_what_is_no_latent_is_refused(walker: TestClient, latent: object) -> None:
    said = refusal(walker, {"model": "shapes@1", "from": {"latent": latent}, "to": 1})
    expected = "8 numbers from -1000 to 1000, or an npy file of them in base64"
    assert said == f"from.latent: must be {expected}"


def test_a_latent_without_a_model_is_refused(walker: TestClient) -> None:
    said = refusal(walker, {"from": {"latent": [0] * LATENT}, "to": 1})
    assert said == "model: is missing: a latent means something only to the model that it was made for"


def test_not_a_number_is_no_latent(walker: TestClient) -> None:
    body = '{"model": "shapes@1", "to": 1, "from": {"latent": [NaN, 0, 0, 0, 0, 0, 0, 0]}}'
    answer = walker.post(HERE, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert "from.latent: must be 8 numbers" in answer.json()["detail"]
