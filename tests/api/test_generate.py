"""`/generate` draws what was asked for, in every format, and says what it drew."""

import base64
import re
from io import BytesIO
from itertools import product
from urllib.parse import parse_qsl
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from app.api.deps import pairs
from app.latents import MAX_SEED
from app.media.provenance import recipe_of
from tests.toy import SIDE

PINNED = "/generate?model=toy@1&seed=42"


def pixels(data: bytes) -> np.ndarray:
    with Image.open(BytesIO(data)) as picture:
        return np.asarray(picture)


def test_one_png_by_default(client: TestClient) -> None:
    answer = client.post("/generate")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert pixels(answer.content).shape == (SIDE, SIDE, 3)


def test_a_seed_that_was_not_given_is_drawn_and_returned(client: TestClient) -> None:
    first, second = client.post("/generate?model=toy@1"), client.post("/generate?model=toy@1")
    assert first.headers["x-seed"] != second.headers["x-seed"]
    again = client.get("/generate", params={"model": "toy@1", "seed": first.headers["x-seed"]})
    assert again.content == first.content


def test_query_and_json_body_mean_the_same_and_mix(client: TestClient) -> None:
    query = client.post("/generate?model=toy@1&class=dog&seed=7&truncation=0.5")
    body = client.post("/generate", json={"model": "toy@1", "class": "dog", "seed": 7, "truncation": 0.5})
    mixed = client.post("/generate?model=toy@1&seed=7", json={"class": "dog", "truncation": "0.5"})
    assert query.content == body.content == mixed.content


def test_headers_say_what_was_drawn(client: TestClient) -> None:
    answer = client.get(f"{PINNED}&class=dog&index=3")
    assert answer.headers["x-model"] == "toy@1"
    assert answer.headers["x-seed"] == "42"
    assert answer.headers["x-index"] == "3"
    assert answer.headers["x-class"] == "dog"
    assert answer.headers["content-disposition"] == 'inline; filename="toy-1_dog_seed42_3.png"'


def test_server_timing_shows_queue_batch_infer_and_encode(client: TestClient) -> None:
    timing = client.post("/generate?n=3").headers["server-timing"]
    number = r"\d+\.\d\d"
    expected = rf'queue;dur={number}, batch;desc="[\d/]+", infer;dur={number}, encode;dur={number}, total;dur={number}'
    assert re.fullmatch(expected, timing)


@pytest.mark.parametrize("name", ["dog", "1"])
def test_a_class_is_asked_for_by_name_or_index(client: TestClient, name: str) -> None:
    answer = client.get(f"{PINNED}&class={name}")
    assert answer.headers["x-class"] == "dog"
    assert answer.content == client.get(f"{PINNED}&class=dog").content
    assert answer.content != client.get(f"{PINNED}&class=cat").content


def test_a_class_not_given_is_drawn_from_the_seed_and_named(client: TestClient) -> None:
    answer = client.get(PINNED)
    named = client.get(f"{PINNED}&class={answer.headers['x-class']}")
    assert named.content == answer.content


def test_without_a_model_the_first_that_has_the_class_draws(client: TestClient) -> None:
    assert client.post("/generate").headers["x-model"] == "shapes@1"
    assert client.post("/generate?class=dog").headers["x-model"] == "toy@2"


def test_a_name_without_version_means_the_newest(client: TestClient) -> None:
    assert client.post("/generate?model=toy").headers["x-model"] == "toy@2"


def test_truncation_one_is_none_and_zero_is_the_mean(client: TestClient) -> None:
    full, cut = client.get(f"{PINNED}&truncation=1"), client.get(f"{PINNED}&truncation=0&class=cat")
    assert full.content == client.get(PINNED).content
    other = client.get("/generate?model=toy@1&seed=43&truncation=0&class=cat")
    np.testing.assert_array_equal(pixels(cut.content), pixels(other.content))


