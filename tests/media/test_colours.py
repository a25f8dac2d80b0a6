"""Whatever a file holds its colours in, they come out as sRGB, and what is transparent shows the background."""

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.media import awkward
from tests.media.awkward import decode, noise, saved


@pytest.mark.parametrize(
    ("picture", "file_format"),
    [
        (Image.fromarray(noise(9, 14)), "PNG"),
        (Image.fromarray(noise(9, 14)), "TIFF"),
        (Image.fromarray(noise(9, 14)), "BMP"),
        (Image.fromarray(noise(9, 14)), "WEBP"),
        (Image.fromarray(noise(9, 14) > 127), "PNG"),
        (Image.fromarray(noise(9, 14) > 127), "BMP"),
        (Image.fromarray(noise(9, 14) > 127), "GIF"),
        (Image.fromarray(noise(9, 14) > 127), "TIFF"),
        (Image.fromarray(noise(9, 14, 3)).quantize(7), "PNG"),
        (Image.fromarray(noise(9, 14, 3)).quantize(7), "GIF"),
        (Image.fromarray(noise(9, 14, 3)).quantize(7), "BMP"),
        (Image.fromarray(noise(9, 14, 3)).quantize(7), "TIFF"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.mode,
)
def test_grey_black_and_white_and_palettes_become_rgb(picture: Image.Image, file_format: str) -> None:
    read = decode(saved(picture, file_format, **({"lossless": True} if file_format == "WEBP" else {})))
    np.testing.assert_array_equal(read, np.asarray(picture.convert("RGB")))


def test_grey_of_16_bits_is_rounded_to_8() -> None:
    values = np.arange(0, 65536, 7).astype(np.uint16)[:9360].reshape(80, 117)
    expected = np.rint(values / 257)
    for data in (awkward.deep_png(values[:, :, None], 0), saved(Image.fromarray(values), "TIFF")):
        np.testing.assert_array_equal(decode(data), np.repeat(expected[:, :, None], 3, axis=2))


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_colours_and_alpha_of_16_bits_are_read(colour: int, channels: int) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (9, 14, channels)).astype(np.uint16)
    if channels % 2 == 0:
        values[..., -1] = 65535
    expected = np.broadcast_to(values[..., :3] if channels > 2 else values[..., :1], (9, 14, 3)) / 257
    assert np.abs(decode(awkward.deep_png(values, colour)) - expected).max() <= 1


@pytest.mark.parametrize("background", [(255, 255, 255), (10, 200, 30)])
@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
def test_what_is_transparent_shows_the_background(file_format: str, background: tuple[int, int, int]) -> None:
    drawn = noise(9, 14, 4)
    drawn[:3, :, 3], drawn[3:6, :, 3] = 0, 255
    options = {"lossless": True, "exact": True} if file_format == "WEBP" else {}
    read = decode(saved(drawn, file_format, **options), background=background)
    alpha = drawn[..., 3:] / 255
    assert np.abs(read - (alpha * drawn[..., :3] + (1 - alpha) * np.array(background))).max() <= 1
    assert (read[:3] == background).all()
    np.testing.assert_array_equal(read[3:6], drawn[3:6, :, :3])


def test_the_background_is_white_unless_said_otherwise() -> None:
    assert (decode(saved(np.zeros((4, 4, 4), np.uint8), "PNG")) == 255).all()


def test_grey_with_alpha_is_laid_on_the_background() -> None:
    drawn = Image.merge("LA", [Image.new("L", (4, 4), 100), Image.new("L", (4, 4), 51)])
    assert (decode(saved(drawn, "PNG"), background=(0, 0, 200)) == (20, 20, 180)).all()


@pytest.mark.parametrize("transparency", [2, bytes([255, 255, 0])])
def test_a_palette_may_have_transparent_entries(transparency: int | bytes) -> None:
    drawn = Image.fromarray(np.arange(4, dtype=np.uint8).reshape(2, 2)).convert("P")
    drawn.putpalette([9, 9, 9, 50, 60, 70, 1, 2, 3, 200, 0, 0])
    read = decode(saved(drawn, "PNG", transparency=transparency), background=(0, 255, 0))
    assert read.reshape(4, 3).tolist() == [[9, 9, 9], [50, 60, 70], [0, 255, 0], [200, 0, 0]]


@pytest.mark.parametrize("depth", [8, 16])
def test_a_png_may_name_a_transparent_grey_or_colour(depth: int) -> None:
    clear = awkward.chunk(b"tRNS", (77).to_bytes(2))
    if depth == 16:
        data = awkward.deep_png(np.array([[[77], [78]]], np.uint16), 0, clear)
    else:
        data = saved(np.array([[77, 78]], np.uint8), "PNG", transparency=77)
    assert decode(data, background=(1, 2, 3))[0, 0].tolist() == [1, 2, 3]
    assert decode(data, background=(1, 2, 3))[0, 1].tolist() == 3 * [78 if depth == 8 else 0]
    colours = saved(np.array([[[5, 6, 7], [5, 6, 8]]], np.uint8), "PNG", transparency=(5, 6, 7))
    assert decode(colours)[0].tolist() == [[255, 255, 255], [5, 6, 8]]


def test_a_gif_with_a_transparent_colour_is_laid_on_the_background() -> None:
    drawn = Image.fromarray(np.arange(4, dtype=np.uint8).reshape(2, 2)).convert("P")
    drawn.putpalette([9, 9, 9, 50, 60, 70, 1, 2, 3, 200, 0, 0])
    read = decode(saved(drawn, "GIF", transparency=3), background=(0, 255, 0))
    assert read.reshape(4, 3).tolist() == [[9, 9, 9], [50, 60, 70], [1, 2, 3], [0, 255, 0]]


@pytest.mark.parametrize(("file_format", "tolerance"), [("JPEG", 6), ("TIFF", 0)])
def test_cmyk_without_a_profile_is_ink_on_white(file_format: str, tolerance: int) -> None:
    inks = np.zeros((16, 64, 4), np.uint8)
    for channel in range(4):
        inks[:, 16 * channel : 16 * channel + 16, channel] = 255
    inks = np.concatenate([inks, np.zeros((16, 64, 4), np.uint8)])
    read = decode(saved(Image.fromarray(inks, "CMYK"), file_format)).astype(int)
    expected = [[0, 255, 255], [255, 0, 255], [255, 255, 0], [0, 0, 0]]
    assert np.abs(read[8, 8::16] - expected).max() <= tolerance
    assert read[24:].min() >= 255 - tolerance


def test_a_wide_gamut_profile_is_brought_to_srgb() -> None:
    drawn = noise(20, 30, 3)
    read = decode(saved(drawn, "PNG", icc_profile=awkward.rgb_profile(awkward.DISPLAY_P3, 2.2)))
    light = (drawn / 255) ** 2.2 @ awkward.DISPLAY_P3 @ np.linalg.inv(awkward.SRGB)
    assert np.abs(read - awkward.srgb_curve(light)).max() <= 2
    assert np.abs(read.astype(int) - drawn).max() > 50


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_profiles_are_found_in_every_format_that_has_them(file_format: str) -> None:
    green = np.full((32, 32, 3), (0, 200, 0), np.uint8)
    options = {"lossless": True} if file_format == "WEBP" else {"quality": 95}
    # Display P3's green is beyond sRGB's: the nearest has less red and blue than none, and so is brighter.
    profile = awkward.rgb_profile(awkward.DISPLAY_P3, 2.2)
    plain = decode(saved(green, file_format, **options))
    converted = decode(saved(green, file_format, icc_profile=profile, **options))
    assert converted[..., 1].min() > plain[..., 1].max()


@pytest.mark.parametrize("mode", ["L", "LA", "1", "I;16"])
def test_grey_profiles_are_brought_to_srgb(mode: str) -> None:
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    drawn = Image.fromarray(np.asarray(ramp).astype(np.uint16) * 257) if mode == "I;16" else ramp.convert(mode)
    values = np.asarray(drawn.convert("L")) if mode in {"1", "LA"} else np.asarray(ramp)
    read = decode(saved(drawn, "PNG", icc_profile=awkward.grey_profile(1.8)))
    expected = awkward.srgb_curve((values / 255) ** 1.8)
    assert np.abs(read - expected[:, :, None]).max() <= 2


def test_cmyk_profiles_are_brought_to_srgb() -> None:
    inks = np.zeros((2, 4, 4), np.uint8)
    inks[0] = 255 * np.eye(4)
    read = decode(saved(Image.fromarray(inks, "CMYK"), "TIFF", icc_profile=awkward.inks_profile()))
    assert read[0].max() == 0
    assert read[1].min() == 255


def test_colours_are_converted_before_they_are_laid_on_the_background() -> None:
    drawn = np.concatenate([noise(9, 14, 3), np.zeros((9, 14, 1), np.uint8)], -1)
    profile = awkward.rgb_profile(awkward.DISPLAY_P3, 2.2)
    assert (decode(saved(drawn, "PNG", icc_profile=profile), background=(7, 77, 177)) == (7, 77, 177)).all()


def test_a_picture_that_says_it_is_srgb_keeps_every_pixel() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    drawn = noise(20, 30, 3)
    np.testing.assert_array_equal(decode(saved(drawn, "PNG", icc_profile=srgb)), drawn)


@pytest.mark.parametrize(
    "profile",
    [
        b"no profile",
        awkward.rgb_profile(awkward.DISPLAY_P3, 2.2)[:150],
        awkward.grey_profile(1.0),
        awkward.inks_profile(),
        awkward.profile(b"RGB ", {}),
    ],
    ids=["junk", "cut off", "of grey", "of inks", "empty"],
)
def test_a_profile_that_is_broken_or_of_other_colours_is_passed_over(profile: bytes) -> None:
    drawn = noise(20, 30, 3)
    np.testing.assert_array_equal(decode(saved(drawn, "PNG", icc_profile=profile)), drawn)


def test_a_colour_profile_on_a_grey_picture_is_passed_over() -> None:
    profile = awkward.rgb_profile(awkward.DISPLAY_P3, 1.0)
    drawn = noise(9, 14)
    np.testing.assert_array_equal(decode(saved(drawn, "PNG", icc_profile=profile))[..., 0], drawn)
