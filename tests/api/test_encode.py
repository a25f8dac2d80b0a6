"""`/encode` finds the code of a picture, and `/reconstruct` draws it again."""

import asyncio
import base64
import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from app import contract, latents
from app.media.provenance import recipe_of
from tests import toy_parts
from tests.api import held
from tests.api.conftest import Serve, count
from tests.api.test_generate import pixels
from tests.toy import LATENT, SIDE

PICTURE = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)


def png(picture: np.ndarray) -> bytes:
    out = BytesIO()
    Image.fromarray(picture).save(out, "png")
    return out.getvalue()


def encoded(client: TestClient, picture: np.ndarray, model: str = "codes") -> np.ndarray:
    answer = client.post("/encode", params={"model": model}, content=png(picture))
    assert answer.status_code == 200, answer.text
    [latent] = answer.json()["latents"]
    return np.array(latent, np.float32)


def decoded(client: TestClient, latent: np.ndarray, model: str) -> np.ndarray:
    return pixels(client.post("/decode", json={"model": model, "latents": latent.tolist()}).content)


def test_the_code_is_what_the_encoder_answers(studio: TestClient) -> None:
    np.testing.assert_allclose(encoded(studio, PICTURE), toy_parts.code(PICTURE), atol=1e-5)


def test_a_variational_encoder_says_how_far_codes_may_lie(studio: TestClient) -> None:
    answer = studio.post("/encode?model=clouds", content=png(PICTURE)).json()
    assert answer["model"] == "clouds@1"
    np.testing.assert_allclose(answer["latents"], [toy_parts.code(PICTURE)], atol=1e-5)
    np.testing.assert_allclose(answer["deviations"], np.abs(answer["latents"]) / 2, rtol=1e-6)
    assert "deviations" not in studio.post("/encode?model=codes", content=png(PICTURE)).json()


def test_an_array_is_the_latent_alone_to_the_bit(studio: TestClient) -> None:
    answer = studio.post("/encode?model=clouds&format=npy", content=png(PICTURE))
    array = np.load(BytesIO(answer.content))
    assert (array.dtype, array.shape) == (np.float32, (1, LATENT))
    np.testing.assert_array_equal(array[0], encoded(studio, PICTURE, "clouds"))
    assert answer.headers["content-type"] == "application/x-npy"
    assert answer.headers["content-disposition"] == 'attachment; filename="clouds-1_encoded.npy"'


def test_what_is_encoded_can_be_decoded_as_it_came(studio: TestClient) -> None:
    code = studio.post("/encode?model=codes", files={"image": png(PICTURE)})
    array = studio.post("/encode?model=codes&format=npy", files={"image": png(PICTURE)})
    drawn = studio.post("/decode", json=code.json())
    again = studio.post("/decode?model=codes@1", content=array.content)
    assert drawn.status_code == again.status_code == 200
    assert drawn.content == again.content


def test_form_body_and_query_mean_the_same(studio: TestClient) -> None:
    ways = [
        studio.post("/encode?model=codes", content=png(PICTURE), headers={"content-type": "image/png"}),
        studio.post("/encode?model=codes", files={"image": ("p.gif", png(PICTURE), "image/gif")}),
        studio.post("/encode", data={"model": "codes"}, files={"image": png(PICTURE)}),
    ]
    assert [way.status_code for way in ways] == [200, 200, 200]
    assert len({way.content for way in ways}) == 1


def test_the_encoder_sees_the_middle_of_the_picture_at_its_size(studio: TestClient) -> None:
    wide = np.zeros((3 * SIDE, 5 * SIDE, 3), np.uint8)
    wide[:, SIDE : 4 * SIDE] = PICTURE.repeat(3, 0).repeat(3, 1)
    large = PICTURE.repeat(3, 0).repeat(3, 1)
    np.testing.assert_allclose(encoded(studio, wide), encoded(studio, large), atol=0.02)
    np.testing.assert_allclose(encoded(studio, large), encoded(studio, PICTURE), atol=0.05)