def test_npy_holds_all_samples(client: TestClient) -> None:
    answer = client.get(f"{PINNED}&n=5&format=npy")
    samples = np.load(BytesIO(answer.content), allow_pickle=False)
    assert (samples.dtype, samples.shape) == (np.uint8, (5, SIDE, SIDE, 3))
    assert answer.headers["content-disposition"] == 'attachment; filename="toy-1_seed42_x5.npy"'


def test_every_sample_of_a_request_has_an_address_of_its_own(client: TestClient) -> None:
    samples = np.load(BytesIO(client.get(f"{PINNED}&n=5&format=npy").content))
    for index in range(5):
        np.testing.assert_array_equal(pixels(client.get(f"{PINNED}&index={index}").content), samples[index])


def test_json_holds_pictures_addresses_and_recipes(client: TestClient) -> None:
    answer = client.get(f"{PINNED}&n=4&format=json").json()
    assert (answer["model"], answer["seed"]) == ("toy@1", 42)
    assert [sample["index"] for sample in answer["samples"]] == [0, 1, 2, 3]
    for sample in answer["samples"]:
        data = base64.b64decode(sample["image"], validate=True)
        assert client.get(sample["url"]).content == data
        assert sample["class"] in ("cat", "dog")
        assert recipe_of(data).model_dump(exclude_none=True) == sample["recipe"]


def test_a_zip_holds_one_named_png_for_each_sample(client: TestClient) -> None:
    answer = client.get(f"{PINNED}&n=3&class=dog&index=9&format=zip")
    with ZipFile(BytesIO(answer.content)) as bundle:
        assert bundle.namelist() == [f"toy-1_dog_seed42_{index}.png" for index in (9, 10, 11)]
        first = bundle.read("toy-1_dog_seed42_9.png")
    assert first == client.get(f"{PINNED}&class=dog&index=9").content


@pytest.mark.parametrize(
    ("grid", "columns", "rows"), [("", 3, 2), ("&grid=5", 5, 1), ("&grid=1", 1, 5), ("&grid=9", 5, 1)]
)
def test_several_pictures_make_a_sheet(client: TestClient, grid: str, columns: int, rows: int) -> None:
    answer = client.get(f"{PINNED}&n=5{grid}")
    assert pixels(answer.content).shape == (rows * SIDE, columns * SIDE, 3)
    assert recipe_of(answer.content).columns == columns


@pytest.mark.parametrize("file_format", ["png", "jpeg", "webp"])
def test_pictures_carry_the_recipe_that_makes_them_again(client: TestClient, file_format: str) -> None:
    answer = client.post(f"/generate?model=toy&index=2&truncation=0.8&format={file_format}")
    recipe = recipe_of(answer.content)
    again = {
        "model": f"{recipe.model}@{recipe.version}",
        "class": recipe.class_,
        "seed": recipe.seed,
        "index": recipe.index,
        "truncation": recipe.truncation,
        "format": file_format,
    }
    assert client.get("/generate", params=again).content == answer.content


def test_the_largest_seed_and_index_draw(client: TestClient) -> None:
    answer = client.get(f"/generate?model=toy@1&seed={MAX_SEED}&index={MAX_SEED - 1}&n=2&format=json")
    assert [sample["index"] for sample in answer.json()["samples"]] == [MAX_SEED - 1, MAX_SEED]


def test_a_query_without_escapes_is_read_as_any_other() -> None:
    """All queries of at most six of the characters that mean something."""
    for length in range(7):
        for query in map("".join, product("ab=&;", repeat=length)):
            assert pairs(query) == parse_qsl(query, keep_blank_values=True), query


@pytest.mark.parametrize(
    "query", ["class=d%6Fg&seed=1", "cl%61ss=dog&seed=1", "class=dog&seed=%31", "&&class=dog&seed=1&"]
)
def test_a_query_with_escapes_means_the_same(client: TestClient, query: str) -> None:
    assert client.get(f"/generate?{query}").content == client.get("/generate?class=dog&seed=1").content
