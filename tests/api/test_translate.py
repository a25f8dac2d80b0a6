"""A photo goes in, in whatever form, and comes out as the model sees it: at its own size, without a seam."""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from starlette.testclient import TestClient

from app import contract
from app.engine import providers
from app.media.provenance import Derivation, recipe_of
from app.settings import Settings
from tests import toy
from tests.api.conftest import Serve, count, start

MODELS = Path(__file__).parents[2] / "models"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the shipped models that take pictures."""
    folder = tmp_path_factory.mktemp("translators")
    for name in ("facades", "monet", "monet-unit"):
        shutil.copytree(MODELS / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def client(shipped: Path) -> Iterator[TestClient]:
    with ExitStack() as running:
        yield start(running, Settings(models=shipped, device="cpu", threads=2, encode_threads=2, max_batch=4))


def photo(height: int, width: int) -> NDArray[np.uint8]:
    """A picture with edges and slopes, uint8 [h, w, 3]."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 17 + y / 29), np.cos(x / 11), np.sin(y / 7) * (x > width / 2)]
    return np.rint(127 + 100 * np.stack(waves, axis=-1)).astype(np.uint8)


def png(pixels: NDArray[np.uint8]) -> bytes:
    out = BytesIO()
    Image.fromarray(pixels).save(out, "png")
    return out.getvalue()


def seen(content: bytes) -> NDArray[np.uint8]:
    with Image.open(BytesIO(content)) as picture:
        return np.asarray(picture)


def drawn(model: str, pixels: NDArray[np.uint8], file: str = "generator.onnx") -> NDArray[np.uint8]:
    """What the graph alone makes of a picture."""
    session = providers.load((MODELS / model / "1" / file).read_bytes())
    (pictures,) = session.run(["image"], {"picture": pixels[None]})
    found: NDArray[np.uint8] = pictures[0]
    return found


def detail(response: Any, status: int) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    return str(response.json()["detail"])


def test_a_picture_of_training_s_size_comes_out_as_the_graph_draws_it(client: TestClient) -> None:
    picture = photo(128, 128)
    answer = client.post("/translate", content=png(picture))
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-model"] == "facades@1"
    assert np.array_equal(seen(answer.content), drawn("facades", picture))


def test_body_and_form_are_one(client: TestClient) -> None:
    file = png(photo(128, 128))
    as_body = client.post("/translate?format=webp", content=file)
    as_form = client.post("/translate", files={"image": ("any name", file)}, data={"format": "webp"})
    assert as_body.content == as_form.content
    assert as_body.headers["content-type"] == "image/webp"


@pytest.mark.parametrize(("height", "width"), [(1, 1), (37, 53), (200, 90), (300, 700)])
@pytest.mark.parametrize("scale", ["model", "original"])
def test_the_answer_has_the_size_of_the_question(client: TestClient, height: int, width: int, scale: str) -> None:
    for verb in ("translate", "style"):
        answer = client.post(f"/{verb}?scale={scale}", content=png(photo(height, width)))
        assert seen(answer.content).shape == (height, width, 3)


def test_a_large_picture_in_tiles_is_the_picture_in_one_piece(client: TestClient) -> None:
    picture = photo(420, 600)
    answer = client.post("/style?model=monet", content=png(picture))
    whole = drawn("monet", np.pad(picture, ((16, 16), (16, 16), (0, 0)), "reflect"))[16:-16, 16:-16]
    difference = np.abs(seen(answer.content).astype(int) - whole.astype(int))
    assert difference.max() <= 3
    assert (difference > 1).mean() < 1e-3


def test_each_style_has_its_graph(client: TestClient) -> None:
    picture = photo(64, 64)
    for style, file in (("monet", "generator.onnx"), ("photo", "inverse.onnx")):
        answer = client.post(f"/style?model=monet-unit&style={style}&scale=model", content=png(picture))
        assert np.array_equal(seen(answer.content), drawn("monet-unit", picture, file))


def test_a_style_without_a_model_finds_the_first_that_has_it(client: TestClient) -> None:
    answer = client.post("/style?style=photo", content=png(photo(64, 64)))
    assert answer.headers["x-model"] == "monet@1"


def test_strength_blends_with_the_original(client: TestClient) -> None:
    picture = photo(64, 64)
    full = drawn("monet", picture).astype(float)
    for strength in (0, 0.25):
        answer = client.post(f"/style?model=monet&scale=model&strength={strength}", content=png(picture))
        expected = np.rint(picture * (1 - strength) + full * strength)
        assert np.abs(seen(answer.content) - expected).max() <= 1


