"""Pictures to codes and back, and the map of codes."""

import re
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests import toy, toy_parts
from tests.client.conftest import photo, pixels, refusal
from tests.live import Live


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    return photo(toy.SIDE, toy.SIDE)


def test_a_code_is_what_the_encoder_makes_of_a_picture(maker: Any, picture: NDArray[np.uint8]) -> None:
    code = maker.encode(picture, model="codes")
    assert (code.model, code.latent.shape, code.latent.dtype) == ("codes@1", (toy.LATENT,), np.float32)
    np.testing.assert_allclose(code.latent, toy_parts.code(picture), atol=1e-5)
    assert code.deviation is None


def test_a_variational_encoder_says_how_sure_it_is(maker: Any, picture: NDArray[np.uint8]) -> None:
    code = maker.encode(Image.fromarray(picture), model="clouds@1", timeout=20, priority="bulk")
    np.testing.assert_allclose(code.deviation, abs(code.latent) / 2, atol=1e-5)


def test_a_code_is_decoded_to_what_reconstruct_gives(maker: Any, picture: NDArray[np.uint8]) -> None:
    code, [again] = maker.encode(picture, model="codes"), [maker.reconstruct(picture, model="codes")]
    for latents in (code.latent, code.latent[None], code.latent.tolist(), code.latent.astype(np.float64)):
        [decoded] = maker.decode(latents, model=code.model)
        assert np.array_equal(pixels(decoded), pixels(again))
    assert b"reconstruct" in again.info["xmp"]


def test_many_latents_are_many_pictures_in_their_order(maker: Any) -> None:
    latents = np.random.default_rng(0).normal(size=(12, toy.LATENT))
    many = maker.decode(latents, model="judged", class_="dog")
    assert len(many) == 12
    for latent, one in zip(latents, many, strict=True):
        [alone] = maker.decode(latent, model="judged", class_=1)
        assert np.array_equal(pixels(alone), pixels(one))


def test_a_seed_draws_another_of_the_pictures_that_a_code_may_mean(maker: Any, picture: NDArray[np.uint8]) -> None:
    mean, first, again, second = (
        pixels(maker.reconstruct(picture, model="clouds", seed=seed)) for seed in (None, 1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, mean)


def test_a_map_is_a_sheet_of_what_lies_over_a_plane(maker: Any, workshop: Live) -> None:
    assert maker.map("codes").size == (8 * toy.SIDE, 8 * toy.SIDE)
    sheet = maker.map("judged@1", class_="cat", rows=2, columns=3, dimensions=(4, 1), extent=2)
    assert sheet.size == (3 * toy.SIDE, 2 * toy.SIDE)
    query = "class=cat&rows=2&columns=3&dimensions=4,1&extent=2&format=png"
    file = httpx.get(f"{workshop.url}/models/judged@1/map?{query}").content
    assert sheet.info["xmp"].strip() in file


def test_what_can_t_be_coded_is_refused_in_words(maker: Any, picture: NDArray[np.uint8]) -> None:
    said = {
        "judged@1 can generate, not reconstruct": lambda: maker.encode(picture, model="judged"),
        "latents: must be of shape [n, 8] for codes@1, not [1, 3]": lambda: maker.decode([[1, 2, 3]], model="codes"),
        "model: is missing: a latent means something only to the model": lambda: maker.decode([1] * 8),
        "class: is missing: judged@1 draws by class; known: cat, dog": lambda: maker.map("judged"),
        "dimensions: must be two different ones of 0 to 7": lambda: maker.map("codes", dimensions=(1, 1)),
        "seed: the encoder of codes@1 leads to one code": lambda: maker.reconstruct(picture, model="codes", seed=1),
    }
    for sentence, call in said.items():
        assert sentence in refusal(call).detail


@pytest.mark.parametrize("given", [["a", "b"], [[1, 2], [3]], {"seed": 1}])
def test_what_is_no_array_is_refused_before_it_is_sent(maker: Any, given: Any) -> None:
    with pytest.raises(ValueError, match=re.escape("latents must be numbers, [n, size] or [size]: ")):
        maker.decode(given, model="codes")
