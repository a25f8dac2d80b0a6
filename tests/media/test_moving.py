"""Animated pictures as clips: each frame as a browser shows it, and the rate at which it does."""

import io

import numpy as np
import pytest
from PIL import Image

from app.errors import UnreadableClip
from app.media import animation, clips
from tests.media.films import BLUE, GREEN, LIMITS, RED, WHITE, apng, block, gif, noise, picture, read, steps


def test_parts_of_a_gif_are_laid_on_what_was_there() -> None:
    frames = read(gif((block(0, 8, 8), (0, 0), 1), (block(1, 2, 3), (4, 5), 1), (block(2, 1, 1), (0, 0), 1))).frames
    expected = np.broadcast_to(np.array(RED, np.uint8), (3, 8, 8, 3)).copy()
    expected[1:, 5:7, 4:7] = GREEN
    expected[2, 0, 0] = BLUE
    np.testing.assert_array_equal(frames, expected)


def test_a_part_of_a_gif_that_is_taken_away_leaves_what_was_there_before() -> None:
    frames = read(gif((block(0, 8, 8), (0, 0), 1), (block(1, 2, 3), (4, 5), 3), (block(2, 1, 1), (0, 0), 1))).frames
    assert (frames[1, 5:7, 4:7] == GREEN).all()
    assert (frames[2, 5:7, 4:7] == RED).all()
    assert (frames[2, 0, 0] == BLUE).all()


def test_a_part_of_a_gif_that_is_cleared_shows_the_background() -> None:
    parts = (block(0, 8, 8), (0, 0), 1), (block(1, 2, 3), (4, 5), 2), (block(2, 1, 1), (0, 0), 1)
    frames = read(gif(*parts, transparency=3)).frames
    assert (frames[1, 5:7, 4:7] == GREEN).all()
    assert (frames[2, 5:7, 4:7] == WHITE).all()


def test_what_is_transparent_is_laid_on_the_background_that_is_asked_for() -> None:
    drawn = noise(4)
    drawn[..., 3] = 0
    for file_format in ("gif", "webp", "apng"):
        data = animation.encode(drawn, file_format, rate=10)
        assert (clips.read(data, LIMITS, background=BLUE).frames == BLUE).all()


@pytest.mark.parametrize(("disposal", "left"), [(0, GREEN), (1, WHITE), (2, RED)])
def test_parts_of_an_apng_are_disposed_of_as_they_ask(disposal: int, left: tuple[int, int, int]) -> None:
    shades = [Image.new("RGBA", (8, 8), (*RED, 255)) for _ in range(3)]
    shades[1].paste((*GREEN, 255), (2, 2, 6, 6))
    shades[2].paste((*BLUE, 255), (0, 0, 1, 1))
    frames = read(apng(shades, disposal)).frames
    assert (frames[1, 2:6, 2:6] == GREEN).all()
    assert (frames[2, 2:6, 2:6] == left).all()


def test_the_picture_that_an_apng_shows_to_those_who_see_no_films_is_no_frame() -> None:
    drawn = noise(frames=3)
    stills = [Image.fromarray(frame) for frame in drawn]
    out = io.BytesIO()
    stills[0].save(out, "png", save_all=True, append_images=stills[1:], default_image=True, duration=100)
    np.testing.assert_array_equal(read(out.getvalue()).frames, drawn[1:])


def test_parts_of_a_webp_are_laid_on_what_was_there() -> None:
    drawn = np.repeat(noise(frames=1), 4, axis=0)
    for number in range(1, 4):
        drawn[number, number : number + 4, 2:9] = RED
    stills = [Image.fromarray(frame) for frame in drawn]
    out = io.BytesIO()
    stills[0].save(out, "webp", save_all=True, append_images=stills[1:], duration=[100, 100, 100, 900], lossless=True)
    clip = read(out.getvalue())
    np.testing.assert_array_equal(clip.frames, drawn)
    assert clip.rate == pytest.approx(10)


@pytest.mark.parametrize(
    ("durations", "rate"),
    [([100, 100, 100], 10), ([40, 50, 40], 3000 / 130), ([100, 100, 3000], 10), ([0, 0, 0], 10), ([10, 10, 10], 10)],
    ids=["even", "uneven", "a pause at the end", "none", "too short to be seen"],
)
def test_the_rate_is_that_at_which_frames_are_seen_without_pauses(durations: list[int], rate: float) -> None:
    stills = [Image.fromarray(frame) for frame in noise(frames=3)]
    out = io.BytesIO()
    stills[0].save(out, "gif", save_all=True, append_images=stills[1:], duration=durations)
    assert read(out.getvalue()).rate == pytest.approx(rate)


@pytest.mark.parametrize("file_format", ["gif", "webp", "png", "tiff"])
def test_a_still_is_a_clip_of_one_frame(file_format: str) -> None:
    drawn = steps(frames=1)
    clip = read(picture(drawn, file_format, lossless=True))
    np.testing.assert_array_equal(clip.frames, drawn)
    assert clip.rate is None


@pytest.mark.parametrize("file_format", ["gif", "webp", "apng"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_animation_is_refused(file_format: animation.Format, share: float) -> None:
    data = animation.encode(noise(), file_format, rate=10)
    with pytest.raises(UnreadableClip, match=r"can't be read: it is truncated or damaged"):
        read(data[: int(share * len(data))])


def test_a_gif_that_grows_is_refused() -> None:
    with pytest.raises(UnreadableClip, match="a frame reaches beyond its screen of 8×8 pixels"):
        read(gif((block(0, 8, 8), (0, 0), 1), (block(1, 2, 2), (7, 7), 1)))
