"""`/interpolate` walks from stop to stop; the stops are the very pictures of their seeds, byte for byte."""

import base64
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from starlette.testclient import TestClient

from app import contract, latents
from app.media.provenance import recipe_of
from tests import toy
from tests.api.conftest import Serve
from tests.api.walks import HERE, drawn, pixels, sample
from tests.toy import LATENT, SIDE

MODELS = pytest.mark.parametrize("model", ["shapes@1", "toy@1", "mixer@1"])


@MODELS
@pytest.mark.parametrize("mode", ["slerp", "lerp"])
@pytest.mark.parametrize("easing", ["linear", "smooth"])
def test_the_pictures_at_the_stops_are_those_of_their_seeds(
    walker: TestClient, model: str, mode: str, easing: str
) -> None:
    walk = drawn(walker, model=model, stops="7,8,5,9", steps=4, mode=mode, easing=easing)
    assert walk.shape == (10, SIDE, SIDE, 3)
    for picture, seed in ((0, 7), (3, 8), (6, 5), (9, 9)):
        np.testing.assert_array_equal(walk[picture], pixels(sample(walker, model=model, seed=seed)))
    assert len({picture.tobytes() for picture in walk}) == 10


@MODELS
@pytest.mark.parametrize("picture", ["png", "jpeg", "webp"])
def test_a_stop_alone_is_the_file_of_its_seed_byte_for_byte(walker: TestClient, model: str, picture: str) -> None:
    for frame, seed in ((0, 7), (4, 8)):
        asked = {"model": model, "from": 7, "to": 8, "steps": 5, "frame": frame, "format": picture}
        assert walker.post(HERE, json=asked).content == sample(walker, model=model, seed=seed, format=picture)


def test_one_frame_may_be_of_a_walk_longer_than_a_request_may_draw(walker: TestClient) -> None:
    asked = {"model": "toy@1", "stops": "7,8,5,9", "layout": "grid", "class": "dog"}
    coarse = drawn(walker, **asked, steps=4)
    for row, column in ((0, 3), (1, 2), (3, 3)):
        fine = drawn(walker, **asked, steps=64, frame=64 * 21 * row + 21 * column)
        np.testing.assert_array_equal(fine[0], coarse[4 * row + column])


def test_a_stop_of_mixed_classes_is_the_file_of_its_seed_too(walker: TestClient) -> None:
    asked = {
        "model": "mixer@1",
        "from": 7,
        "to": {"seed": 8, "class": {"dog": 0.7, "cat": 0.3}},
        "class": "cat:1,dog:2",
    }
    for frame, seed, mixture in ((0, 7, "cat:1,dog:2"), (7, 8, "dog:0.7,cat:0.3")):
        expected = sample(walker, model="mixer@1", seed=seed, **{"class": mixture})
        assert walker.post(HERE, json={**asked, "frame": frame}).content == expected


@pytest.mark.parametrize("picture", ["png", "jpeg", "webp"])
def test_the_ends_in_a_zip_are_the_files_of_their_seeds(walker: TestClient, picture: str) -> None:
    asked = {"model": "toy@1", "from": 7, "to": 8, "steps": 11, "format": "zip", "picture": picture, "truncation": 0.7}
    with ZipFile(BytesIO(walker.post(HERE, json=asked).content)) as bundle:
        names = bundle.namelist()
        ends = [bundle.read(names[0]), bundle.read(names[-1])]
    assert names == [f"toy-1_7-8_{number:02}.{picture}" for number in range(11)]
    assert ends == [sample(walker, model="toy@1", seed=seed, format=picture, truncation=0.7) for seed in (7, 8)]


def test_a_stop_may_be_any_sample_of_a_seed_and_of_any_class(walker: TestClient) -> None:
    ends = [{"seed": 7, "index": 3, "class": "dog"}, {"seed": 2**53 - 1, "class": "cat"}]
    asked = {"model": "toy@1", "from": ends[0], "to": ends[1], "format": "json", "steps": 2}
    first, last = walker.post(HERE, json=asked).json()["samples"]
    for frame, end in ((first, ends[0]), (last, ends[1])):
        assert base64.b64decode(frame["image"]) == sample(walker, model="toy@1", **end)
        assert frame["class"] == end["class"]


def test_json_holds_each_picture_with_its_stop_class_address_and_recipe(walker: TestClient) -> None:
    answer = walker.post(
        HERE, json={"model": "mixer@1", "stops": [7, 8], "steps": 3, "class": "dog;cat", "format": "json"}
    )
    said = answer.json()
    assert said["model"] == "mixer@1"
    assert [frame["frame"] for frame in said["samples"]] == [0, 1, 2]
    first, between, last = said["samples"]
    assert [first["stop"], last["stop"]] == [0, 1]
    assert [first["class"], between["class"], last["class"]] == ["dog", "cat:0.5,dog:0.5", "cat"]
    for end in (first, last):
        assert walker.get(end["url"]).content == base64.b64decode(end["image"])
    assert not {"stop", "url"} & set(between)
    assert recipe_of(base64.b64decode(between["image"])).model_dump(exclude_none=True) == between["recipe"]


