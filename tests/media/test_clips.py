"""Clips as they come in: what is made of each kind of file, and of those that nobody should send."""

import io
from pathlib import Path

import numpy as np
import pytest

from app.errors import ClipTooLong, Problem, UnreadableClip, UnsupportedClip
from app.media import animation, bundles, images
from tests.media.films import KINDS, RECIPE, in_rgb, noise, picture, read, steps


@pytest.mark.parametrize("frames", [1, 2, 6])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("file_format", ["webp", "apng"])
def test_webp_and_apng_come_back_as_they_went(file_format: animation.Format, channels: int, frames: int) -> None:
    drawn = noise(channels, frames)
    clip = read(animation.encode(drawn, file_format, rate=10))
    np.testing.assert_array_equal(clip.frames, in_rgb(drawn))
    assert clip.rate == (pytest.approx(10) if frames > 1 else None)


def test_a_grey_gif_comes_back_as_it_went() -> None:
    drawn = noise(1)
    clip = read(animation.encode(drawn, "gif", rate=10))
    np.testing.assert_array_equal(clip.frames, in_rgb(drawn))
    assert clip.rate == pytest.approx(10)


def test_a_zip_of_our_own_comes_back_as_it_went() -> None:
    drawn = noise(3, frames=12)
    files = ((f"{number}.png", images.encode(frame, "png", RECIPE)) for number, frame in enumerate(drawn))
    clip = read(bundles.archive(files))
    np.testing.assert_array_equal(clip.frames, drawn)
    assert clip.rate is None


@pytest.mark.parametrize("channels", [1, 3])
def test_npy_comes_back_as_it_went(channels: int) -> None:
    drawn = noise(channels)
    clip = read(bundles.npy(drawn))
    np.testing.assert_array_equal(clip.frames, in_rgb(drawn))
    assert clip.rate is None


def test_npy_may_leave_the_channel_of_grey_frames_out_and_lie_in_any_order() -> None:
    drawn = noise(1)[..., 0]
    out = io.BytesIO()
    np.save(out, np.asfortranarray(drawn))
    np.testing.assert_array_equal(read(out.getvalue()).frames, drawn[..., None].repeat(3, axis=3))


@pytest.mark.parametrize("rate", [5, 24, 30_000 / 1001, 120])
def test_an_mp4_comes_back_close_at_its_very_rate(rate: float) -> None:
    drawn = steps()
    clip = read(animation.encode(drawn, "mp4", rate=rate))
    assert clip.frames.shape == drawn.shape
    assert np.abs(clip.frames.astype(int) - drawn).max() <= 3
    assert clip.rate == pytest.approx(rate, rel=1e-6)


@pytest.mark.parametrize(
    ("array", "flaw"),
    [
        (np.zeros((2, 4, 4, 3)), "its values are float64, not uint8"),
        (np.zeros((2, 4, 4), bool), "its values are bool, not uint8"),
        (np.zeros((4, 4), np.uint8), r"its shape is \[4, 4\], not \[k, h, w\] or \[k, h, w, c\]"),
        (np.zeros((2, 4, 4, 4), np.uint8), r"its shape is \[2, 4, 4, 4\], .* with 1 or 3 channels"),
        (np.zeros((0, 4, 4, 3), np.uint8), r"its shape is \[0, 4, 4, 3\]"),
        (np.array([{}], object), "its values are object, not uint8"),
    ],
)
def test_an_array_that_is_no_clip_is_refused(array: np.ndarray, flaw: str) -> None:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    with pytest.raises(UnreadableClip, match=f"The npy can't be read: {flaw}"):
        read(out.getvalue())


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (Path("unpickled"),)


def test_no_array_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    out = io.BytesIO()
    np.save(out, np.array([Bomb()], object), allow_pickle=True)
    with pytest.raises(UnreadableClip, match="The npy can't be read: its values are object, not uint8"):
        read(out.getvalue())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("change", [-1, 1])
def test_an_array_that_is_shorter_or_longer_than_it_says_is_refused(change: int) -> None:
    data = bundles.npy(noise())
    with pytest.raises(UnreadableClip, match=r"its shape, \[6, 16, 20, 3\], takes 5760 bytes, and it has"):
        read(data[:change] if change < 0 else data + bytes(change))


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "The upload is empty; supported: GIF, WebP, APNG"),
        (b"hello", "no known kind of clip"),
        (picture(noise()[0], "jpeg"), "JPEG, a single picture; supported: .*zip of pictures"),
        (picture(noise()[0], "bmp"), "BMP, a single picture"),
        (picture(noise()[0], "avif"), "AVIF, a single picture"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "no known kind of clip"),
        (b"#EXTM3U\nhttp://127.0.0.1/\n", "no known kind of clip"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "no known kind of clip"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "no known kind of clip"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no known kind of clip"),
    ],
)
def test_any_other_kind_of_file_is_refused_with_those_that_are_read(data: bytes, found: str) -> None:
    with pytest.raises(UnsupportedClip, match=found):
        read(data)


@pytest.mark.parametrize(
    "head", [b"GIF89a", b"\x89PNG\r\n\x1a\n", b"RIFF\4\0\0\0WEBP", b"II*\0", b"\0\0\0\x18ftypisom", b"\x1aE\xdf\xa3",
             b"PK\3\4", b"\x93NUMPY"],
)  # fmt: skip
@pytest.mark.parametrize("tail", [b"", b"\0" * 100, b"\xff" * 100])
def test_a_beginning_alone_is_refused(head: bytes, tail: bytes) -> None:
    with pytest.raises((UnreadableClip, ClipTooLong), match=r"can't be read: it|more than 100000 pixels"):
        read(head + tail)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_in_which_bytes_were_altered_is_read_or_refused(kind: str) -> None:
    chance = np.random.default_rng(0)
    refused = 0
    for _ in range(50):
        data = bytearray(KINDS[kind])
        for at in chance.integers(len(data), size=5):
            data[at] = chance.integers(256)
        try:
            assert read(bytes(data)).frames.dtype == np.uint8
        except Problem:
            refused += 1
    assert refused