def test_a_picture_says_which_picture_it_was_made_of_and_how(client: TestClient) -> None:
    file = png(photo(64, 64))
    answer = client.post("/style?model=monet&strength=0.5&style=monet", content=file)
    recipe = recipe_of(answer.content)
    assert isinstance(recipe, Derivation)
    assert (recipe.model, recipe.version, recipe.verb) == ("monet", 1, "style")
    assert recipe.source == contract.digest(file)
    assert recipe.parameters == {"style": "monet", "strength": 0.5}


def test_the_same_question_has_the_same_answer(client: TestClient) -> None:
    file = png(photo(300, 300))
    first, second = (client.post("/style?style=monet", content=file).content for _ in range(2))
    assert first == second


def test_where_the_time_went_is_told_to_the_client_and_to_the_metrics(client: TestClient) -> None:
    before = count(client, "ganymede_phase_seconds_count", model="facades@1", phase="decode")
    answer = client.post("/translate", content=png(photo(128, 128)))
    phases = [entry.split(";")[0] for entry in answer.headers["server-timing"].split(", ")]
    assert phases == ["queue", "batch", "decode", "infer", "encode", "total"]
    assert count(client, "ganymede_phase_seconds_count", model="facades@1", phase="decode") == before + 1


def test_what_is_no_picture_is_refused_by_its_bytes(client: TestClient) -> None:
    wrong = client.post("/translate", files={"image": ("photo.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>")})
    assert "vector" in detail(wrong, 415)


def test_a_request_without_a_picture_is_told_how_to_send_one(client: TestClient) -> None:
    said = "image: is missing: send the file as the body, or as the part 'image' of a form"
    assert detail(client.post("/translate"), 422) == said
    assert detail(client.post("/translate", files={"other": b"x"}), 422).startswith("other: is no file that is wanted")


def test_an_unknown_style_is_answered_with_those_that_there_are(client: TestClient) -> None:
    file = png(photo(8, 8))
    answer = client.post("/style?style=cubism", content=file)
    assert detail(answer, 404) == "No model has a style 'cubism'; known: monet, photo."
    assert json.loads(answer.text)["styles"] == ["monet", "photo"]
    named = client.post("/style?model=monet&style=cubism", content=file)
    assert detail(named, 404) == "monet@1 has no style 'cubism'; known: monet, photo."


def test_a_model_of_another_task_says_what_it_can(client: TestClient) -> None:
    answer = client.post("/translate?model=monet", content=png(photo(8, 8)))
    assert detail(answer, 422) == "model: monet@1 can style, not translate"


@pytest.mark.parametrize(("file_format", "longest"), [("webp", 16_383), ("jpeg", 65_500)])
def test_a_picture_that_the_answer_s_format_can_t_hold_is_refused(
    client: TestClient, file_format: str, longest: int
) -> None:
    sent = png(np.zeros((16, longest + 1, 3), np.uint8))
    said = detail(client.post(f"/translate?format={file_format}", content=sent), 422)
    assert said == (
        f"format: holds {longest} pixels a side, the picture has {longest + 1}; use png, or send a smaller one"
    )


@pytest.mark.parametrize("multiple", [3, 20, 48, 128])
def test_a_graph_of_any_multiple_takes_small_pictures_and_large(serve: Serve, tmp_path: Path, multiple: int) -> None:
    toy.translator(tmp_path, multiple=multiple)
    client = serve(models=tmp_path)
    for pixels in (photo(40, 60), photo(300, 420)):
        answer = client.post("/translate?scale=original", content=png(pixels))
        np.testing.assert_array_equal(seen(answer.content), 255 - pixels)


def test_a_file_over_the_limit_is_refused_whatever_it_claims(serve: Serve, shipped: Path) -> None:
    client = serve(models=shipped, max_upload_mb=0.01, max_batch=1)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    file = png(noise)
    assert len(file) > 10_000
    said = "The file may hold 10,000 bytes; send a smaller one."
    assert detail(client.post("/translate", content=file), 413) == said
    assert detail(client.post("/translate", content=iter([file[:9_000], file[9_000:]])), 413) == said
    assert detail(client.post("/translate", files={"image": file}), 413) == said
    assert detail(client.post("/translate", files={"image": bytes(200_000)}), 413).endswith("send a smaller one.")


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(serve: Serve, shipped: Path) -> None:
    client = serve(models=shipped, max_pixels=10_000, max_batch=1)
    assert "at most 10000 are read" in detail(client.post("/translate", content=png(photo(101, 100))), 413)
