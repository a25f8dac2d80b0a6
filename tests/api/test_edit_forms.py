"""How an edit is answered: its layouts and formats, its address, and the recipe by which it is drawn again."""

import base64
import json
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from app.media import images
from app.media.provenance import Derivation, recipe_of
from tests import toy
from tests.api.conftest import Serve, count
from tests.api.edits import HERE, again, answered, drawn, generated, noise
from tests.api.walks import KINDS, frames, pixels

ASKED: dict[str, Any] = {"model": "toy@1", "seed": 7, "direction": "hue", "amount": 2}
SEQUENCE: dict[str, Any] = {**ASKED, "amount": "-3..3", "steps": 4}


@pytest.mark.parametrize(("asked", "kind"), KINDS)
def test_a_format_says_what_it_is(editor: TestClient, asked: dict[str, str], kind: str) -> None:
    answer = editor.post(HERE, json=ASKED | asked)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == kind
    assert "vary" in answer.headers or "format" in asked


def test_the_accept_header_chooses_where_the_request_does_not(editor: TestClient) -> None:
    answer = editor.post(HERE, json=ASKED, headers={"accept": "image/webp"})
    assert (answer.headers["content-type"], answer.headers["vary"]) == ("image/webp", "Accept")


def test_a_strip_has_a_row_for_each_sample(editor: TestClient) -> None:
    sheet = pixels(answered(editor, **SEQUENCE, n=3))
    np.testing.assert_array_equal(sheet, images.sheet(drawn(editor, **SEQUENCE, n=3), 4))


def test_samples_without_a_sequence_are_laid_as_those_of_generate(editor: TestClient) -> None:
    for grid in ({}, {"grid": 2}):
        sheet = pixels(answered(editor, **ASKED, n=5, **grid))
        np.testing.assert_array_equal(sheet, images.sheet(drawn(editor, **ASKED, n=5), grid.get("grid", 3)))


def test_a_layout_alone_makes_a_sequence(editor: TestClient) -> None:
    assert pixels(answered(editor, **ASKED, layout="strip")).shape == (16, 8 * 16, 3)
    assert len(frames(answered(editor, **ASKED, format="gif"))) == 24


@pytest.mark.parametrize("file_format", ["webp", "apng"])
def test_a_lossless_animation_holds_the_pictures_of_the_sequence(editor: TestClient, file_format: str) -> None:
    film = answered(editor, **SEQUENCE, loop=1, layout="animation", format=file_format, upscale=2)
    expected = drawn(editor, **SEQUENCE, loop=1).repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(frames(film), expected)
    with Image.open(BytesIO(film)) as opened:
        assert opened.info["loop"] == 0


def test_a_zip_holds_each_picture_in_order_with_a_recipe_of_its_own(editor: TestClient) -> None:
    with ZipFile(BytesIO(answered(editor, **SEQUENCE, n=2, format="zip", picture="webp"))) as album:
        names = album.namelist()
        files = [album.read(name) for name in names]
    assert names[:2] == ["toy-1_edited_seed7_step0.webp", "toy-1_edited_seed7_step1.webp"]
    assert names[4] == "toy-1_edited_seed7_1_step0.webp"
    np.testing.assert_array_equal(np.stack([pixels(file) for file in files]), drawn(editor, **SEQUENCE, n=2))
    assert [again(editor, file) for file in files] == files


def test_json_says_of_each_picture_what_it_is_and_where_it_lies(editor: TestClient) -> None:
    answer = json.loads(answered(editor, **ASKED | {"amount": 0.1}, n=2, format="json"))
    assert (answer["model"], answer["seed"]) == ("toy@1", 7)
    for index, sample in enumerate(answer["samples"]):
        assert (sample["index"], sample["amounts"]) == (index, {"hue": 0.1})
        assert sample["recipe"]["parameters"]["directions"] == "hue:0.1"
        assert editor.get(sample["url"]).content == base64.b64decode(sample["image"])


