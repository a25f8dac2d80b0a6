"""What an edit draws: the picture of a latent that was moved, and of a latent that stays the very picture it was."""

import base64
import json
import shutil
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from app import contract
from app.api.edits.schemas import EditParameters
from app.api.schemas import properties
from app.media.provenance import Derivation, Recipe, recipe_of
from tests import toy, toy_parts
from tests.api.conftest import Serve
from tests.api.edits import HERE, HUE, SIZE, answered, decoded, drawn, generated, noise

MODELS = Path(__file__).parents[2] / "models"


@pytest.mark.parametrize("file_format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize(
    "asked",
    [
        {"model": "toy@1", "seed": 7},
        {"model": "toy@1", "seed": 7, "class": "dog", "truncation": 0.5, "index": 3},
        {"model": "toy@1", "seed": 7, "n": 5, "grid": 2},
        {"model": "mixer@1", "seed": 9, "class": "dog:0.7,cat:0.3"},
        {"model": "codes@1", "seed": 1, "truncation": 0},
    ],
)
def test_by_0_it_is_byte_for_byte_the_picture_of_the_seed(
    editor: TestClient, asked: dict[str, Any], file_format: str
) -> None:
    expected = generated(editor, **asked, format=file_format)
    assert answered(editor, **asked, format=file_format, direction="hue", amount=0) == expected
    assert answered(editor, **asked, format=file_format, directions={"hue": -0.0, "size": 0}) == expected


def test_a_picture_is_that_of_the_moved_latent(editor: TestClient) -> None:
    edited = drawn(editor, model="codes", seed=3, index=2, direction="hue", amount=-1.5)
    np.testing.assert_array_equal(edited, decoded(editor, noise(3, 1, 2) - 1.5 * HUE, model="codes"))
    assert not np.array_equal(edited, decoded(editor, noise(3, 1, 2), model="codes"))


def test_several_directions_add_up_in_whatever_order_they_are_named(editor: TestClient) -> None:
    expected = decoded(editor, noise(3) + 2 * HUE + 0.5 * SIZE, model="codes")
    asked = {"model": "codes", "seed": 3}
    for directions in ("hue:2,size:0.5", "size:0.5, hue:2", {"size": 0.5, "hue": 2}, '{"hue": 2, "size": 0.5}'):
        np.testing.assert_array_equal(drawn(editor, **asked, directions=directions), expected)


def test_truncation_and_class_are_those_of_the_sample_and_stay(editor: TestClient) -> None:
    edited = drawn(editor, model="toy", seed=3, truncation=0.5, direction="hue", amount=1, **{"class": "dog"})
    moved = noise(3) * np.float32(0.5) + HUE
    np.testing.assert_array_equal(edited, decoded(editor, moved, model="toy", **{"class": "dog"}))


def test_a_class_that_no_request_names_is_that_of_the_seed(editor: TestClient) -> None:
    samples = json.loads(answered(editor, model="toy", seed=1, n=8, direction="hue", amount=1, format="json"))
    unedited = json.loads(generated(editor, model="toy", seed=1, n=8, format="json"))
    classes = [sample["class"] for sample in samples["samples"]]
    assert classes == [sample["class"] for sample in unedited["samples"]]
    assert set(classes) == {"cat", "dog"}


def test_each_sample_is_drawn_as_it_is_alone(editor: TestClient) -> None:
    asked = {"model": "toy", "seed": 5, "directions": "hue:2,size:1"}
    many = drawn(editor, **asked, n=20)
    for index in (0, 7, 19):
        np.testing.assert_array_equal(many[index], drawn(editor, **asked, index=index)[0])


def test_a_sequence_goes_from_one_amount_to_the_other_sample_by_sample(editor: TestClient) -> None:
    edited = drawn(editor, model="codes", seed=3, n=2, direction="hue", amount="-3..3", steps=5)
    moved = [start + amount * HUE for start in noise(3, 2) for amount in (-3, -1.5, 0, 1.5, 3)]
    np.testing.assert_array_equal(edited, decoded(editor, np.stack(moved).astype(np.float32), model="codes"))


def test_a_single_amount_of_a_sequence_goes_from_0_and_two_equal_ones_stay(editor: TestClient) -> None:
    directions = {"hue": -2, "size": [1, 1]}
    edited = drawn(editor, model="codes", seed=3, directions=directions, steps=3)
    moved = [noise(3)[0] + hue * HUE + SIZE for hue in (0, -1, -2)]
    np.testing.assert_array_equal(edited, decoded(editor, np.stack(moved), model="codes"))
    text = drawn(editor, model="codes", seed=3, directions="hue:-2,size:1..1", steps=3)
    np.testing.assert_array_equal(edited, text)