def test_without_a_model_the_first_that_has_an_encoder_encodes(studio: TestClient) -> None:
    answer = studio.post("/encode", content=png(PICTURE))
    assert answer.headers["x-model"] == "clouds@1"


def test_headers_of_an_encoding(studio: TestClient) -> None:
    before = count(studio, "ganymede_phase_seconds_count", model="codes@1", phase="decode")
    answer = studio.post("/encode?model=codes", content=png(PICTURE))
    number = r"\d+\.\d\d"
    expected = rf'queue;dur={number}, batch;desc="1", decode;dur={number}, infer;dur={number}, .*'
    assert re.fullmatch(expected, answer.headers["server-timing"])
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["vary"] == "Accept"
    assert count(studio, "ganymede_phase_seconds_count", model="codes@1", phase="decode") == before + 1


def test_a_picture_comes_back_from_its_code(studio: TestClient) -> None:
    answer = studio.post("/reconstruct?model=codes", content=png(PICTURE))
    assert answer.headers["content-type"] == "image/png"
    np.testing.assert_array_equal(pixels(answer.content), decoded(studio, encoded(studio, PICTURE), "codes"))


def test_a_variational_model_draws_from_the_mean(studio: TestClient) -> None:
    answer = studio.post("/reconstruct?model=clouds", content=png(PICTURE))
    mean = encoded(studio, PICTURE, "clouds")
    np.testing.assert_array_equal(pixels(answer.content), decoded(studio, mean, "clouds"))


def test_a_seed_draws_around_the_mean_as_far_as_the_encoder_says(studio: TestClient) -> None:
    code = studio.post("/encode?model=clouds", content=png(PICTURE)).json()
    mean, deviation = (np.array(code[name], np.float32) for name in ("latents", "deviations"))
    answer = studio.post("/reconstruct?model=clouds&seed=8", content=png(PICTURE))
    due = mean + deviation * latents.noise(8, range(1), LATENT)
    np.testing.assert_array_equal(pixels(answer.content), decoded(studio, due, "clouds"))
    assert studio.post("/reconstruct?model=clouds&seed=8", content=png(PICTURE)).content == answer.content
    assert studio.post("/reconstruct?model=clouds&seed=9", content=png(PICTURE)).content != answer.content


@pytest.mark.parametrize("file_format", ["png", "jpeg", "webp"])
def test_what_comes_back_says_what_it_came_from(studio: TestClient, file_format: str) -> None:
    sent = png(PICTURE)
    answer = studio.post(f"/reconstruct?model=clouds&seed=8&format={file_format}", content=sent)
    recipe = recipe_of(answer.content)
    assert (recipe.verb, recipe.model, recipe.parameters) == ("reconstruct", "clouds", {"seed": 8})
    assert recipe.source == contract.digest(sent)
    assert answer.headers["content-disposition"] == f'inline; filename="clouds-1_reconstructed.{file_format}"'


def test_it_comes_as_json_and_as_an_array(studio: TestClient) -> None:
    plain = pixels(studio.post("/reconstruct?model=codes", content=png(PICTURE)).content)
    array = studio.post("/reconstruct?model=codes&format=npy", content=png(PICTURE))
    np.testing.assert_array_equal(np.load(BytesIO(array.content)), plain[None])
    [sample] = studio.post("/reconstruct?model=codes&format=json", content=png(PICTURE)).json()["samples"]
    np.testing.assert_array_equal(pixels(base64.b64decode(sample["image"])), plain)
    assert sample["recipe"]["verb"] == "reconstruct"


