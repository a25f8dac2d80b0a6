"""What lies between samples: pictures from stop to stop, and films of them."""

from io import BytesIO
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from app.client import Stop
from app.media import clips
from app.media.frames import Limits
from tests import toy
from tests.client.conftest import pixels, refusal


def test_the_stops_are_the_very_pictures_of_their_seeds(client: Any) -> None:
    frames = client.interpolate([1, 2, 3], model="toy@1", class_="dog", steps=4)
    assert [frame.number for frame in frames] == list(range(7))
    assert [frame.stop for frame in frames] == [0, None, None, 1, None, None, 2]
    assert {frame.class_name for frame in frames} == {"dog"}
    for frame, seed in zip(frames[::3], (1, 2, 3), strict=True):
        [sample] = client.generate("dog", model="toy@1", seed=seed)
        assert (frame.png, frame.url, frame.recipe) == (sample.png, sample.url, sample.recipe)
        assert httpx.get(frame.url).content == frame.png
    between = frames[1]
    assert (between.url, between.recipe["verb"]) == (None, "interpolate")
    assert np.array_equal(pixels(between.image), pixels(Image.open(BytesIO(between.png))))


def test_a_stop_is_a_sample_that_was_drawn(client: Any) -> None:
    [dog], cats = client.generate("dog", model="toy", seed=1), client.generate("cat", model="toy", seed=2, n=3)
    frames = client.interpolate([dog, cats[2]], model="toy", steps=3)
    assert (frames[0].png, frames[-1].png) == (dog.png, cats[2].png)
    [shape] = client.generate(model="shapes", seed=4)
    assert client.interpolate([shape, 5], model="shapes")[0].png == shape.png


def test_a_stop_may_be_a_latent(maker: Any) -> None:
    code = maker.encode(np.full((toy.SIDE, toy.SIDE, 3), 90, np.uint8), model="codes")
    for stop in (code.latent, Stop(latent=code.latent[None]), Stop(latent=code.latent.tolist())):
        frames = maker.interpolate([stop, np.int64(2)], model="codes", steps=2)
        [decoded] = maker.decode(code.latent, model="codes")
        assert np.array_equal(pixels(frames[0].image), pixels(decoded))
    frames = maker.interpolate([Stop(latent=code.latent, class_=0), Stop(2, class_="dog")], model="judged", steps=2)
    assert [frame.class_name for frame in frames] == ["cat", "dog"]


def test_classes_blend_from_stop_to_stop(maker: Any) -> None:
    stops = [Stop(1, index=3, class_={"dog": 3, "cat": 1}), Stop(2, class_="cat")]
    frames = maker.interpolate(stops, model="mixing", steps=3)
    assert [frame.class_name for frame in frames] == ["cat:0.25,dog:0.75", "cat:0.625,dog:0.375", "cat"]
    [sample] = maker.generate({"dog": 0.75, "cat": 0.25}, model="mixing", seed=1, index=3)
    assert np.array_equal(pixels(frames[0].image), pixels(sample.image))


def test_every_choice_reaches_the_service(client: Any) -> None:
    asked = {"model": "shapes", "steps": 5, "mode": "lerp", "easing": "smooth", "truncation": 0.5}
    looped = client.interpolate([1, 2], loop=True, timeout=20, priority="bulk", **asked)
    assert len(looped) == 8
    recipe = looped[1].recipe["parameters"]
    assert {name: recipe[name] for name in ("steps", "mode", "easing", "truncation", "loop")} == {
        "steps": 5,
        "mode": "lerp",
        "easing": "smooth",
        "truncation": 0.5,
        "loop": 1,
    }
    [alone] = client.interpolate([1, 2], loop=True, frame=1, **asked)
    assert alone == looped[1]
    grid = client.interpolate([1, 2, 3, 4], model="shapes", layout="grid", steps=3)
    assert [frame.stop for frame in grid] == [0, None, 1, None, None, None, 2, None, 3]


def test_without_stops_the_service_draws_them(client: Any) -> None:
    first, second = (client.interpolate(model="shapes", steps=2) for _ in range(2))
    assert first[0].recipe["seed"] != second[0].recipe["seed"]


@pytest.mark.parametrize("form", ["gif", "webp", "apng", "mp4"])
def test_a_film_is_a_file_of_what_lies_between(client: Any, form: str) -> None:
    film = client.animate([1, 2], model="shapes", steps=4, loop=True, fps=8, upscale=2, format=form)
    clip = clips.read(film, Limits(10**6, 100, 10**6))
    assert clip.frames.shape == (6, 2 * toy.SIDE, 2 * toy.SIDE, 3)
    assert clip.rate == pytest.approx(8, rel=0.05)


def test_a_film_is_a_gif_unless_another_is_asked_for(client: Any) -> None:
    assert client.animate(model="toy", class_="dog", steps=3).startswith(b"GIF89a")


def test_what_is_no_walk_is_refused_in_words(client: Any) -> None:
    error = refusal(lambda: client.interpolate([1], model="shapes"))
    assert (error.status, error.title) == (422, "Invalid parameter")
    assert error.detail.startswith("stops: must be two stops at least")
    assert refusal(lambda: client.interpolate([1, Stop()], model="shapes")).detail == (
        "stops[1]: must have either a seed or a latent"
    )
    with pytest.raises(ValueError, match=r"latents must be numbers, \[n, size\] or \[size\]: "):
        client.interpolate([1, Stop(latent=["far"])], model="shapes")
    with pytest.raises(TypeError):
        client.interpolate([1, "2"], model="shapes")
