"""What `/interpolate` refuses, and in which words."""

import base64
import json
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from app.media.provenance import Derivation, recipe_of
from tests.api.conftest import Serve
from tests.api.walks import HERE, drawn, pixels, refusal
from tests.toy import LATENT


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"from": -1}, "from: must be a seed from 0 to 9007199254740991, or an object with a seed or a latent"),
        ({"from": "1" * 5000}, "from: must be a seed from 0 to 9007199254740991"),
        ({"to": "soon"}, "to: must be a seed from 0 to 9007199254740991, or an object with a seed or a latent"),
        ({"from": True}, "from: must be an integer from 0 to 9007199254740991 or an object, not true"),
        ({"from": 1, "stops": "1,2"}, "from: is one of the stops already; give either stops, or from and to"),
        ({"from": {}}, "from: must have either a seed or a latent"),
        ({"from": {"seed": 1, "latent": [0] * 8}}, "from: must have either a seed or a latent"),
        ({"from": {"latent": [0] * 8, "index": 1}}, "from.index: is of samples of a seed, a latent has none"),
        ({"from": {"latent": [0] * 8}}, "from.class: is missing: toy@1 has classes, and a latent draws none"),
        ({"stops": [1, {"seed": -2}]}, "stops[1].seed: must be an integer from 0 to 9007199254740991, not -2"),
        ({"stops": [1, {"seed": True}]}, "stops[1].seed: must be an integer from 0 to 9007199254740991, not true"),
        ({"stops": [{"sede": 1}, 2]}, "stops[0].sede: there is no such parameter; known: seed, index, class, latent"),
        ({"stops": [1, None]}, "stops[1]: must be a seed from 0 to"),
        ({"stops": "1"}, "stops: must be two stops at least: seeds, such as 1,2,3, or a JSON list"),
        ({"stops": "1,,2"}, "stops[1]: must be a seed from 0 to"),
        ({"stops": "[1, 2"}, "stops: is not JSON: "),
        ({"stops": {"seed": 1}}, "stops: must be two stops at least"),
        ({"steps": 1}, "steps: must be an integer from 2 to 64, not 1"),
        ({"steps": 65}, "steps: must be an integer from 2 to 64, not 65"),
        ({"mode": "bezier"}, 'mode: must be one of slerp, lerp, not "bezier"'),
        ({"easing": "bouncy"}, 'easing: must be one of linear, smooth, not "bouncy"'),
        ({"loop": True}, "loop: must be an integer from 0 to 1, not true"),
        ({"loop": 2}, "loop: must be an integer from 0 to 1, not 2"),
        ({"fps": 500, "format": "gif"}, "fps: must be a number from 0.1 to 240.0, not 500"),
        ({"upscale": 17}, "upscale: must be an integer from 1 to 16, not 17"),
        ({"frame": 8}, "frame: must be an integer from 0 to 7: the walk has 8 pictures"),
        (
            {"layout": "grid", "stops": "1,2,3"},
            "stops: of a grid are its 4 corners, top left, top right, bottom left and bottom right, not 3",
        ),
        ({"layout": "grid", "from": 1}, "not 2"),
        ({"layout": "grid", "loop": 1}, "loop: is of strips and animations, a grid has no end; leave loop out"),
        (
            {"layout": "strip", "format": "gif"},
            "format: a layout of strip is sent as png, jpeg, webp, json, zip, npy, not gif; that is animation",
        ),
        (
            {"layout": "animation", "format": "png"},
            "format: a layout of animation is sent as gif, webp, apng, mp4, json, zip, npy, not png; that is strip",
        ),
        ({"picture": "webp"}, "picture: is of json and zip, not of png; leave picture out"),
        ({"fps": 5}, "fps: is of gif, webp, apng and mp4, if they are animations; leave fps out"),
        ({"fps": 5, "format": "webp"}, "fps: is of gif, webp, apng and mp4, if they are animations; leave fps out"),
        ({"upscale": 2, "format": "zip"}, "upscale: is not of zip, which holds the pictures as they are drawn"),
        ({"class": "dog;cat;dog"}, "class: names 3 classes for 2 stops; name one for all, or one for each"),
        ({"class": ["dog"]}, "class: must be a class by name or index, or weights of classes, such as dog:0.7,cat:0.3"),
        (
            {"class": "dog:0.7,cat:0.3"},
            "class: toy@1 draws one class at once, it can't mix dog and cat; give one",
        ),
        ({"seed": 1}, "seed: there is no such parameter; known: model, timeout, priority, from, to, stops, class"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(walker: TestClient, asked: dict[str, Any], said: str) -> None:
    assert said in refusal(walker, {"model": "toy@1", "format": "png", **asked})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("dog:much", "class: the weight of dog must be a number above 0, such as 0.7, not 'much'"),
        ({"dog": True}, "class: the weight of dog must be a number above 0, such as 0.7, not 'True'"),
        ({"dog": 10**400}, "class: the weight of dog must be a number above 0, such as 0.7, not '1000"),
        ("dog:-1,cat:2", "class: the weight of dog must be a number above 0, such as 0.7, not '-1'"),
        ({"dog": 1, "cat": 0}, "class: the weight of cat must be a number above 0, such as 0.7, not '0'"),
        ("dog:1,dog:2", "class: names dog twice; give each class one weight"),
        ({"dog": 1, "1": 2}, "class: names dog twice; give each class one weight"),
        ({}, "class: must be a class by name or index, or weights of classes, such as dog:0.7,cat:0.3"),
    ],
)
def test_weights_that_are_none_are_refused_in_words(walker: TestClient, given: object, said: str) -> None:
    assert said in refusal(walker, {"model": "mixer@1", "class": given})


