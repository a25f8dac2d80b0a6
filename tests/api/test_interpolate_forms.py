"""How a walk is answered: as a strip, a grid, an animation or apart, and what each answer says of itself."""

from io import BytesIO
from typing import Any
from zipfile import ZipFile

import av
import numpy as np
import pytest
from PIL import Image, ImageSequence
from starlette.testclient import TestClient

from app.media.provenance import Derivation, Recipe, recipe_of
from tests.api.walks import HERE, KINDS, drawn, frames, pixels
from tests.toy import LATENT, SIDE


@pytest.mark.parametrize(("asked", "kind"), KINDS)
def test_a_format_says_what_it_is(walker: TestClient, asked: dict[str, str], kind: str) -> None:
    answer = walker.post(HERE, json={"model": "toy@1", "from": 1, "to": 2, "steps": 3, **asked})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == kind


@pytest.mark.parametrize("file_format", ["webp", "apng"])
def test_a_lossless_animation_holds_the_pictures_of_the_walk(walker: TestClient, file_format: str) -> None:
    asked = {"model": "toy@1", "stops": "1,2,3", "steps": 4, "layout": "animation"}
    film = walker.post(HERE, json={**asked, "format": file_format}).content
    np.testing.assert_array_equal(frames(film), drawn(walker, **asked))


@pytest.mark.parametrize("file_format", ["gif", "webp", "apng"])
@pytest.mark.parametrize("loop", [0, 1])
def test_an_animation_has_its_rate_and_repeats_if_it_is_a_loop(walker: TestClient, file_format: str, loop: int) -> None:
    asked = {"model": "toy@1", "stops": "1,2", "steps": 5, "fps": 20, "loop": loop, "layout": "animation"}
    with Image.open(BytesIO(walker.post(HERE, json={**asked, "format": file_format}).content)) as film:
        durations = [frame.copy().info["duration"] for frame in ImageSequence.Iterator(film)]
        assert durations == [50] * (8 if loop else 5)
        assert (film.info.get("loop") == 0) == bool(loop)


def test_an_mp4_holds_a_frame_for_each_picture(walker: TestClient) -> None:
    asked = {"model": "toy@1", "stops": "1,2", "steps": 5, "fps": 10, "upscale": 4, "format": "mp4"}
    with av.open(BytesIO(walker.post(HERE, json=asked).content)) as film:
        shown = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
        assert film.streams.video[0].average_rate == 10
    large = drawn(walker, model="toy@1", stops="1,2", steps=5).repeat(4, axis=1).repeat(4, axis=2)
    assert np.abs(np.stack(shown).astype(float) - large).mean() < 4


def test_an_animation_has_24_pictures_from_stop_to_stop_or_as_many_as_there_may_be(walker: TestClient) -> None:
    asked = {"model": "toy@1", "layout": "animation"}
    assert len(drawn(walker, stops="1,2", **asked)) == 24
    assert len(drawn(walker, stops="1,2,3,4", **asked)) == 64
    assert len(drawn(walker, model="toy@1", stops="1,2")) == 8


@pytest.mark.parametrize(
    ("accept", "asked", "kind"),
    [
        ("image/gif", {}, "image/gif"),
        ("image/webp", {}, "image/webp"),
        ("image/avif,image/webp,image/apng,*/*;q=0.8", {}, "image/webp"),
        ("video/mp4", {"layout": "animation"}, "video/mp4"),
        ("image/*", {"layout": "animation"}, "image/gif"),
        ("image/gif", {"format": "png"}, "image/png"),
        ("application/json", {"layout": "grid"}, "application/json"),
    ],
)
def test_the_accept_header_chooses_among_what_the_layout_can_be(
    walker: TestClient, accept: str, asked: dict[str, str], kind: str
) -> None:
    answer = walker.post(HERE, json={"model": "toy@1", "steps": 2, **asked}, headers={"Accept": accept})
    assert answer.headers["content-type"] == kind
    assert answer.headers.get("vary") == (None if "format" in asked else "Accept")
    if kind == "image/webp":
        assert frames(answer.content).shape == (1, SIDE, 2 * SIDE, 3)


def test_a_layout_that_cannot_be_what_the_client_accepts_is_refused(walker: TestClient) -> None:
    answer = walker.post(HERE, json={"layout": "strip"}, headers={"Accept": "video/mp4"})
    assert answer.status_code == 406
    assert "image/png" in answer.json()["offered"]
    assert "image/gif" not in answer.json()["offered"]