def test_stops_of_a_model_that_draws_noise_of_its_own_have_no_address(serve: Serve, tmp_path: Path) -> None:
    folder = toy.build(tmp_path)
    generator = contract.read(folder).graphs["generator"].model_copy(update={"random": True})
    toy.rewrite(folder, graphs={"generator": generator})
    answer = serve(models=tmp_path).post(HERE, json={"from": 1, "to": 2, "steps": 2, "format": "json"})
    assert [sample["stop"] for sample in answer.json()["samples"]] == [0, 1]
    assert not any("url" in sample for sample in answer.json()["samples"])


def test_a_strip_begins_and_ends_with_the_pictures_of_the_seeds(walker: TestClient) -> None:
    answer = walker.post(f"{HERE}?model=toy@1&from=1&to=2&steps=5")
    assert answer.headers["content-type"] == "image/png"
    strip = pixels(answer.content)
    assert strip.shape == (SIDE, 5 * SIDE, 3)
    np.testing.assert_array_equal(strip[:, :SIDE], pixels(sample(walker, model="toy@1", seed=1)))
    np.testing.assert_array_equal(strip[:, -SIDE:], pixels(sample(walker, model="toy@1", seed=2)))


def test_query_and_json_body_mean_the_same_and_mix(walker: TestClient) -> None:
    query = walker.post(f"{HERE}?model=toy@1&from=1&to=2&class=dog&loop=1")
    body = walker.post(HERE, json={"model": "toy@1", "from": 1, "to": {"seed": 2}, "class": "dog", "loop": 1})
    mixed = walker.post(f"{HERE}?model=toy@1&loop=1", json={"stops": "1,2", "class": 1})
    text = walker.post(HERE, params={"model": "toy@1", "stops": '[1, {"seed": 2}]', "class": "dog;dog", "loop": 1})
    assert query.status_code == 200
    assert query.content == body.content == mixed.content == text.content


def test_a_straight_walk_is_another_than_one_along_the_great_circle(walker: TestClient) -> None:
    circle, line = (drawn(walker, model="shapes@1", stops="1,2", steps=5, mode=mode) for mode in ("slerp", "lerp"))
    assert not np.array_equal(circle[2], line[2])
    noise = [latents.noise(seed, range(1), LATENT)[0] for seed in (1, 2)]
    for walk, between in ((circle, latents.slerp), (line, latents.lerp)):
        middle = {"latent": between(*noise, 0.5).tolist()}
        np.testing.assert_array_equal(walk[2], drawn(walker, model="shapes@1", stops=[middle, 1], frame=0)[0])


def test_a_smooth_walk_stays_longer_near_its_stops(walker: TestClient) -> None:
    even, smooth = (
        drawn(walker, model="shapes@1", stops="1,2", steps=9, easing=easing).astype(float)
        for easing in ("linear", "smooth")
    )
    assert np.abs(smooth[1] - smooth[0]).mean() < np.abs(even[1] - even[0]).mean()
    np.testing.assert_array_equal(smooth[4], even[4])


def test_a_loop_comes_back_without_showing_a_stop_twice(walker: TestClient) -> None:
    loop = drawn(walker, model="shapes@1", stops="1,2,3", steps=4, loop=1)
    there = drawn(walker, model="shapes@1", stops="1,2,3,1", steps=4)
    np.testing.assert_array_equal(loop, there[:-1])
    assert len(loop) == 9


def test_a_grid_lies_between_the_pictures_of_four_seeds(walker: TestClient) -> None:
    answer = walker.post(HERE, json={"model": "toy@1", "stops": "1,2,3,4", "layout": "grid", "steps": 5})
    table = pixels(answer.content)
    assert table.shape == (5 * SIDE, 5 * SIDE, 3)
    cells = drawn(walker, model="toy@1", stops="1,2,3,4", layout="grid", steps=5)
    np.testing.assert_array_equal(table.reshape(5, SIDE, 5, SIDE, 3).swapaxes(1, 2).reshape(25, SIDE, SIDE, 3), cells)
    for cell, seed in ((0, 1), (4, 2), (20, 3), (24, 4)):
        np.testing.assert_array_equal(cells[cell], pixels(sample(walker, model="toy@1", seed=seed)))
    np.testing.assert_array_equal(cells[:5], drawn(walker, model="toy@1", stops="1,2", steps=5))
    np.testing.assert_array_equal(cells[::5], drawn(walker, model="toy@1", stops="1,3", steps=5))


def test_seeds_that_are_not_given_are_drawn_and_returned(walker: TestClient) -> None:
    asked = {"model": "toy@1", "steps": 2}
    first, second = walker.post(HERE, json=asked), walker.post(HERE, json=asked)
    assert first.headers["x-seeds"] != second.headers["x-seeds"]
    assert walker.post(HERE, json={**asked, "stops": first.headers["x-seeds"]}).content == first.content
    onwards = walker.post(HERE, json={**asked, "from": 7}).headers["x-seeds"]
    assert onwards.startswith("7,")
    assert walker.post(HERE, json={**asked, "layout": "grid"}).headers["x-seeds"].count(",") == 3
