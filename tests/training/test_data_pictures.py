"""Pictures in every mode and size: what a user's folder may hold becomes uint8 [N, size, size, channels]."""

import io
import logging

import numpy as np
import pytest
from PIL import Image

from training import data
from training.data import DataError, pictures
from training.data.decode import decode

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def colour(image: np.ndarray) -> tuple[int, ...]:
    """The colour of a picture that has only one, give or take what JPEG does."""
    assert np.ptp(image.astype(int), axis=(0, 1)).max() <= 2
    return tuple(int(value) for value in np.median(image, axis=(0, 1)))


def plain(mode: str, value: object, size: tuple[int, int] = (24, 16)) -> Image.Image:
    return Image.new(mode, size, value)


@pytest.mark.parametrize(
    ("picture", "kind", "expected"),
    [
        (plain("RGB", RED), "PNG", RED),
        (plain("RGB", RED).quantize(4), "PNG", RED),
        (plain("L", 90), "PNG", (90, 90, 90)),
        (plain("1", 1), "PNG", WHITE),
        (plain("LA", (0, 0)), "PNG", WHITE),
        (plain("LA", (90, 255)), "PNG", (90, 90, 90)),
        (plain("RGBA", (0, 0, 255, 0)), "PNG", WHITE),
        (plain("RGBA", (0, 0, 255, 255)), "WEBP", BLUE),
        (plain("CMYK", (0, 255, 255, 0)), "TIFF", RED),
        (plain("YCbCr", (76, 85, 255)), "JPEG", (254, 0, 0)),
        (plain("I;16", 257 * 90), "PNG", (90, 90, 90)),
        (plain("I", 257 * 90), "TIFF", (90, 90, 90)),
        (plain("RGB", BLUE), "BMP", BLUE),
        (plain("RGB", BLUE), "GIF", BLUE),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else str(value),
)
def test_every_mode_becomes_rgb(picture, kind, expected) -> None:
    image = decode(encoded(picture, kind), 8, 3)
    assert (image.shape, image.dtype) == ((8, 8, 3), np.uint8)
    assert np.abs(np.subtract(colour(image), expected)).max() <= 1


def test_half_transparent_is_half_white_and_a_transparent_palette_entry_is_white() -> None:
    assert colour(decode(encoded(plain("RGBA", (0, 0, 0, 128))), 8, 3)) == (127, 127, 127)
    palette = plain("P", 0)
    palette.putpalette([0, 0, 0, *RED])
    assert colour(decode(encoded(palette, transparency=0), 8, 3)) == WHITE


def test_colour_becomes_grey_by_its_luma() -> None:
    assert colour(decode(encoded(plain("RGB", RED)), 8, 1)) == (76,)


def test_exif_orientation_is_applied() -> None:
    picture = plain("RGB", RED, (16, 16))
    picture.paste(BLUE, (0, 0, 16, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the top of the file belongs on the right
    image = decode(encoded(picture, exif=exif), 16, 3)
    assert colour(image[:, 8:]) == BLUE
    assert colour(image[:, :8]) == RED


def test_of_an_animation_the_first_frame_is_taken() -> None:
    frames = [plain("RGB", value) for value in (RED, BLUE)]
    assert colour(decode(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), 8, 3)) == RED


def test_the_centre_is_kept_at_the_short_sides_scale() -> None:
    wide = plain("RGB", BLUE, (64, 32))
    wide.paste(RED, (16, 0, 48, 32))
    tall = wide.rotate(90, expand=True)
    for picture, size in ((wide, 16), (tall, 16), (wide, 48)):
        assert colour(decode(encoded(picture), size, 3)[3:-3, 3:-3]) == RED


def test_a_picture_of_the_size_asked_for_is_left_as_it_is() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    assert np.array_equal(decode(encoded(Image.fromarray(noise)), 16, 3), noise)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_shrinking_averages_rather_than_skips(kind) -> None:
    board = np.indices((256, 256)).sum(0) % 2 * 255
    image = decode(encoded(Image.fromarray(board.astype(np.uint8)), kind, quality=95), 16, 1)
    assert np.abs(image.astype(int) - 127).max() <= 3


def test_a_float_picture_has_no_known_range() -> None:
    with pytest.raises(ValueError, match="no stated range: save it with 8 or 16 bits"):
        decode(encoded(plain("F", 0.5), "TIFF"), 8, 3)


def test_a_decompression_bomb_is_skipped_as_broken(tmp_path, monkeypatch, caplog) -> None:
    for index in range(3):
        plain("RGB", RED).save(tmp_path / f"{index}.png")
    plain("RGB", RED, (64, 64)).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with caplog.at_level(logging.WARNING):
        assert len(data.load(tmp_path, size=8, channels=3, max_broken=0.25)) == 3
    assert "skipped bomb.png: Image size (4096 pixels) exceeds limit" in caplog.text


def test_broken_files_are_named_and_skipped_and_the_labels_stay_right(tmp_path, caplog) -> None:
    for name, value in (("blue", BLUE), ("red", RED)):
        (tmp_path / name).mkdir()
        for index in range(5):
            plain("RGB", value).save(tmp_path / name / f"{index}.png")
    whole = (tmp_path / "blue" / "1.png").read_bytes()
    (tmp_path / "blue" / "1.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "red" / "0.png").write_text("no picture")
    with caplog.at_level(logging.WARNING):
        loaded = data.load(tmp_path, size=8, channels=3, max_broken=0.2)
    assert "skipped blue/1.png" in caplog.text
    assert "skipped red/0.png: cannot identify image file" in caplog.text
    assert loaded.labels is not None
    assert loaded.labels.tolist() == [0] * 4 + [1] * 4
    assert [colour(image) for image in loaded.images] == [BLUE] * 4 + [RED] * 4


def test_too_many_broken_files_are_refused_with_the_list(tmp_path) -> None:
    plain("RGB", RED).save(tmp_path / "good.png")
    for index in range(25):
        (tmp_path / f"bad{index:02}.jpg").write_text("no picture")
    with pytest.raises(
        DataError,
        match=r"25 of 26 pictures can't be read, more than the 1\.0% that may be: bad00\.jpg"
        r" \(cannot identify .*bad19\.jpg .*, and 5 more\. Remove or replace them, or allow a larger share",
    ):
        data.load(tmp_path, size=8, channels=3)


def test_a_folder_of_nothing_but_broken_files_is_refused_whatever_is_allowed(tmp_path) -> None:
    (tmp_path / "bad.png").write_text("no picture")
    with pytest.raises(DataError, match="1 of 1 pictures can't be read"):
        data.load(tmp_path, size=8, channels=3, max_broken=1)


def test_more_than_fits_in_memory_lies_in_a_file_and_reads_the_same(tmp_path, monkeypatch) -> None:
    for index in range(10):
        plain("RGB", (20 * index, 0, 0)).save(tmp_path / f"{index}.png")
    within = data.load(tmp_path, size=8, channels=3)
    monkeypatch.setattr(pictures, "IN_MEMORY", 10 * 8 * 8 * 3 - 1)
    beyond = data.load(tmp_path, size=8, channels=3)
    assert isinstance(beyond.images, np.memmap)
    assert not isinstance(within.images, np.memmap)
    assert np.array_equal(beyond.images, within.images)


def test_a_long_load_says_how_far_it_is(tmp_path, monkeypatch, caplog) -> None:
    for index in range(3):
        plain("RGB", RED).save(tmp_path / f"{index}.png")
    monkeypatch.setattr("training.data.gather.CHUNK", 2)
    monkeypatch.setattr("training.data.gather.SILENT", -1)
    with caplog.at_level(logging.INFO):
        data.load(tmp_path, size=8, channels=3)
    assert f"{tmp_path.name} train: 2 of 3 pictures read" in caplog.text


@pytest.mark.parametrize(("size", "channels"), [(0, 3), (8, 2)])
def test_impossible_shapes_are_refused(size, channels) -> None:
    with pytest.raises(DataError, match="expected a size from 1 and 1 or 3 channels"):
        data.load("digits", size=size, channels=channels)