@pytest.mark.parametrize("layout", ["strip", "grid"])
def test_each_pixel_is_drawn_as_large_as_asked(walker: TestClient, layout: str) -> None:
    asked = {"model": "toy@1", "stops": "1,2,3,4", "steps": 3, "layout": layout}
    small, large = (pixels(walker.post(HERE, json={**asked, "upscale": scale}).content) for scale in (1, 3))
    np.testing.assert_array_equal(large, small.repeat(3, axis=0).repeat(3, axis=1))


def test_headers_say_what_was_drawn(walker: TestClient) -> None:
    stops = [1, {"latent": [0] * LATENT, "class": "dog"}, 3]
    answer = walker.post(HERE, json={"model": "toy", "stops": stops, "format": "gif"})
    assert answer.headers["x-model"] == "toy@1"
    assert answer.headers["x-seeds"] == "1,latent,3"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-disposition"] == 'inline; filename="toy-1_1-latent-3.gif"'
    assert answer.headers["server-timing"].startswith("queue;dur=")
    many = walker.post(HERE, json={"model": "toy", "stops": "1,2,3,4,5,6", "format": "npy"})
    assert many.headers["content-disposition"] == 'attachment; filename="toy-1_1-to-6.npy"'


@pytest.mark.parametrize(
    "asked",
    [
        {"format": "png"},
        {
            "format": "jpeg",
            "stops": [{"seed": 7, "index": 2, "class": "dog"}, {"latent": [0.25] * LATENT, "class": "cat"}],
        },
        {"format": "webp", "layout": "grid", "stops": "1,2,3,4", "easing": "smooth", "mode": "lerp"},
        {"format": "webp", "layout": "animation", "loop": 1, "fps": 7.5, "upscale": 2},
        {"format": "apng", "class": "dog:0.7,cat:0.3", "truncation": 0.5},
        {"format": "png", "frame": 2},
        {"format": "png", "frame": 0, "upscale": 2},
    ],
)
def test_an_answer_carries_what_it_takes_to_make_it_again(walker: TestClient, asked: dict[str, Any]) -> None:
    answer = walker.post(HERE, json={"model": "mixer", "stops": "1,2", "steps": 4, **asked})
    made = recipe_of(answer.content)
    assert isinstance(made, Derivation)
    assert (made.verb, made.model, made.version) == ("interpolate", "mixer", 1)
    again = {"model": f"{made.model}@{made.version}", "format": asked["format"], **made.parameters}
    assert walker.post(HERE, json=again).content == answer.content
    assert walker.post(HERE, params=again).content == answer.content


@pytest.mark.parametrize("file_format", ["gif", "mp4"])
def test_the_recipe_stands_in_a_gif_and_an_mp4_too(walker: TestClient, file_format: str) -> None:
    asked = {"model": "toy@1", "stops": "1,2", "steps": 4, "format": file_format}
    film = walker.post(HERE, json=asked).content
    said = film[film.index(b"<ganymede:recipe>") + 17 : film.index(b"</ganymede:recipe>")]
    made = Derivation.model_validate_json(said)
    assert walker.post(HERE, json={"model": "toy@1", "format": file_format, **made.parameters}).content == film


@pytest.mark.parametrize(("layout", "stops"), [("strip", "1,2"), ("animation", "1,2"), ("grid", "1,2,3,4")])
def test_each_picture_in_a_zip_can_be_made_again_alone(walker: TestClient, layout: str, stops: str) -> None:
    asked = {"model": "toy@1", "stops": stops, "steps": 3, "layout": layout, "format": "zip"}
    with ZipFile(BytesIO(walker.post(HERE, json=asked).content)) as bundle:
        files = [bundle.read(name) for name in bundle.namelist()]
    recipes = [recipe_of(file) for file in files]
    assert sum(isinstance(recipe, Recipe) for recipe in recipes) == stops.count(",") + 1
    for file, recipe in zip(files, recipes, strict=True):
        if isinstance(recipe, Derivation):
            again = {"model": "toy@1", "format": "png", **recipe.parameters}
            assert walker.post(HERE, json=again).content == file


@pytest.mark.parametrize("file_format", ["png", "gif", "webp", "apng", "mp4", "zip", "json", "npy"])
def test_the_same_request_gives_the_same_bytes(walker: TestClient, file_format: str) -> None:
    asked = {"model": "toy@1", "stops": "1,2,3", "steps": 4, "format": file_format}
    assert walker.post(HERE, json=asked).content == walker.post(HERE, json=asked).content