def test_a_smooth_sequence_sets_out_slowly_and_a_loop_comes_back(editor: TestClient) -> None:
    asked = {"model": "codes", "seed": 3, "direction": "hue", "amount": 2, "steps": 3, "loop": 1}
    there, half, end, back = drawn(editor, **asked)
    np.testing.assert_array_equal(there, decoded(editor, noise(3), model="codes")[0])
    np.testing.assert_array_equal(end, decoded(editor, noise(3) + 2 * HUE, model="codes")[0])
    np.testing.assert_array_equal(half, back)
    smooth = drawn(editor, model="codes", seed=3, direction="hue", amount=2, steps=5, easing="smooth")
    np.testing.assert_array_equal(smooth[1], decoded(editor, noise(3) + 2 * 0.15625 * HUE, model="codes")[0])


def test_a_strip_stops_at_0_at_the_very_picture_of_the_seed(editor: TestClient) -> None:
    asked = {"model": "toy@1", "seed": 3, "direction": "hue", "amount": "-3..3", "steps": 7, "format": "json"}
    strip = json.loads(answered(editor, **asked))["samples"]
    assert [sample["amounts"]["hue"] for sample in strip] == [-3, -2, -1, 0, 1, 2, 3]
    files = [base64.b64decode(sample["image"]) for sample in strip]
    assert files[3] == generated(editor, model="toy@1", seed=3)
    assert [type(recipe_of(file)) for file in files] == [*[Derivation] * 3, Recipe, *[Derivation] * 3]
    for sample, file in zip(strip, files, strict=True):
        assert editor.get(sample["url"]).content == file


def test_latents_of_the_clients_own_are_moved(editor: TestClient) -> None:
    given = noise(11, 3)
    edited = drawn(editor, model="codes", latents=given.tolist(), direction="size", amount=2)
    np.testing.assert_array_equal(edited, decoded(editor, given + 2 * SIZE, model="codes"))
    alone = drawn(editor, model="toy", latents=given[0].tolist(), direction="size", amount=2, **{"class": "cat"})
    moved = given[:1] + 2 * SIZE
    np.testing.assert_array_equal(alone, decoded(editor, moved, model="toy", **{"class": "cat"}))


@pytest.mark.parametrize("form", [True, False])
def test_a_picture_is_moved_from_its_code(editor: TestClient, form: bool) -> None:
    picture = generated(editor, model="codes", seed=4)
    sent: dict[str, Any] = {"files": {"image": picture}} if form else {"content": picture}
    kind = {} if form else {"content-type": "image/png"}
    answer = editor.post(f"{HERE}?direction=hue&amount=1&format=npy", headers=kind, **sent)
    assert answer.headers["x-model"] == "codes@1"
    with Image.open(BytesIO(picture)) as opened:
        code = toy_parts.code(np.asarray(opened))
    edited = np.load(BytesIO(answer.content))
    assert np.abs(edited.astype(int) - decoded(editor, code[None] + HUE, model="codes")).max() <= 1
    unmoved = editor.post(f"{HERE}?direction=hue&amount=0", headers=kind, **sent).content
    reconstructed = editor.post("/reconstruct", headers=kind, **sent).content
    with Image.open(BytesIO(unmoved)) as same, Image.open(BytesIO(reconstructed)) as expected:
        np.testing.assert_array_equal(np.asarray(same), np.asarray(expected))
    recipe = recipe_of(unmoved)
    assert isinstance(recipe, Derivation)
    assert recipe.source == contract.digest(picture)


def test_without_a_model_it_is_the_first_that_has_the_directions_and_the_class(editor: TestClient) -> None:
    assert editor.post(f"{HERE}?direction=hue&amount=1").headers["x-model"] == "codes@1"
    assert editor.post(f"{HERE}?direction=hue&amount=1&class=dog").headers["x-model"] == "mixer@1"


def test_a_default_model_is_meant_unless_it_has_no_directions(serve: Serve, tmp_path: Path) -> None:
    toy.direct(toy.build(tmp_path, "a"))
    toy.direct(toy.build(tmp_path, "b"), "age")
    toy.build(tmp_path, "plain")
    for default, expected in (("b", "b@1"), ("plain", "a@1")):
        client = serve(models=tmp_path, default_model=default)
        direction = "age" if default == "b" else "hue"
        assert client.post(f"{HERE}?direction={direction}&amount=1").headers["x-model"] == expected


@pytest.mark.parametrize("name", ["cifar10", "fashion-vae"])
def test_every_direction_of_a_shipped_model_changes_its_picture(serve: Serve, tmp_path: Path, name: str) -> None:
    shutil.copytree(MODELS / name, tmp_path / name)
    client = serve(models=tmp_path)
    expected = generated(client, model=name, seed=1)
    for direction in client.get(f"/models/{name}").json()["directions"]:
        asked = {"model": name, "seed": 1, "direction": direction["name"]}
        assert answered(client, **asked, amount=0) == expected
        start, middle, end = drawn(client, **asked, amount=direction["range"], steps=3).astype(float)
        assert min(np.abs(start - middle).mean(), np.abs(middle - end).mean()) > 2


def test_the_documented_example_is_a_direction_of_the_shipped_model() -> None:
    fields = properties(EditParameters)
    [model], [direction] = fields["model"]["examples"], fields["direction"]["examples"]
    manifest = contract.read(MODELS / model.replace("@", "/"))
    assert direction in [found.name for found in manifest.directions]
