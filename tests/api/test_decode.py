"""`/decode` draws what the generator makes of latents that are given, in JSON or as an array."""

import base64
import json
import tracemalloc
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from starlette.testclient import TestClient

from app import contract, latents
from app.api.codes.transport import listed
from app.engine import providers
from app.errors import InvalidParameter
from app.media.provenance import recipe_of
from tests.api.conftest import Serve
from tests.api.test_generate import pixels
from tests.toy import LATENT, SIDE

NOISE = latents.noise(3, range(5), LATENT)


def npy(array: np.ndarray) -> bytes:
    out = BytesIO()
    np.save(out, array)
    return out.getvalue()


def decoded(client: TestClient, given: Sequence[object] | np.ndarray, **rest: object) -> np.ndarray:
    answer = client.post("/decode", json={"model": "codes", "latents": np.asarray(given).tolist(), **rest})
    assert answer.status_code == 200, answer.text
    return pixels(answer.content)


def test_the_latents_of_a_seed_give_the_pictures_of_that_seed(studio: TestClient) -> None:
    sampled = studio.get("/generate?model=codes@1&seed=3&n=5&format=npy")
    answer = studio.post("/decode", json={"model": "codes@1", "latents": NOISE.tolist(), "format": "npy"})
    assert answer.content == sampled.content


def test_json_an_array_and_a_form_mean_the_same(studio: TestClient) -> None:
    texts = {"model": "codes", "format": "png"}
    answers = [
        studio.post("/decode", json={"latents": NOISE.tolist(), **texts}),
        studio.post("/decode", params=texts, content=npy(NOISE)),
        studio.post("/decode", params=texts, content=npy(NOISE.astype(">f8"))),
        studio.post("/decode", data=texts, files={"latents": npy(NOISE)}),
        studio.post("/decode?model=codes", json={"latents": NOISE.tolist()}),
    ]
    assert [answer.status_code for answer in answers] == [200] * 5
    assert len({answer.content for answer in answers}) == 1


def test_one_latent_needs_no_axis_of_samples(studio: TestClient) -> None:
    assert decoded(studio, NOISE[0]).shape == (SIDE, SIDE, 3)
    np.testing.assert_array_equal(decoded(studio, NOISE[0]), decoded(studio, NOISE[:1]))


def test_whole_numbers_are_numbers(studio: TestClient) -> None:
    np.testing.assert_array_equal(decoded(studio, [[0] * LATENT]), decoded(studio, [[0.0] * LATENT]))


def test_several_pictures_make_a_sheet(studio: TestClient) -> None:
    assert decoded(studio, NOISE).shape == (2 * SIDE, 3 * SIDE, 3)
    assert decoded(studio, NOISE, grid=5).shape == (SIDE, 5 * SIDE, 3)


def test_a_class_is_drawn_of_the_latent(studio: TestClient, studio_dir: Path) -> None:
    folder = studio_dir / "mixing" / "1"
    generator = providers.load((folder / "generator.onnx").read_bytes())
    label = contract.read(folder).graphs["generator"].input("label")
    for text, asked in (("owl", 2), ("cat:1,owl:3", {0: 1.0, 2: 3.0})):
        [image] = generator.run(["image"], {"z": NOISE[:1], "label": label.labels([asked])})
        drawn = decoded(studio, NOISE[0], model="mixing", **{"class": text})
        np.testing.assert_array_equal(drawn, image[0])


def test_a_picture_carries_the_latent_that_makes_it_again(studio: TestClient) -> None:
    answer = studio.post("/decode", json={"model": "judged", "class": "2", "latents": NOISE.tolist(), "format": "webp"})
    recipe = recipe_of(answer.content)
    assert (recipe.verb, recipe.model, recipe.version) == ("decode", "judged", 1)
    assert recipe.parameters.pop("columns") == 3
    given = dict(recipe.parameters)
    given["latents"] = np.frombuffer(base64.b64decode(given["latents"]), "<f4").reshape(-1, LATENT).tolist()
    again = studio.post("/decode", json={"model": "judged@1", **given, "format": "webp"})
    assert again.content == answer.content


def test_latents_too_many_for_a_recipe_are_named_by_their_hash(serve: Serve, studio_dir: Path) -> None:
    client = serve(models=studio_dir, max_samples=600)
    many = latents.noise(0, range(513), LATENT)
    answer = client.post("/decode?model=codes&format=jpeg", content=npy(many))
    assert answer.status_code == 200
    assert recipe_of(answer.content).parameters["latents_sha256"] == contract.digest(many.tobytes())


def test_json_and_zip_hold_pictures_apart(studio: TestClient) -> None:
    answer = studio.post("/decode?picture=webp&format=json", json={"model": "codes", "latents": NOISE.tolist()})
    assert answer.json()["model"] == "codes@1"
    pictures = [base64.b64decode(sample["image"]) for sample in answer.json()["samples"]]
    assert len(pictures) == 5
    for picture, sample, latent in zip(pictures, answer.json()["samples"], NOISE, strict=True):
        np.testing.assert_array_equal(pixels(picture), decoded(studio, latent))
        assert recipe_of(picture).model_dump(exclude_none=True) == sample["recipe"]
    answer = studio.post("/decode?picture=webp&format=zip", json={"model": "codes", "latents": NOISE.tolist()})
    with ZipFile(BytesIO(answer.content)) as bundle:
        assert bundle.namelist() == [f"codes-1_decoded_{row}.webp" for row in range(5)]
        assert [bundle.read(name) for name in bundle.namelist()] == pictures