def test_json_of_latents_has_neither_seed_nor_address(editor: TestClient) -> None:
    asked = {"model": "codes", "latents": noise(1, 2).tolist(), "direction": "hue", "amount": 1, "format": "json"}
    answer = json.loads(answered(editor, **asked))
    assert "seed" not in answer
    assert [("url" in sample, sample["index"]) for sample in answer["samples"]] == [(False, 0), (False, 1)]
    for sample in answer["samples"]:
        file = base64.b64decode(sample["image"])
        assert again(editor, file) == file


# Addresses.


def test_edited_samples_lie_at_an_address_for_ever(editor: TestClient) -> None:
    posted = editor.post(HERE, json=ASKED | {"directions": "size:0.50,hue:2"} | {"direction": None, "amount": None})
    assert posted.headers["cache-control"] == "no-store"
    assert posted.headers["content-location"] == f"{HERE}?model=toy@1&seed=7&directions=hue:2,size:0.5&format=png"
    got = editor.get(posted.headers["content-location"])
    assert got.content == posted.content
    assert got.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert (got.headers["x-seed"], got.headers["x-index"]) == ("7", "0")
    assert got.headers["x-class"] in ("cat", "dog")
    before = count(editor, "ganymede_images_total", model="toy@1")
    unchanged = editor.get(posted.headers["content-location"], headers={"if-none-match": got.headers["etag"]})
    head = editor.head(posted.headers["content-location"])
    assert (unchanged.status_code, unchanged.content, head.status_code, head.content) == (304, b"", 200, b"")
    assert head.headers["etag"] == got.headers["etag"]
    assert count(editor, "ganymede_images_total", model="toy@1") == before


def test_another_amount_has_another_tag_and_another_spelling_the_same(editor: TestClient) -> None:
    tags = [
        editor.get(f"{HERE}?model=toy@1&seed=7&{rest}&format=png").headers["etag"]
        for rest in ("direction=hue&amount=2", "directions=hue:2.0", "direction=hue&amount=2.1")
    ]
    assert tags[0] == tags[1] != tags[2]


def test_an_address_without_a_version_is_asked_for_again(editor: TestClient) -> None:
    assert editor.get(f"{HERE}?model=toy&seed=7&direction=hue&amount=2").headers["cache-control"] == "public, no-cache"
    drawn_anew = editor.get(f"{HERE}?model=toy&direction=hue&amount=2")
    assert drawn_anew.headers["cache-control"] == "no-store"
    assert editor.get(drawn_anew.headers["content-location"]).content == drawn_anew.content


def test_a_sequence_lies_at_its_address_too(editor: TestClient) -> None:
    for form in ({"n": 2}, {"format": "gif", "fps": 20, "loop": 1, "easing": "smooth"}, {"format": "zip", "n": 2}):
        answer = editor.post(HERE, json=SEQUENCE | form)
        assert editor.get(answer.headers["content-location"]).content == answer.content


def test_a_picture_of_the_clients_own_has_no_address(editor: TestClient) -> None:
    picture = generated(editor, model="codes", seed=4)
    answer = editor.post(f"{HERE}?direction=hue&amount=1", files={"image": picture})
    assert "content-location" not in answer.headers
    assert "x-seed" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    assert "decode;dur=" in answer.headers["server-timing"]


# Drawn again.


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"format": "jpeg", "amount": 0.1},
        {"format": "webp", "n": 5, "grid": 2},
        {"class": "dog", "truncation": 0.5, "index": 9007199254740991},
        {"amount": "-3..3", "n": 3},
        {"amount": "-3..3", "steps": 5, "loop": 1, "easing": "smooth", "upscale": 3},
        {"amount": "-3..3", "format": "apng", "fps": 20},
        {"amount": 2, "layout": "animation", "format": "webp", "loop": 1, "upscale": 2},
        {"amount": 0, "n": 2},
        {"model": "mixer@1", "class": "cat:1,dog:3", "directions": "hue:1,size:1"},
        {"model": "codes", "latents": noise(1, 2).tolist()},
    ],
)
def test_a_picture_is_drawn_again_byte_for_byte_from_its_recipe(editor: TestClient, asked: dict[str, Any]) -> None:
    given: dict[str, Any] = {"model": "toy", "direction": "hue", "amount": 2} | asked
    if "directions" in asked:
        given.pop("direction")
        given.pop("amount")
    if "latents" not in asked:
        given |= {"seed": 7}
    made = editor.post(HERE, json=given)
    assert made.status_code == 200, made.text
    redrawn = editor.post("/reproduce", content=made.content)
    assert redrawn.status_code == 200, redrawn.text
    assert redrawn.content == made.content
    assert redrawn.headers.get("x-seed") == made.headers.get("x-seed")
    if "content-location" in made.headers and redrawn.headers["content-location"].startswith(HERE):
        assert editor.get(redrawn.headers["content-location"]).content == made.content


