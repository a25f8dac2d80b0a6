"""What an edit refuses, and in which words."""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests import toy, toy_parts
from tests.api.conftest import Serve
from tests.api.edits import HERE, generated, noise, refusal

HUE: dict[str, Any] = {"model": "toy", "direction": "hue", "amount": 1}
LATENTS: dict[str, Any] = {"model": "codes", "direction": "hue", "amount": 1, "latents": noise(1).tolist()}


def test_an_unknown_direction_is_answered_with_those_that_there_are(editor: TestClient) -> None:
    answer = editor.post(f"{HERE}?model=toy&direction=age&amount=1")
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:ganymede:problem:unknown-direction"
    assert answer.json()["detail"] == "toy@1 has no direction 'age'; known: hue, size."
    assert answer.json()["directions"] == ["hue", "size"]
    said = refusal(editor, {"directions": {"hue": 1, "age": 1}}, 404)
    assert said == "No model has a direction 'age'; known: hue, size."


def test_a_model_without_directions_says_which_have_some_and_how_to_find_them(editor: TestClient) -> None:
    how = "`ganymede directions models/NAME/VERSION` finds those of a model with a latent"
    said = refusal(editor, HUE | {"model": "plain"})
    assert said == f"model: plain@1 has no directions; some are of codes@1, mixer@1, toy@1; {how}"


def test_where_no_model_has_directions_it_says_how_to_find_them(serve: Serve, tmp_path: Path) -> None:
    toy.build(tmp_path, "plain")
    client = serve(models=tmp_path)
    how = "`ganymede directions models/NAME/VERSION` finds those of a model with a latent"
    assert refusal(client, {"direction": "hue", "amount": 1}) == f"model: no model has directions; {how}"


def test_a_picture_needs_a_model_with_an_encoder(editor: TestClient, serve: Serve, tmp_path: Path) -> None:
    picture = generated(editor, model="toy", seed=1)
    answer = editor.post(f"{HERE}?model=toy&direction=hue&amount=1&class=cat", files={"image": picture})
    said = "model: toy@1 has no graph 'encoder'; it has generator"
    assert (answer.status_code, answer.json()["detail"]) == (422, said)
    toy.direct(toy.build(tmp_path, "toy"))
    toy_parts.add(toy.build(tmp_path, "codes", classes=()), "encoder")
    answer = serve(models=tmp_path).post(f"{HERE}?direction=hue&amount=1", files={"image": picture})
    assert answer.json()["detail"].startswith(
        "model: no model with a graph 'encoder' has directions; some are of toy@1; "
    )


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        (3.5, "amount: must be from -3 to 3 for hue of toy@1, not 3.5: beyond, it was hardly trained"),
        ("-4..3", "amount: must be from -3 to 3 for hue of toy@1, not -4: beyond, it was hardly trained"),
        (1e300, "amount: must be from -3 to 3 for hue of toy@1, not 1e+300: beyond, it was hardly trained"),
        ("far", "amount: must be a number, or two from which to which a sequence goes, such as -3..3, not 'far'"),
        (
            "1..2..3",
            "amount: must be a number, or two from which to which a sequence goes, such as -3..3, not '1..2..3'",
        ),
        ("..2", "amount: must be a number, or two from which to which a sequence goes, such as -3..3, not '..2'"),
        ("nan", "amount: must be a number, or two from which to which a sequence goes, such as -3..3, not 'nan'"),
        (
            [1, 2, 3],
            "amount: must be a number, or two from which to which a sequence goes, such as -3..3, not [1, 2, 3]",
        ),
        (
            ["1", 2],
            "amount: must be a number, or two from which to which a sequence goes, such as -3..3, not ['1', 2]",
        ),
        (
            [True, 1],
            "amount: must be a number, or two from which to which a sequence goes, such as -3..3, not [True, 1]",
        ),
        ({}, "amount: must be a number, or two from which to which a sequence goes, such as -3..3, not {}"),
    ],
)
def test_an_amount_is_a_number_in_the_range_of_its_direction(editor: TestClient, amount: object, said: str) -> None:
    assert refusal(editor, HUE | {"amount": amount}) == said


