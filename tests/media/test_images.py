"""Pictures to files and back: pixels, modes, sheets, and bytes that depend on nothing else."""

from io import BytesIO
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from app.media import bundles, images
from app.media.provenance import Recipe

RECIPE = Recipe(model="toy", version=1, digest="0" * 64, seed=7)


def picture(channels: int, height: int = 9, width: int = 14) -> images.Pixels:
    return np.random.default_rng(channels).integers(0, 256, (height, width, channels), np.uint8)


def pixels_of(data: bytes) -> images.Pixels:
    with Image.open(BytesIO(data)) as opened:
        values = np.asarray(opened)
    return values if values.ndim == 3 else values[:, :, None]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_keeps_every_pixel_of_grey_rgb_and_rgba(channels: int) -> None:
    drawn = picture(channels)
    np.testing.assert_array_equal(pixels_of(images.encode(drawn, "png", RECIPE)), drawn)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 70), (70, 1), (300, 200)])
def test_png_is_whole_at_any_size(height: int, width: int) -> None:
    drawn = picture(3, height, width)
    data = images.encode(drawn, "png", RECIPE)
    np.testing.assert_array_equal(pixels_of(data), drawn)
    with Image.open(BytesIO(data)) as opened:
        opened.verify()


def test_png_is_about_as_small_as_pillows() -> None:
    rows, columns = np.mgrid[0:64, 0:64]
    grain = np.random.default_rng(0).normal(0, 4, (64, 64, 3))
    drawn = (128 + 60 * np.sin((rows + columns) / 9)[:, :, None] + grain).astype(np.uint8)
    pillows = BytesIO()
    Image.fromarray(drawn).save(pillows, "PNG", compress_level=1)
    assert len(images.encode(drawn, "png", RECIPE)) < 1.2 * len(pillows.getvalue()) + 1500  # the recipe


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_webp_is_lossless(channels: int) -> None:
    drawn = picture(channels)
    read = pixels_of(images.encode(drawn, "webp", RECIPE))
    np.testing.assert_array_equal(read, np.broadcast_to(drawn, read.shape))


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_close_on_a_smooth_picture(channels: int) -> None:
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    drawn = np.broadcast_to(ramp[:, None, None], (64, 64, channels))
    read = pixels_of(images.encode(drawn, "jpeg", RECIPE)).astype(int)
    assert read.shape == drawn.shape
    assert np.abs(read - drawn).max() <= 4


def test_jpeg_lays_transparent_pictures_on_white() -> None:
    clear = np.zeros((8, 8, 4), np.uint8)
    assert pixels_of(images.encode(clear, "jpeg", RECIPE)).min() >= 254


@pytest.mark.parametrize("file_format", ["png", "jpeg", "webp"])
def test_the_same_picture_gives_the_same_bytes(file_format: images.Format) -> None:
    drawn = picture(3)
    assert images.encode(drawn, file_format, RECIPE) == images.encode(drawn.copy(), file_format, RECIPE)


def test_a_picture_of_two_channels_is_refused_with_its_shape() -> None:
    with pytest.raises(ValueError, match=r"1, 3 or 4 channels, not \[9, 14, 2\]"):
        images.encode(picture(2), "png", RECIPE)


def test_a_strided_view_is_encoded_as_it_looks() -> None:
    drawn = picture(3)[::-1, ::2]
    np.testing.assert_array_equal(pixels_of(images.encode(drawn, "png", RECIPE)), drawn)


def test_a_sheet_reads_row_by_row_and_leaves_empty_cells_black() -> None:
    drawn = np.stack([np.full((2, 3, 1), value, np.uint8) for value in (10, 20, 30)])
    laid = images.sheet(drawn, 2)
    assert laid.shape == (4, 6, 1)
    assert [laid[0, 0, 0], laid[0, 3, 0], laid[2, 0, 0], laid[2, 3, 0]] == [10, 20, 30, 0]


@pytest.mark.parametrize(("n", "columns"), [(1, 1), (2, 2), (4, 2), (5, 3), (9, 3), (10, 4), (64, 8)])
def test_a_sheet_is_near_square(n: int, columns: int) -> None:
    assert images.square(n) == columns


def test_an_archive_is_deterministic_and_opens() -> None:
    files = [("a.png", b"one"), ("b.png", b"two")]
    data = bundles.archive(files)
    assert data == bundles.archive(files)
    with ZipFile(BytesIO(data)) as opened:
        assert [(name, opened.read(name)) for name in opened.namelist()] == files


def test_npy_gives_the_array_back() -> None:
    drawn = picture(3)[None]
    np.testing.assert_array_equal(np.load(BytesIO(bundles.npy(drawn)), allow_pickle=False), drawn)