def test_server_timing_adds_up_decoding_and_both_jobs(studio: TestClient) -> None:
    timing = studio.post("/reconstruct?model=codes", content=png(PICTURE)).headers["server-timing"]
    phases = dict(re.findall(r"(\w+);dur=([\d.]+)", timing))
    assert list(phases) == ["queue", "decode", "infer", "encode", "total"]
    assert 'batch;desc="1/1"' in timing
    parts = sum(float(phases[name]) for name in ("queue", "decode", "infer", "encode"))
    assert parts <= float(phases["total"]) + 0.02


@pytest.mark.parametrize("verb", ["encode", "reconstruct"])
@pytest.mark.parametrize(
    ("query", "content", "status", "message"),
    [
        ("model=codes", b"", 422, "image: is missing: send the file as the body, or as the part 'image' of a form"),
        ("model=codes", b"GIF89a", 422, "The GIF can't be read: its header is cut off or damaged."),
        ("model=judged", png(PICTURE), 422, "model: judged@1 can generate, not reconstruct"),
        (
            "model=nobody",
            png(PICTURE),
            404,
            "There is no model 'nobody'; known: clouds@1, codes@1, judged@1, mixing@1.",
        ),
    ],
)
def test_what_can_not_be_encoded_is_refused_in_words(
    studio: TestClient, verb: str, query: str, content: bytes, status: int, message: str
) -> None:
    answer = studio.post(f"/{verb}?{query}", content=content)
    assert (answer.status_code, answer.json()["detail"]) == (status, message)


@pytest.mark.parametrize("verb", ["encode", "reconstruct"])
def test_what_is_no_picture_is_refused_by_its_bytes(studio: TestClient, verb: str) -> None:
    answer = studio.post(f"/{verb}?model=codes", content=b"words", headers={"content-type": "image/png"})
    assert answer.status_code == 415
    assert answer.json()["detail"].startswith("The upload is no known picture; supported: JPEG, PNG,")


@pytest.mark.parametrize("verb", ["encode", "reconstruct"])
def test_pictures_beyond_the_limits_are_refused(serve: Serve, studio_dir: Path, verb: str) -> None:
    client = serve(models=studio_dir, max_upload_mb=0.001, max_pixels=1024)
    large = client.post(f"/{verb}?model=codes", content=bytes(2000))
    assert (large.status_code, large.json()["detail"]) == (413, "The file may hold 1,000 bytes; send a smaller one.")
    wide = client.post(f"/{verb}?model=codes", content=png(np.zeros((40, 40, 3), np.uint8)))
    assert (wide.status_code, wide.json()["detail"]) == (
        413,
        "The picture is coded as 40×40 pixels; at most 1024 are read: scale it down.",
    )


def test_a_point_has_nothing_to_draw(studio: TestClient) -> None:
    answer = studio.post("/reconstruct?model=codes&seed=1", content=png(PICTURE))
    message = "seed: the encoder of codes@1 leads to one code, not to many; leave seed out"
    assert (answer.status_code, answer.json()["detail"]) == (422, message)


def test_a_class_that_a_model_has_not_is_refused(studio: TestClient) -> None:
    answer = studio.post("/reconstruct?model=codes&class=cat", content=png(PICTURE))
    message = "class: codes@1 is unconditional, it has no classes; leave class out"
    assert (answer.status_code, answer.json()["detail"]) == (422, message)


@pytest.mark.parametrize("graph", ["encoder", "generator"])
def test_who_hangs_up_takes_either_job_along(
    serve: Serve, studio_dir: Path, monkeypatch: pytest.MonkeyPatch, graph: str
) -> None:
    client = serve(models=studio_dir)
    entered, go = held.hold(client, monkeypatch, model="codes", graph=graph)

    async def story() -> None:
        leaves = asyncio.Event()
        sent = asyncio.create_task(held.post(client, "model=codes", leaves, path="/reconstruct", content=png(PICTURE)))
        await held.until(entered.is_set)
        leaves.set()
        assert (await sent)[0]["status"] == 499
        go.set()

    asyncio.run(story())
    assert count(client, "ganymede_dropped_samples_total", model="codes@1", reason="cancelled") == 1