def test_headers_say_what_it_was(studio: TestClient) -> None:
    answer = studio.post(
        "/decode", json={"model": "codes", "latents": NOISE.tolist()}, headers={"accept": "image/webp"}
    )
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["x-model"] == "codes@1"
    assert answer.headers["vary"] == "Accept"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-disposition"] == 'inline; filename="codes-1_decoded.webp"'
    assert answer.headers["server-timing"].startswith("queue;dur=")


HERE = {"model": "codes"}
RIGHT = [[0.0] * LATENT]
LISTS = "latents: must be a list of latents, each a list of numbers, all of the same length"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (HERE, "latents: is missing: a list of latents, each of which is a list of numbers"),
        (
            {"latents": RIGHT},
            "model: is missing: a latent means something only to the model that it was made for",
        ),
        ({"latents": [[0, 1], [2]], **HERE}, LISTS),
        ({"latents": [["0"] * LATENT], **HERE}, LISTS),
        ({"latents": [[True] * LATENT], **HERE}, LISTS),
        ({"latents": [[None] * LATENT], **HERE}, LISTS),
        ({"latents": [[True] + [0.5] * (LATENT - 1)], **HERE}, LISTS),
        ({"latents": [[10**400] * LATENT], **HERE}, LISTS),
        ({"latents": "0", **HERE}, LISTS),
        ({"latents": {}, **HERE}, LISTS),
        ({"latents": [[0] * 9], **HERE}, "latents: must be of shape [n, 8] for codes@1, not [1, 9]"),
        ({"latents": [0] * 7, **HERE}, "latents: must be of shape [n, 8] for codes@1, not [7]"),
        ({"latents": 1, **HERE}, "latents: must be of shape [n, 8] for codes@1, not []"),
        ({"latents": [], **HERE}, "latents: must be of shape [n, 8] for codes@1, not [0]"),
        ({"latents": RIGHT * 65, **HERE}, "latents: are 65; at most 64 are decoded for one request"),
        ({"latents": [[1e39] * LATENT], **HERE}, "latents: hold what is no finite number"),
        (
            {"latents": RIGHT, "model": "judged"},
            "class: is missing: judged@1 draws by class; known: cat, dog, owl",
        ),
        (
            {"latents": RIGHT, "class": "cat", **HERE},
            "class: codes@1 is unconditional, it has no classes; leave class out",
        ),
        (
            {"latents": RIGHT, "seed": 1, **HERE},
            "seed: there is no such parameter; known: model, timeout, priority, class, format, picture, grid",
        ),
        (
            {"latents": RIGHT, "format": "ndjson", **HERE},
            'format: must be one of png, jpeg, webp, json, zip, npy, not "ndjson"',
        ),
        (
            {"latents": RIGHT, "picture": "webp", **HERE},
            "picture: only json, zip, ndjson, multipart hold pictures of a form of their own, not png; leave picture "
            "out",
        ),
    ],
)
def test_what_can_not_be_decoded_is_refused_in_words(studio: TestClient, body: dict, message: str) -> None:
    answer = studio.post("/decode", content=json.dumps(body), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["detail"]) == (422, message)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"a picture",
            "latents: can't be read as an npy file: its header is damaged or cut off, or of a version that no "
            "array of numbers needs; send one, or JSON",
        ),
        (b"", "latents: is missing: send the file as the body, or as the part 'latents' of a form"),
        (npy(np.full((1, LATENT), np.nan)), "latents: hold what is no finite number"),
        (npy(np.zeros((2, 2, LATENT))), "latents: must be of shape [n, 8] for codes@1, not [2, 2, 8]"),
    ],
)
def test_a_file_that_holds_no_latents_is_refused_in_words(studio: TestClient, data: bytes, message: str) -> None:
    answer = studio.post("/decode?model=codes", content=data)
    assert (answer.status_code, answer.json()["detail"]) == (422, message)


def test_a_large_body_is_refused(serve: Serve, studio_dir: Path) -> None:
    client = serve(models=studio_dir, max_upload_mb=0.001)
    answer = client.post("/decode?model=codes", content=bytes(1001))
    assert (answer.status_code, answer.json()["detail"]) == (413, "The file may hold 1,000 bytes; send a smaller one.")
    answer = client.post("/decode", content=b" " * (2**20 + 1), headers={"content-type": "application/json"})
    message = "The body may hold 1048576 bytes; send more latents in numpy's file format (npy)."
    assert (answer.status_code, answer.json()["detail"]) == (413, message)


def test_a_server_with_a_default_model_need_not_be_told(serve: Serve, studio_dir: Path) -> None:
    client = serve(models=studio_dir, default_model="codes")
    assert client.post("/decode", json={"latents": RIGHT}).headers["x-model"] == "codes@1"


def test_texts_in_the_place_of_numbers_take_no_more_memory_than_they_came_in() -> None:
    """In an array of texts each is as long as the longest."""
    sent = ["x" * 100_000, *[0] * 1000]
    tracemalloc.start()
    try:
        with pytest.raises(InvalidParameter, match=LISTS):
            listed(sent)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000
