"""Samples and pictures, changed along directions."""

import hashlib
from io import BytesIO
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from app.client import payloads
from app.media.provenance import recipe_of
from tests.client.conftest import photo, pixels, refusal
from tests.live import Live


def test_samples_are_edited_and_say_how_far(maker: Any, workshop: Live) -> None:
    asked = {"model": "judged@1", "n": 2, "seed": 42, "index": 3, "truncation": 0.5, "priority": "bulk", "timeout": 20}
    first, second = maker.edit({"hue": 2, "size": 0.5}, "dog", **asked)
    assert (first.index, second.index, second.seed, second.class_name) == (3, 4, 42, "dog")
    assert second.amounts == {"hue": 2, "size": 0.5}
    query = "model=judged@1&class=dog&seed=42&index=4&truncation=0.5&directions=hue:2,size:0.5&format=png"
    assert second.url == f"{workshop.url}/edit?{query}"
    assert httpx.get(second.url).content == second.png
    assert np.array_equal(pixels(second.image), pixels(Image.open(BytesIO(second.png))))
    assert second.recipe == recipe_of(second.png).model_dump(exclude_none=True)


def test_numbers_of_numpy_are_sent_as_any_other(maker: Any) -> None:
    asked = {"directions": {"hue": np.float64(2)}, "class_": "dog", "model": "judged"}
    assert maker.edit(**asked, seed=np.int64(3), index=np.uint8(1)) == maker.edit(**asked, seed=3, index=1)
    with pytest.raises(TypeError, match=r"3j can't be sent: give a text, an int or a float"):
        maker.edit(**asked, seed=3j)


def test_by_0_a_sample_stays_what_generate_draws(maker: Any) -> None:
    [edited] = maker.edit({"hue": 0}, "dog", model="judged", seed=3)
    [drawn] = maker.generate("dog", model="judged", seed=3)
    assert (edited.png, edited.url, edited.recipe) == (drawn.png, drawn.url, drawn.recipe)


def test_a_sequence_goes_from_one_amount_to_the_other(maker: Any) -> None:
    strip = maker.edit({"hue": (-1.5, 3.0)}, model="codes", seed=3, steps=4)
    assert [edited.amounts["hue"] for edited in strip] == [-1.5, 0, 1.5, 3]
    [alone] = maker.edit({"hue": 1.5}, model="codes", seed=3)
    assert alone.png == strip[2].png


def test_a_picture_is_edited_from_its_code(maker: Any) -> None:
    [edited] = maker.edit({"hue": 1}, picture=photo())
    assert (edited.seed, edited.url, edited.class_name) == (None, None, None)
    assert edited.recipe["source"] == hashlib.sha256(payloads.picture(photo())).hexdigest()
    code = maker.encode(photo(), model="codes").latent
    [decoded] = maker.decode(code + np.eye(len(code), dtype=np.float32)[2], model="codes")
    assert np.array_equal(pixels(edited.image), pixels(decoded))


def test_latents_are_edited(maker: Any) -> None:
    code = maker.encode(photo(), model="codes").latent
    first, second = maker.edit({"hue": 1}, latents=[code, -code], model="codes")
    [expected] = maker.edit({"hue": 1}, picture=photo(), model="codes")
    assert np.array_equal(pixels(first.image), pixels(expected.image))
    assert (second.index, second.seed) == (1, None)
    assert maker.edit({"hue": 1}, latents=code, model="codes")[0].png == first.png


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"latents": "x"}, r"latents must be numbers, \[n, size\] or \[size\]: "),
        ({"latents": [0.5], "picture": b""}, "an edit begins at a picture or at latents, not at both"),
    ],
)
def test_what_can_be_no_beginning_is_refused_before_it_is_sent(maker: Any, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        maker.edit({"hue": 1}, model="codes", **asked)


def test_a_direction_that_is_not_there_is_told_with_those_that_are(maker: Any) -> None:
    error = refusal(lambda: maker.edit({"age": 1}, model="judged"))
    assert str(error) == "404 Unknown direction: judged@1 has no direction 'age'; known: hue, size."


def test_an_edited_picture_is_drawn_again(maker: Any) -> None:
    [edited] = maker.edit({"hue": 1}, picture=photo())
    assert np.array_equal(pixels(maker.reproduce(edited.png)), pixels(edited.image))


def test_an_animation_of_edits_is_drawn_again(maker: Any, workshop: Live) -> None:
    query = "model=judged@1&class=dog&seed=42&direction=hue&amount=-2..2&steps=4&layout=animation&format=apng"
    file = httpx.get(f"{workshop.url}/edit?{query}").content
    again = maker.reproduce(file)
    assert again.n_frames == 4
    assert np.array_equal(pixels(again), pixels(Image.open(BytesIO(file))))
