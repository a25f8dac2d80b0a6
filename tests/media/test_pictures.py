"""Uploads to pixels: every kind of picture as it is meant to be seen, anything else refused with a reason."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from app.errors import PictureTooLarge, TooManyFrames, UnreadablePicture, UnsupportedPicture
from app.media import pictures
from app.media.images import Pixels
from tests.media import awkward
from tests.media.awkward import animated, decode, noise, saved, smooth

# Pillow's remarks on the tags of damaged files.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

PHOTO = smooth(48, 64)

KINDS: dict[str, bytes] = {
    "JPEG": saved(PHOTO, "JPEG", quality=95, subsampling=0),
    "progressive JPEG": saved(PHOTO, "JPEG", quality=95, subsampling=0, progressive=True),
    "PNG": saved(PHOTO, "PNG"),
    "WebP": saved(PHOTO, "WEBP", lossless=True),
    "lossy WebP": saved(PHOTO, "WEBP", quality=95),
    "GIF": saved(Image.fromarray(PHOTO).quantize(256), "GIF"),
    "BMP": saved(PHOTO, "BMP"),
    "TIFF": saved(PHOTO, "TIFF"),
    "LZW TIFF": saved(PHOTO, "TIFF", compression="tiff_lzw"),
    "Deflate TIFF": saved(PHOTO, "TIFF", compression="tiff_adobe_deflate"),
    "JPEG TIFF": saved(PHOTO, "TIFF", compression="jpeg", quality=95),
    "BigTIFF": saved(PHOTO, "TIFF", big_tiff=True),
    "AVIF": saved(PHOTO, "AVIF", quality=90),
}
LOSSLESS = {"PNG", "WebP", "BMP", "TIFF", "LZW TIFF", "Deflate TIFF", "BigTIFF"}


def test_this_pillow_reads_every_kind() -> None:
    assert all(features.check(feature) for feature in ("jpg", "zlib", "webp", "libtiff", "avif", "littlecms2"))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_told_by_its_bytes_and_read(kind: str) -> None:
    read = decode(KINDS[kind])
    assert read.dtype == np.uint8
    if kind in LOSSLESS:
        np.testing.assert_array_equal(read, PHOTO)
    else:
        assert read.shape == PHOTO.shape
        assert np.abs(read.astype(int) - PHOTO).mean() < 4


# What an orientation asks for, in the words of the standard: "the 0th row is at the ..., the 0th column at the ...".
UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: np.rot90(stored),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_a_picture_is_turned_as_its_exif_says(file_format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    quality = {"lossless": True} if file_format == "WEBP" else {"quality": 95}
    read = decode(saved(PHOTO, file_format, exif=exif, **quality))
    expected = UPRIGHT[orientation](PHOTO)
    assert read.shape == expected.shape
    assert np.abs(read.astype(int) - expected).max() <= 16


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"MM",
        b"not EXIF at all",
        b"II*\0\xff\xff\xff\xff",
        awkward.tiff({274: (3, 1, 9)}),
        awkward.tiff({274: (3, 1, 0)}),
        awkward.tiff({274: (2, 1, 6)}),
        awkward.tiff({274: (3, 1000, 8)}),
    ],
)
def test_exif_that_makes_no_sense_turns_nothing(exif: bytes) -> None:
    np.testing.assert_array_equal(decode(saved(PHOTO, "PNG", exif=exif)), PHOTO)


def test_exif_of_either_byte_order_is_followed() -> None:
    big = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0"
    for exif in (awkward.tiff({274: (3, 1, 3)}), big):
        np.testing.assert_array_equal(decode(saved(PHOTO, "PNG", exif=exif)), PHOTO[::-1, ::-1])


@pytest.mark.parametrize("options", [{"file_format": "GIF"}, {"file_format": "WEBP", "lossless": True}])
@pytest.mark.parametrize("count", [2, 10])
def test_of_an_animation_the_first_frame_is_taken(options: dict[str, Any], count: int) -> None:
    read = decode(animated(count=count, **options))
    assert read.shape == (24, 32, 3)
    assert np.abs(read.astype(int) - smooth(24, 32)).mean() < 8


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "AVIF"])
def test_an_animation_of_too_many_frames_is_refused(file_format: str) -> None:
    data = animated(file_format, 11)
    assert decode(data, max_frames=11).shape == (24, 32, 3)
    with pytest.raises(TooManyFrames, match="animated, with more than 10 frames: send fewer") as refused:
        decode(data)
    assert refused.value.document()["max_frames"] == 10
    assert refused.value.status == 413


def test_of_a_tiff_of_several_pages_the_first_is_taken() -> None:
    pages = [Image.fromarray(noise(9, 14, 3)) for _ in range(20)]
    data = saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    np.testing.assert_array_equal(decode(data), np.asarray(pages[0]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_over_the_pixel_limit_is_refused_with_its_size(kind: str) -> None:
    assert decode(KINDS[kind], max_pixels=48 * 64).shape == (48, 64, 3)
    with pytest.raises(PictureTooLarge, match="coded as 64×48 pixels; at most 3071 are read: scale it down") as refused:
        decode(KINDS[kind], max_pixels=48 * 64 - 1)
    assert refused.value.status == 413
    document = refused.value.document()
    assert (document["width"], document["height"], document["max_pixels"]) == (64, 48, 3071)


@pytest.mark.parametrize("part", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_picture_is_refused(kind: str, part: float) -> None:
    data = KINDS[kind]
    with pytest.raises(UnreadablePicture, match=r"can't be read: .*(truncated|cut off)") as refused:
        decode(data[: int(part * len(data))])
    assert refused.value.status == 422


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_cut_anywhere_is_refused_or_whole(kind: str) -> None:
    data = KINDS[kind]
    whole = decode(data)
    for length in range(0, len(data), max(len(data) // 60, 1)):
        try:
            read = decode(data[:length])
        except (UnreadablePicture, UnsupportedPicture):
            continue
        np.testing.assert_array_equal(read, whole)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_bytes_are_refused_or_read_but_never_crash(kind: str) -> None:
    random = np.random.default_rng(len(KINDS[kind]))
    for _ in range(60):
        damaged = bytearray(KINDS[kind])
        for at in random.integers(0, min(len(damaged), 600), 4):
            damaged[at] = random.integers(256)
        with suppress(PictureTooLarge, TooManyFrames, UnreadablePicture, UnsupportedPicture):
            assert decode(bytes(damaged)).size <= 3 * 100_000


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "The upload is empty"),
        (b"%PDF-1.7\n", "The upload is no known picture"),
        (b"PK\3\4" + bytes(100), "The upload is no known picture"),
        (b"<html><body>", "The upload is no known picture"),
        (b"\x00\x00\x01\x00" + bytes(60), "The upload is no known picture"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "The upload is no known picture"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "The upload is no known picture"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "The upload is HEIC"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "The upload is SVG, a vector picture: draw it to pixels first"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- <x> -->\n<SVG/>", "The upload is SVG, a vector picture"),
    ],
)
def test_what_is_no_picture_is_refused_with_what_would_be_one(data: bytes, found: str) -> None:
    with pytest.raises(UnsupportedPicture) as refused:
        decode(data)
    assert refused.value.status == 415
    assert refused.value.detail.startswith(found)
    assert refused.value.detail.endswith("; supported: JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF.")
    assert refused.value.document()["supported"] == ["JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF", "AVIF"]


@pytest.mark.parametrize(
    ("data", "flaw"),
    [
        (saved(Image.new("F", (4, 4)), "TIFF"), "its values are of mode 'F': save it as RGB or grey of 8 or 16 bits"),
        (saved(Image.new("I", (4, 4)), "TIFF"), "its values are of mode 'I'"),
        (saved(Image.new("LAB", (4, 4)), "TIFF"), "its values are of mode 'LAB'"),
        (awkward.tiff({**awkward.grey_tiff(4, 4), 258: (3, 1, 5)}, bytes(16)), "of a make that isn't supported"),
        (awkward.tiff({**awkward.grey_tiff(4, 4), 259: (3, 1, 34925)}), "its method of compression, 34925, isn't"),
        (b"BM" + bytes(12) + b"\x28\0\0\0\x04\0\0\0\x04\0\0\0\x01\0\x08\0\x01\0\0\0", "it is compressed .RLE.: save"),
        (b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x0b\x0c\0\x04\0\x04\x01\x01\x11\0", "cannot handle 12-bit layers"),
        (b"\x89PNG\r\n\x1a\n" + awkward.chunk(b"tEXt", b"a\0b"), "it doesn't begin with its size"),
        (b"GIF89a\0", "its header is cut off or damaged"),
    ],
    ids=["floats", "32 bits", "CIELAB", "5 bits", "LZMA", "RLE", "12 bits", "no header", "short"],
)
def test_what_cannot_be_shown_is_refused_with_the_reason(data: bytes, flaw: str) -> None:
    with pytest.raises(UnreadablePicture, match=flaw):
        decode(data)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 200), (48, 64), (100, 3)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_picture_is_resized_to_the_very_size(channels: int, height: int, width: int) -> None:
    drawn = np.full((48, 64, channels), 77, np.uint8)
    drawn[..., 3:] = 255
    resized = pictures.resize(drawn, height, width)
    assert resized.shape == (height, width, channels)
    assert (resized == drawn[0, 0]).all()


def test_a_fine_pattern_fades_to_grey_rather_than_to_moire() -> None:
    board = 255 * (np.indices((96, 96)).sum(0) % 2).astype(np.uint8)
    resized = pictures.resize(board[:, :, None], 30, 30)[2:-2, 2:-2].astype(int)
    assert np.abs(resized - 127).max() <= 12


def test_transparent_pixels_do_not_bleed_when_resized() -> None:
    drawn = np.zeros((32, 32, 4), np.uint8)
    drawn[:, 16:] = 200, 200, 200, 255
    resized = pictures.resize(drawn, 10, 10)
    assert resized[resized[..., 3] > 8][:, :3].min() >= 190


def test_a_picture_takes_the_channels_of_its_model() -> None:
    drawn = noise(9, 14, 3)
    np.testing.assert_array_equal(pictures.with_channels(drawn, 3), drawn)
    np.testing.assert_array_equal(pictures.with_channels(drawn, 4)[..., :3], drawn)
    assert (pictures.with_channels(drawn, 4)[..., 3] == 255).all()
    luma = pictures.with_channels(drawn, 1)
    assert luma.shape == (9, 14, 1)
    assert np.abs(luma[..., 0] - drawn @ [0.299, 0.587, 0.114]).max() <= 1


def test_grey_survives_the_way_through_rgb() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    np.testing.assert_array_equal(pictures.with_channels(np.repeat(grey, 3, axis=2), 1), grey)


def test_two_channels_are_refused() -> None:
    for change in (lambda: pictures.with_channels(PHOTO, 2), lambda: pictures.resize(noise(4, 4, 2), 2, 2)):
        with pytest.raises(ValueError, match="a picture has 1, 3 or 4 channels, not 2"):
            change()
