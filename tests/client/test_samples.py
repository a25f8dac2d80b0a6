"""Samples of seeds, drawn and streamed."""

from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from app.media.provenance import recipe_of
from app.settings import Settings
from tests import toy, toy_parts
from tests.api.conftest import count
from tests.api.held import hold
from tests.client.conftest import Connect, Prefixed, Renamed, photo, pixels, png, refusal, until
from tests.live import Live, listening, live


def test_a_sample_is_the_picture_of_its_seed_and_says_where_it_lies(client: Any, service: Live) -> None:
    [sample] = client.generate("dog", model="toy@1", seed=42)
    assert (sample.index, sample.class_name, sample.seed) == (0, "dog", 42)
    assert sample.url == f"{service.url}/generate?model=toy@1&class=dog&seed=42&format=png"
    assert httpx.get(sample.url).content == sample.png
    assert np.array_equal(pixels(sample.image), pixels(Image.open(BytesIO(sample.png))))
    assert sample.recipe == recipe_of(sample.png).model_dump(exclude_none=True)


def test_what_is_not_given_is_drawn_by_the_service(client: Any) -> None:
    first, second = (client.generate()[0] for _ in range(2))
    assert first.seed != second.seed
    assert first.class_name is None or first.class_name in ("cat", "dog")


def test_samples_come_in_order_from_an_index_on(client: Any) -> None:
    many = client.generate(1, model="toy", n=5, seed=7, index=3, truncation=0.5, priority="bulk", timeout=20)
    assert [sample.index for sample in many] == [3, 4, 5, 6, 7]
    assert {sample.class_name for sample in many} == {"dog"}
    assert {sample.recipe["truncation"] for sample in many} == {0.5}
    [alone] = client.generate("dog", model="toy", seed=7, index=6, truncation=0.5)
    assert alone == many[3]


def test_a_model_without_classes_draws_samples_without_one(client: Any) -> None:
    assert client.generate(model="shapes")[0].class_name is None


def test_a_stream_gives_the_samples_that_generate_gives(client: Any) -> None:
    asked = {"model": "toy@1", "n": 40, "seed": 42}
    streamed = sorted(client.stream("cat", **asked), key=lambda sample: sample.index)
    assert streamed == client.generate("cat", **asked)


def test_a_stream_gives_samples_before_the_last_is_drawn(
    connect: Connect, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with live(Settings(models=models_dir, device="cpu", threads=1, max_batch=4)) as service:
        _, go = hold(service, monkeypatch, after=1)
        samples = connect(service.url).stream(model="toy", n=12)
        first = [next(samples) for _ in range(4)]
        go.set()
        assert {sample.index for sample in [*first, *samples]} == set(range(12))


def test_who_closes_a_stream_takes_along_what_is_not_drawn(
    connect: Connect, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with live(Settings(models=models_dir, device="cpu", threads=1, max_batch=4)) as service:
        _, go = hold(service, monkeypatch, after=1)
        samples = connect(service.url).stream(model="toy", n=40)
        next(samples)
        samples.close()
        until(lambda: count(service, "ganymede_queue_samples", model="toy@2") == 0)
        go.set()
        assert count(service, "ganymede_dropped_samples_total", model="toy@2", reason="cancelled") >= 32


def test_a_line_ends_at_a_line_feed_alone(connect: Connect, service: Live) -> None:
    with listening(Renamed(service.app, "dog", "d\u2028o\x85g")) as url:
        [sample] = connect(url).stream("dog", model="toy", seed=1)
    assert sample.class_name == "d\u2028o\x85g"


def test_addresses_are_right_behind_a_prefix(connect: Connect, service: Live) -> None:
    with listening(Prefixed(service.app, "/pictures")) as url:
        for base_url in (f"{url}/pictures", f"{url}/pictures/"):
            [sample] = connect(base_url).generate("dog", seed=3)
            assert sample.url.startswith(f"{url}/pictures/generate?model=")
            assert httpx.get(sample.url).content == sample.png


# The best of many, mixtures, stages, and the same again.


def test_the_best_of_many_say_how_the_critic_liked_them(maker: Any) -> None:
    asked = {"model": "judged", "seed": 5}
    best = maker.generate("dog", n=3, best_of=4, **asked)
    sums = [sum(sample.scores.values()) for sample in best]
    assert sums == sorted(sums, reverse=True)
    pool = maker.generate("dog", n=12, **asked)
    assert pool[0].scores is None
    for sample in best:
        assert sample.png == pool[sample.index].png
    assert sorted(best, key=lambda sample: sample.index) == sorted(
        maker.stream("dog", n=3, best_of=4, **asked), key=lambda sample: sample.index
    )


def test_classes_are_mixed_by_their_weights(maker: Any) -> None:
    [mixed] = maker.generate({"dog": 0.75, "cat": 0.25}, model="mixing", seed=1)
    assert mixed.class_name == "cat:0.25,dog:0.75"
    assert httpx.get(mixed.url).content == mixed.png
    by_index, by_text = (maker.generate(given, model="mixing", seed=1) for given in ({1: 3, 0: 1}, "dog:0.75,cat:0.25"))
    assert np.array_equal(pixels(by_index[0].image), pixels(mixed.image))
    assert by_text == [mixed]
    assert [sample.class_name for sample in maker.stream({"dog": 1, "cat": 1}, model="mixing", n=3)] == [
        "cat:1,dog:1"
    ] * 3


def test_the_first_stage_draws_the_small_picture(maker: Any) -> None:
    small, large = (maker.generate("cat", model="judged", seed=1, stage=stage)[0].image for stage in (1, 2))
    assert (small.size, large.size) == ((toy_parts.SMALL,) * 2, (toy.SIDE,) * 2)
    [streamed] = maker.stream("cat", model="judged", seed=1, stage=1)
    assert np.array_equal(pixels(streamed.image), pixels(small))


def test_a_picture_is_drawn_again_from_its_file(client: Any, tmp_path: Path) -> None:
    [sample] = client.generate("dog", model="toy@1", seed=42)
    (tmp_path / "dog.png").write_bytes(sample.png)
    for given in (sample.png, tmp_path / "dog.png"):
        assert np.array_equal(pixels(client.reproduce(given)), pixels(sample.image))


def test_a_picture_that_can_t_be_drawn_again_says_what_differs(client: Any) -> None:
    sample = client.generate("dog", model="toy@1", seed=42)[0]
    whole = PngInfo()
    whole.add_itxt("XML:com.adobe.xmp", sample.image.info["xmp"].decode())
    altered = sample.image.copy()
    altered.putpixel((0, 0), (255 - altered.getpixel((0, 0))[0], 0, 0))
    file = BytesIO()
    altered.save(file, "png", pnginfo=whole)
    error = refusal(lambda: client.reproduce(file.getvalue()))
    assert error.status == 409
    assert error.document["differing"] == 1 / toy.SIDE**2
    assert error.document["url"] == "/generate?model=toy@1&class=dog&seed=42&format=png"
    assert refusal(lambda: client.reproduce(png(photo()))).detail.startswith("No recipe: ")