@pytest.mark.parametrize("given", ["owl", "dog;owl", "dog:1,owl:2", {"owl": 1}, "2"])
def test_a_class_that_is_not_there_is_refused_with_those_that_are(walker: TestClient, given: object) -> None:
    said = refusal(walker, {"model": "mixer@1", "class": given}, status=404)
    assert "mixer@1 has no class" in said
    assert "known: cat, dog" in said


@pytest.mark.parametrize("given", ["dog", {"dog": 1}, "dog:1"])
def test_a_class_of_a_model_without_classes_is_refused(walker: TestClient, given: object) -> None:
    said = refusal(walker, {"model": "shapes@1", "stops": [1, {"seed": 2, "class": given}]})
    assert said == "stops[1].class: shapes@1 is unconditional, it has no classes; leave class out"


def test_more_pictures_than_the_server_draws_are_refused_with_what_fits(walker: TestClient, serve: Serve) -> None:
    said = refusal(walker, {"model": "toy@1", "stops": "1,2,3,4", "steps": 30})
    assert said == "steps: makes 88 pictures of 4 stops; this server draws 64 in one request: 22 steps at most"
    assert len(drawn(walker, model="toy@1", stops="1,2,3,4", steps=22)) == 64
    said = refusal(walker, {"model": "toy@1", "stops": "1,2,3,4", "steps": 9, "layout": "grid"})
    assert said == "steps: makes 81 pictures of 4 stops; this server draws 64 in one request: 8 steps at most"
    said = refusal(walker, {"model": "toy@1", "stops": list(range(65))})
    assert said == "stops: are 65; this server draws 64 pictures in one request, so name 64 at most"
    assert len(drawn(walker, model="toy@1", stops=list(range(64)))) == 64
    assert len(drawn(walker, model="toy@1", stops=list(range(64)), loop=1)) == 64
    few = serve(max_samples=3)
    assert (
        refusal(few, {"layout": "grid"})
        == "layout: needs more pictures than the 3 that this server draws in one request"
    )


def test_what_a_format_cannot_hold_is_refused_before_it_is_drawn(walker: TestClient, serve: Serve) -> None:
    asked = {"model": "toy@1", "from": 1, "to": 2, "steps": 64, "upscale": 16}
    said = refusal(walker, {**asked, "format": "webp"})
    assert (
        said == "format: can't be webp: a side would have 16384 pixels, it holds 16383; use another, or draw fewer or "
        "smaller pictures"
    )
    assert pixels(walker.post(HERE, json={**asked, "format": "png"}).content).shape == (256, 16384, 3)
    few = serve(max_pixels=10_000)
    said = refusal(few, {**asked, "steps": 5})
    assert said == "upscale: makes more than 10000 pixels of 5 pictures; at most 2 fits"
    assert few.post(HERE, json={**asked, "steps": 5, "upscale": 2}).status_code == 200


def test_more_latents_than_a_jpeg_can_tell_of_are_refused(serve: Serve) -> None:
    many = serve(max_samples=400)
    asked = {"model": "shapes@1", "stops": [{"latent": [number / 1000] * LATENT} for number in range(300)], "steps": 2}
    for form in ({"format": "jpeg"}, {"format": "zip", "picture": "jpeg"}):
        said = refusal(many, {**asked, **form})
        assert said.startswith("stops: take ")
        assert said.endswith(" bytes of metadata, jpeg holds 65504; use png, or fewer latents")
    png = many.post(HERE, json={**asked, "format": "png"}).content
    assert isinstance(recipe_of(png), Derivation)
    assert many.post(HERE, json={**asked, "stops": asked["stops"][:200], "format": "jpeg"}).status_code == 200


def test_a_body_of_more_than_a_mebibyte_is_refused(walker: TestClient) -> None:
    answer = walker.post(HERE, json={"stops": [1] * 600_000})
    assert answer.status_code == 413


def test_an_unknown_model_is_refused_with_those_that_are_known(walker: TestClient) -> None:
    assert "known: mixer@1, shapes@1, toy@1" in refusal(walker, {"model": "nothing"}, status=404)


def test_the_parameters_of_a_recipe_are_plain(walker: TestClient) -> None:
    stops = [{"seed": 1, "class": {"dog": 0.5, "cat": 1}}, {"latent": [0] * LATENT, "class": "cat"}]
    made = recipe_of(walker.post(HERE, json={"model": "mixer@1", "stops": stops, "steps": 2}).content)
    assert isinstance(made, Derivation)
    first, last = json.loads(str(made.parameters["stops"]))
    assert first == {"seed": 1, "class": "cat:1,dog:0.5"}
    np.testing.assert_array_equal(np.load(BytesIO(base64.b64decode(last["latent"]))), np.zeros(LATENT, np.float32))
    rest = {key: value for key, value in made.parameters.items() if key != "stops"}
    assert rest == {
        "steps": 2,
        "mode": "slerp",
        "easing": "linear",
        "truncation": 1.0,
        "layout": "strip",
        "loop": 0,
    }
