"""Pictures and sounds that are sent, in many forms."""

import re
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests import toy_parts, toy_sound, toy_video
from tests.client.conftest import photo, pixels, png, refusal
from tests.live import Live
from tests.media.sounds import file, tone


@pytest.mark.parametrize("verb", ["translate", "style"])
def test_a_picture_may_be_given_in_many_forms(client: Any, service: Live, tmp_path: Path, verb: str) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(png(photo()))
    expected = pixels(Image.open(BytesIO(httpx.post(f"{service.url}/{verb}", content=path.read_bytes()).content)))
    assert expected.shape == (96, 128, 3)
    for given in (path, str(path), path.read_bytes(), Image.open(path), photo()):
        assert np.array_equal(pixels(getattr(client, verb)(given)), expected)


def test_grey_and_transparent_arrays_are_pictures_too(client: Any) -> None:
    grey = photo()[..., 0]
    clear = np.dstack([photo(), np.full((96, 128), 255, np.uint8)])
    assert np.array_equal(pixels(client.translate(grey)), pixels(client.translate(grey[..., None])))
    assert np.array_equal(pixels(client.translate(clear)), pixels(client.translate(photo())))


def test_style_and_its_parameters_reach_the_service(client: Any) -> None:
    assert np.array_equal(pixels(client.style(photo(), "monet", model="monet", strength=0)), photo())
    large, small = (client.style(photo(), scale=scale) for scale in ("original", "model"))
    assert not np.array_equal(pixels(large), pixels(small))
    assert b"&quot;verb&quot;:&quot;style&quot;" in small.info["xmp"] or b'"verb":"style"' in small.info["xmp"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (photo() / 255, "a picture must be uint8 [h, w], [h, w, 3] or [h, w, 4], not float64 [96, 128, 3]"),
        (photo()[None], "a picture must be uint8 [h, w], [h, w, 3] or [h, w, 4], not uint8 [1, 96, 128, 3]"),
        (Image.new("CMYK", (4, 4)), "an image of mode CMYK can't be sent as PNG; convert it to RGB, or give its file"),
    ],
)
def test_what_is_no_picture_is_refused_before_it_is_sent(client: Any, given: Any, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        client.translate(given)


def test_a_file_that_is_not_there_is_an_error_of_the_file(client: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        client.translate(tmp_path / "none.png")


@pytest.mark.parametrize("frames", [toy_sound.SHORT, toy_sound.LONG])
def test_a_recording_comes_back_in_its_own_form_or_another(
    client: Any, service: Live, tmp_path: Path, frames: int
) -> None:
    path = tmp_path / "tone.wav"
    path.write_bytes(file(tone(440, toy_sound.RATE, frames), toy_sound.RATE))
    expected = httpx.post(f"{service.url}/enhance", content=path.read_bytes()).content
    assert expected.startswith(b"RIFF")
    for given in (path, str(path), path.read_bytes()):
        assert client.enhance(given, model="hush") == expected
    assert client.enhance(path, format="flac", timeout=20, priority="bulk").startswith(b"fLaC")


def test_what_is_no_sound_is_refused(client: Any) -> None:
    assert refusal(lambda: client.enhance(b"no sound")).title == "Unsupported sound"


# Frames.


def clip(frames: int = 5) -> NDArray[np.uint8]:
    """uint8 [frames, 16, 20, 1], each frame another."""
    return np.stack([photo(16, 20)[..., :1] // (at + 1) for at in range(frames)])


def test_a_clip_goes_on_whatever_form_it_has(maker: Any, tmp_path: Path) -> None:
    given, expected = clip(), toy_video.rolled_out(clip(), 12)[..., 0]
    path = tmp_path / "clip.npy"
    np.save(path, given)
    stills = [Image.fromarray(frame[..., 0]) for frame in given]
    for form in (
        given,
        given[..., 0],
        path,
        str(path),
        path.read_bytes(),
        stills,
        [png(frame[..., 0]) for frame in given],
    ):
        frames = maker.predict(form, model="drift", steps=12)
        assert np.array_equal(np.stack([pixels(frame) for frame in frames]), expected)


def test_many_stills_are_taken_in_their_order(maker: Any) -> None:
    given = clip(12)
    [frame] = maker.predict([frame[..., 0] for frame in given], steps=1)
    assert np.array_equal(pixels(frame), toy_video.following(given)[..., 0])


def test_the_frames_that_were_given_come_first_with_context(maker: Any) -> None:
    frames = maker.predict(clip(), steps=2, context=True, timeout=20, priority="bulk")
    assert np.array_equal(np.stack([pixels(frame) for frame in frames[: toy_video.GIVEN]]), clip()[2:, ..., 0])
    assert len(frames) == toy_video.GIVEN + 2
    assert b"predict" in frames[-1].info["xmp"]


def test_what_is_no_clip_is_refused(maker: Any) -> None:
    assert refusal(lambda: maker.predict(clip(2))).detail.endswith("and the clip has 2; send 1 more")
    assert refusal(lambda: maker.predict(b"no clip")).title == "Unsupported clip"
    for given, form in ((clip() / 255, "float64 [5, 16, 20, 1]"), (clip()[0, ..., 0], "uint8 [16, 20]")):
        said = f"a clip must be uint8 [k, h, w] or [k, h, w, c], not {form}"
        with pytest.raises(ValueError, match=re.escape(said)):
            maker.predict(given)


# What a critic says.


def test_a_critic_says_how_real_a_picture_is_and_what_it_shows(maker: Any) -> None:
    seen = photo(16, 16)
    score = maker.score(seen, model="judged")
    assert score.model == "judged@1"
    assert score.realness == pytest.approx(toy_parts.realness(seen[None])[0], rel=1e-4)
    matches = {name: toy_parts.match(seen[None], at)[0] for at, name in enumerate(("cat", "dog"))}
    assert score.match == pytest.approx(matches, rel=1e-4)
    assert list(score.match) == sorted(matches, key=lambda name: -matches[name])
    for class_ in ("dog", 1):
        assert maker.score(seen, class_, model="judged").match == {"dog": score.match["dog"]}


def test_a_critic_that_knows_no_classes_says_nothing_of_them(maker: Any) -> None:
    assert maker.score(photo(16, 16), model="codes", timeout=20, priority="bulk").match == {}


def test_a_model_without_a_critic_judges_nothing(maker: Any) -> None:
    said = "model: mixing@1 has no critic that could judge; it has generator"
    assert refusal(lambda: maker.score(photo(), model="mixing")).detail == said
