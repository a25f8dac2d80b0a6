"""A picture drawn here is drawn again from what it carries, byte for byte, or the answer says what differs."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from starlette.testclient import TestClient

from app.media import images
from app.media.provenance import Derivation, recipe_of
from tests import toy
from tests.api.conftest import Serve


def detail(client: TestClient, file: bytes) -> str:
    answer = client.post("/reproduce", content=file)
    assert answer.status_code == 409, answer.text
    assert answer.json()["type"] == "urn:ganymede:problem:not-reproduced"
    return str(answer.json()["detail"])


@pytest.mark.parametrize(
    "query",
    [
        "model=toy&seed=7",
        "model=toy&class=dog&seed=9007199254740991&index=0",
        "model=toy&seed=3&index=5&truncation=0.5&format=webp",
        "model=toy&seed=3&format=jpeg",
        "model=toy&seed=4&n=5&grid=2",
        "model=toy&seed=4&n=5&class=cat&format=jpeg",
        "model=toy&n=3",
    ],
)
def test_a_picture_comes_back_byte_for_byte(client: TestClient, query: str) -> None:
    drawn = client.post(f"/generate?{query}")
    assert drawn.status_code == 200
    again = client.post("/reproduce", files={"image": drawn.content})
    assert again.status_code == 200, again.text
    assert again.content == drawn.content
    assert again.headers["content-type"] == drawn.headers["content-type"]
    assert client.get(again.headers["content-location"]).content == drawn.content


def test_each_picture_of_an_album_comes_back(client: TestClient) -> None:
    samples = client.post("/generate?model=toy&seed=2&n=3&format=json").json()["samples"]
    for sample in samples:
        drawn = client.get(sample["url"]).content
        assert client.post("/reproduce", content=drawn).content == drawn


def test_the_picture_alone_says_of_which_model_it_is(client: TestClient) -> None:
    answer = client.post("/reproduce?model=toy", content=client.post("/generate?model=toy").content)
    assert answer.status_code == 422
    assert answer.json()["detail"] == "model: there is no such parameter; known: timeout, priority"


def test_altered_pixels_are_counted(client: TestClient) -> None:
    drawn = client.post("/generate?model=toy&seed=1").content
    with Image.open(BytesIO(drawn)) as picture:
        pixels = np.asarray(picture).copy()
    pixels[0, 0] ^= 128
    pixels[5, 5] ^= 64
    altered = images.encode(pixels, "png", recipe_of(drawn))
    answer = client.post("/reproduce", content=altered).json()
    assert answer["detail"] == "0.78% of the pixels differ, by up to 128 of 255 levels: the picture was altered."
    assert (answer["differing"], answer["largest"]) == (2 / 256, 128)
    assert client.get(answer["url"]).content == drawn


def test_a_file_written_anew_has_the_same_pixels(client: TestClient) -> None:
    drawn = client.post("/generate?model=toy&seed=1").content
    out = BytesIO()
    texts = PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", recipe_of(drawn).xmp.decode())
    with Image.open(BytesIO(drawn)) as picture:
        picture.save(out, "png", pnginfo=texts, optimize=True)
    assert "its pixels are the same" in detail(client, out.getvalue())


def test_a_picture_that_was_cut_is_told_so(client: TestClient) -> None:
    drawn = client.post("/generate?model=toy&seed=1").content
    cut = images.encode(np.zeros((8, 9, 3), np.uint8), "png", recipe_of(drawn))
    said = "The picture was cut or scaled: it and the one drawn again have 9×8 and 16×16 pixels."
    assert detail(client, cut) == said


def test_a_picture_without_a_recipe_is_told_so(client: TestClient) -> None:
    out = BytesIO()
    Image.new("RGB", (4, 4)).save(out, "png")
    assert detail(client, out.getvalue()).startswith("No recipe: the picture carries no metadata")


def test_a_model_that_is_gone_or_was_changed_is_named(serve: Serve, tmp_path: Path) -> None:
    toy.build(tmp_path / "before", seed=0)
    drawn = serve(models=tmp_path / "before").post("/generate?model=toy&seed=1").content
    toy.build(tmp_path / "changed", seed=1)
    changed = detail(serve(models=tmp_path / "changed"), drawn)
    assert changed.startswith("toy@1 is another model than the one that drew it: the picture's has SHA-256 ")
    toy.build(tmp_path / "gone", name="other")
    gone = detail(serve(models=tmp_path / "gone"), drawn)
    assert gone == "The model is gone: There is no model 'toy@1'; known: other@1."


def test_what_was_made_of_another_file_says_which_and_how(client: TestClient) -> None:
    recipe = Derivation(
        model="monet", version=1, digest="0" * 64, verb="style", source="ab" * 32, parameters={"strength": 0.5}
    )
    said = detail(client, images.encode(np.zeros((4, 4, 3), np.uint8), "webp", recipe))
    again = f"send the one whose SHA-256 is {'ab' * 32} to POST /style?model=monet@1&strength=0.5 again."
    assert said == f"It was made of another file: {again}"


def test_a_sheet_that_a_critic_chose_is_drawn_again_at_its_address(studio: TestClient) -> None:
    drawn = studio.post("/generate?model=judged&class=cat&n=2&best_of=2&seed=1")
    answer = studio.post("/reproduce", content=drawn.content)
    assert answer.status_code == 409
    assert answer.json()["detail"] == "It is a sheet that a critic chose; its address draws it again."
    assert studio.get(answer.json()["url"]).content == drawn.content


def test_a_recipe_that_nobody_could_have_written_is_not_followed(client: TestClient) -> None:
    drawn = client.post("/generate?model=toy&seed=1").content
    greedy = recipe_of(drawn).model_copy(update={"n": 100_000})
    said = detail(client, images.encode(np.zeros((4, 4, 3), np.uint8), "png", greedy))
    assert said.startswith("Its recipe is none that this service follows: n: ")