def test_an_edited_picture_is_drawn_again_without_the_one_that_was_sent(editor: TestClient) -> None:
    picture = generated(editor, model="codes", seed=4)
    for query in ("amount=1", "amount=-2..2&steps=5", "amount=0&format=webp"):
        made = editor.post(f"{HERE}?direction=hue&{query}", files={"image": picture}).content
        assert again(editor, made) == made


def test_altered_pixels_of_an_edit_are_counted(editor: TestClient) -> None:
    made = answered(editor, **ASKED)
    altered = pixels(made).copy()
    altered[0, 0] ^= 128
    answer = editor.post("/reproduce", content=images.encode(altered, "png", recipe_of(made))).json()
    assert answer["detail"].startswith("0.39% of the pixels differ, by up to 128 of 255 levels")
    assert editor.get(answer["url"]).content == made


def test_an_animation_that_was_written_anew_is_told_so(editor: TestClient) -> None:
    made = answered(editor, **SEQUENCE, format="apng")
    answer = editor.post("/reproduce", content=made[:-12] + b"\0\0\0\0tEXt\0\0\0\0" + made[-12:])
    assert answer.status_code == 409
    assert answer.json()["detail"] == "The animation and the one drawn again differ: it was altered, or written anew."


def test_more_latents_than_a_recipe_carries_are_named_by_their_hash(serve: Serve, tmp_path: Path) -> None:
    toy.direct(toy.build(tmp_path, "codes", classes=()))
    client = serve(models=tmp_path, max_samples=600)
    made = answered(client, model="codes", latents=noise(1, 513).tolist(), direction="hue", amount=1)
    answer = client.post("/reproduce", content=made)
    said = "It was made of more latents than a recipe carries: send those whose SHA-256 is "
    assert (answer.status_code, answer.json()["detail"][: len(said)]) == (409, said)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"directions": "age:1"}, "toy@1 has no direction 'age'; known: hue, size."),
        ({"directions": "hue:9"}, "directions: must be from -3 to 3 for hue of toy@1, not 9"),
        ({"n": 1000}, "n: Input should be less than or equal to 64"),
        ({"latents": "AAAA"}, "latents: can't be unpacked"),
        ({"seed": None}, "seed: is missing"),
    ],
)
def test_a_recipe_that_nobody_could_have_written_is_not_followed(
    editor: TestClient, changed: dict[str, Any], said: str
) -> None:
    recipe = recipe_of(answered(editor, **ASKED))
    assert isinstance(recipe, Derivation)
    parameters = {name: value for name, value in (recipe.parameters | changed).items() if value is not None}
    forged = images.encode(np.zeros((4, 4, 3), np.uint8), "png", recipe.model_copy(update={"parameters": parameters}))
    answer = editor.post("/reproduce", content=forged)
    assert answer.status_code == 409
    assert answer.json()["detail"].startswith(f"Its recipe is none that this service follows: {said}")


def test_jobs_are_carried_out_as_those_of_every_verb(editor: TestClient) -> None:
    before = count(editor, "ganymede_requests_total", route=HERE, model="toy@1", status="200")
    drawn_before = count(editor, "ganymede_images_total", model="toy@1")
    answer = editor.post(HERE, json=ASKED | {"n": 3, "priority": "bulk", "timeout": 5})
    assert answer.headers["server-timing"].startswith("queue;dur=")
    assert count(editor, "ganymede_images_total", model="toy@1") == drawn_before + 3
    assert count(editor, "ganymede_requests_total", route=HERE, model="toy@1", status="200") == before + 1