@pytest.mark.parametrize(
    ("directions", "said"),
    [
        ("hue:1,size:-1", "must be from 0 to 2 for size of toy@1, not -1: beyond, it was hardly trained"),
        ("hue:1,hue:2", "name hue twice; give each direction one amount"),
        ({f"d{n}": 1 for n in range(25_000)}, "are 25000; no model has more than 256"),
        ("hue", "must be directions with their amounts, such as warmth:2,sefa-4:-1, not 'hue'"),
        ("hue:1,", "must be directions with their amounts, such as warmth:2,sefa-4:-1, not ''"),
        ("", "must be directions with their amounts, such as warmth:2,sefa-4:-1, not ''"),
        ({}, "must be directions with their amounts, such as warmth:2,sefa-4:-1"),
        (7, "must be directions with their amounts, such as warmth:2,sefa-4:-1"),
        ('{"hue": 1', "is not JSON: EOF while parsing an object at line 1 column 9"),
        (
            {"hue": "x"},
            "the amount of hue must be a number, or two from which to which a sequence goes, such as -3..3, not 'x'",
        ),
    ],
)
def test_directions_are_names_with_amounts(editor: TestClient, directions: object, said: str) -> None:
    assert refusal(editor, {"model": "toy", "directions": directions}) == f"directions: {said}"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"model": "toy"}, "direction: is missing: toy@1 has hue, size"),
        ({"model": "toy", "amount": 1}, "direction: is missing: the amount is of none; name one"),
        ({"model": "toy", "direction": "hue"}, "amount: is missing: how far along hue, such as 2, or -3..3"),
        (
            HUE | {"directions": "size:1"},
            "direction: is said by directions already; give either directions, or direction and amount",
        ),
        (HUE | {"class": "cow"}, "toy@1 has no class 'cow'; known: cat, dog."),
        (HUE | {"index": 2**53 - 1, "n": 2}, "index: must be an integer from 0 to 9007199254740990 where n is 2"),
        (HUE | {"steps": 65}, "steps: must be an integer from 2 to 64, not 65"),
        (
            HUE | {"steps": 30, "n": 3},
            "steps: makes 90 pictures of 3 samples; this server draws 64 in one request: 21 steps at most",
        ),
        (
            HUE | {"steps": 2, "n": 64},
            "n: is too many for a sequence: this server draws 64 pictures in one request",
        ),
        (
            HUE | {"format": "gif", "n": 2},
            "n: must be 1 of gif: an animation shows one sample; use a strip, or zip",
        ),
        (
            HUE | {"layout": "strip", "format": "gif"},
            "format: a layout of strip is sent as png, jpeg, webp, json, zip, npy, not gif; that is animation",
        ),
        (HUE | {"fps": 9}, "fps: is of gif, webp, apng and mp4, if they are animations; leave fps out"),
        (HUE | {"loop": 1}, "loop: is of a sequence; ask for one by steps, or leave loop out"),
        (HUE | {"easing": "smooth"}, "easing: is of a sequence; ask for one by steps, or leave easing out"),
        (HUE | {"grid": 2, "steps": 2}, "grid: is of png, jpeg and webp that show no sequence; leave grid out"),
        (HUE | {"picture": "webp"}, "picture: is of json and zip, not of png; leave picture out"),
        (
            HUE | {"upscale": 2, "format": "zip"},
            "upscale: is not of zip, which holds the pictures as they are drawn; leave upscale out",
        ),
        (LATENTS | {"seed": 1}, "seed: is of samples of a seed, and this begins at latents; leave it out"),
        (LATENTS | {"n": 1}, "n: is of samples of a seed, and this begins at latents; leave it out"),
        (LATENTS | {"truncation": 1}, "truncation: is of samples of a seed, and this begins at latents; leave it out"),
        (LATENTS | {"model": "toy"}, "class: is missing: toy@1 draws by class; known: cat, dog"),
        (LATENTS | {"latents": [[0.0] * 9]}, "latents: must be of shape [n, 8] for codes@1, not [1, 9]"),
        (
            LATENTS | {"latents": "x"},
            "latents: must be a list of latents, each a list of numbers, all of the same length",
        ),
        (
            {name: value for name, value in LATENTS.items() if name != "model"},
            "model: is missing: a latent means something only to the model that it was made for",
        ),
    ],
)
def test_what_does_not_go_together_is_told(editor: TestClient, asked: dict[str, Any], said: str) -> None:
    assert refusal(editor, asked, 404 if asked.get("class") == "cow" else 422) == said


def test_a_seed_beside_a_picture_is_told(editor: TestClient) -> None:
    picture = generated(editor, model="codes", seed=1)
    answer = editor.post(f"{HERE}?direction=hue&amount=1&seed=1", files={"image": picture})
    said = "seed: is of samples of a seed, and this begins at a picture; leave it out"
    assert (answer.status_code, answer.json()["detail"]) == (422, said)


def test_what_is_neither_parameters_nor_a_picture_is_refused(editor: TestClient) -> None:
    here = f"{HERE}?model=codes&direction=hue&amount=1"
    assert editor.post(here, content=b"x", headers={"content-type": "text/plain"}).status_code == 415
    assert editor.post(here, content=b"x", headers={"content-type": "image/png"}).status_code == 415
    assert editor.post(here, content=b"", headers={"content-type": "image/png"}).json()["detail"].startswith("image: ")
    assert editor.post(here, content=b" " * 2**21, headers={"content-type": "application/json"}).status_code == 413
