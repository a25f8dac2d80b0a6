"""Films: what each format keeps of the frames, of their time and of their recipe, and that the bytes never vary."""

import struct
import uuid
from fractions import Fraction
from io import BytesIO
from xml.etree import ElementTree

import av
import numpy as np
import pytest
from PIL import Image, ImageSequence

from app.media import animation
from app.media.images import Pixels
from app.media.provenance import DIGITAL_SOURCE_TYPE, Recipe, recipe_of

FORMATS: list[animation.Format] = ["gif", "webp", "apng", "mp4"]
LOSSLESS: list[animation.Format] = ["webp", "apng"]
RECIPE = Recipe(model="toy", version=1, digest="0" * 64, seed=7, class_="Füße & <paws> 🐾")


def noise(channels: int, frames: int = 5, height: int = 9, width: int = 14) -> Pixels:
    return np.random.default_rng(channels).integers(0, 256, (frames, height, width, channels), np.uint8)


def smooth(channels: int, frames: int = 12, height: int = 32, width: int = 48) -> Pixels:
    """A wave that moves on, in another direction in each channel."""
    time, y, x, channel = np.ogrid[:frames, :height, :width, :channels]
    return (128 + 100 * np.sin((x + 2 * y + channel * (y - 2 * x) + 3 * time) / 15)).astype(np.uint8)


def film(frames: Pixels, file_format: animation.Format, rate: float = 24, **options: object) -> bytes:
    return animation.encode(frames, file_format, rate=rate, **options)  # type: ignore[arg-type]


def shown(data: bytes) -> tuple[Pixels, list[float]]:
    """Frames [k, h, w, 3 or 4] as Pillow shows them, and the milliseconds of each."""
    pixels, durations = [], []
    with Image.open(BytesIO(data)) as opened:
        for frame in ImageSequence.Iterator(opened):
            pixels.append(np.asarray(frame.convert("RGBA" if frame.has_transparency_data else "RGB")))
            durations.append(frame.info["duration"])
    return np.stack(pixels), durations


def played(data: bytes) -> tuple[Pixels, list[float]]:
    """Frames [k, h, w, 3] of an MP4, and the second at which each comes."""
    with av.open(BytesIO(data)) as opened:
        frames = list(opened.decode(video=0))
    return np.stack([frame.to_ndarray(format="rgb24") for frame in frames]), [frame.time for frame in frames]


def error(frames: Pixels, others: Pixels) -> float:
    """Root mean square, in grey levels."""
    return float(np.sqrt(np.mean((frames.astype(float) - others) ** 2)))


@pytest.mark.parametrize(("file_format", "channels"), [("gif", 1), ("apng", 1), ("apng", 3), ("apng", 4)])
def test_ffmpeg_reads_the_same_frames_as_pillow(file_format: animation.Format, channels: int) -> None:
    drawn = noise(channels)
    with av.open(BytesIO(film(drawn, file_format, xmp=RECIPE.xmp))) as opened:
        read = np.stack([frame.to_ndarray(format="rgba") for frame in opened.decode(video=0)])
    seen = max(3, channels)
    np.testing.assert_array_equal(read[..., :seen], np.broadcast_to(drawn, (*drawn.shape[:3], seen)))


@pytest.mark.parametrize("frames", [1, 2, 5])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("file_format", LOSSLESS)
def test_webp_and_apng_keep_every_value(file_format: animation.Format, channels: int, frames: int) -> None:
    drawn = noise(channels, frames)
    read, _ = shown(film(drawn, file_format))
    np.testing.assert_array_equal(read, np.broadcast_to(drawn, (*drawn.shape[:3], max(3, channels))))


def test_gif_keeps_all_256_levels_of_grey() -> None:
    drawn = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(2, axis=0)
    drawn[1] = drawn[1, ::-1]
    read, _ = shown(film(drawn, "gif"))
    np.testing.assert_array_equal(read, drawn.repeat(3, axis=3))


def test_gif_keeps_256_colours_a_frame_whichever_they_are() -> None:
    drawn = noise(3, frames=3, height=16, width=16)
    read, _ = shown(film(drawn, "gif"))
    np.testing.assert_array_equal(read, drawn)


@pytest.mark.parametrize(("colours", "clear"), [(255, 0), (255, 1), (255, 40)])
def test_gif_keeps_as_many_beside_clear_pixels(colours: int, clear: int) -> None:
    rng = np.random.default_rng(clear)
    drawn = np.zeros((2, 16, 20, 4), np.uint8)
    pixels = drawn.reshape(2, -1, 4)
    pixels[:] = [*rng.integers(0, 256, 3), 255]
    for frame in pixels:
        frame[:colours, :3] = rng.permutation(256**3)[:colours, None] // [1, 256, 65536] % 256
        frame[colours:, :3] = frame[0, :3]
        frame[len(frame) - clear :] = rng.integers(0, 128, (clear, 4))
    read, _ = shown(film(drawn, "gif"))
    seen = drawn[..., 3] == 255
    np.testing.assert_array_equal(read[seen], drawn[seen])


def test_gif_is_close_where_a_frame_has_more_colours() -> None:
    drawn = smooth(3, height=64, width=96)
    read, _ = shown(film(drawn, "gif"))
    assert len(np.unique(drawn[0].reshape(-1, 3), axis=0)) > 256
    assert error(read, drawn) < 12


def test_clear_pixels_of_a_gif_let_no_earlier_frame_through() -> None:
    drawn = np.zeros((2, 8, 8, 4), np.uint8)
    drawn[0] = (200, 10, 10, 255)
    drawn[1, :4] = (10, 200, 10, 128)
    read, _ = shown(film(drawn, "gif"))
    np.testing.assert_array_equal(read[0], drawn[0])
    assert (read[1, :4] == (10, 200, 10, 255)).all()
    assert (read[1, 4:, :, 3] == 0).all()


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_film_in_which_nothing_moves_keeps_its_frames(file_format: animation.Format) -> None:
    still = np.zeros((6, 16, 16, 1), np.uint8)
    read, times = (played if file_format == "mp4" else shown)(film(still, file_format, rate=10))
    assert len(read) == len(times) == 6


@pytest.mark.parametrize("rate", [1, 7, 24, 29.97, 50])
@pytest.mark.parametrize("file_format", ["gif", "webp"])
def test_time_is_kept_though_it_is_counted_in_steps(file_format: animation.Format, rate: float) -> None:
    step = {"gif": 10, "webp": 1}[file_format]
    _, durations = shown(film(noise(1, frames=31), file_format, rate=rate))
    assert abs(sum(durations) - 31_000 / rate) <= step / 2
    assert max(durations) - min(durations) <= step


def test_a_gif_shows_no_frame_for_less_than_browsers_do() -> None:
    _, durations = shown(film(noise(1), "gif", rate=200))
    assert set(durations) == {20}


@pytest.mark.parametrize("rate", [0.1, 24, 30_000 / 1001, 240])
def test_apng_and_mp4_keep_the_rate_exactly(rate: float) -> None:
    exact = Fraction(rate).limit_denominator(1001)
    data = film(noise(1), "apng", rate=rate)
    control = data.index(b"fcTL") + 4
    assert Fraction(*struct.unpack_from(">2H", data, control + 20)) == 1 / exact
    with av.open(BytesIO(film(smooth(1), "mp4", rate=rate))) as opened:
        assert opened.streams.video[0].average_rate == exact


@pytest.mark.parametrize(("file_format", "once"), [("gif", None), ("webp", 1), ("apng", 1)])
def test_a_film_is_shown_for_ever_or_once(file_format: animation.Format, once: int | None) -> None:
    for loop, said in ((True, 0), (False, once)):
        with Image.open(BytesIO(film(noise(3), file_format, loop=loop))) as opened:
            assert opened.info.get("loop") == said


@pytest.mark.parametrize("channels", [1, 3])
def test_mp4_is_close_on_frames_drawn_twice_as_large(channels: int) -> None:
    drawn = smooth(channels)
    read, times = played(film(drawn, "mp4", scale=2))
    assert error(read, drawn.repeat(2, axis=1).repeat(2, axis=2)) < 3
    np.testing.assert_allclose(times, np.arange(12) / 24, atol=1e-4)


def test_mp4_keeps_grey_free_of_colour() -> None:
    read, _ = played(film(smooth(1), "mp4"))
    assert (read == read[..., :1]).all()


def test_mp4_lengthens_odd_sides_by_what_is_at_the_edge() -> None:
    drawn = np.full((3, 9, 15, 1), 50, np.uint8)
    drawn[:, -1], drawn[:, :, -1] = 200, 200
    read, _ = played(film(drawn, "mp4"))
    assert read.shape == (3, 10, 16, 3)
    assert (abs(read[:, -1].astype(int) - 200) < 10).all()
    assert (abs(read[:, :, -1].astype(int) - 200) < 10).all()


def test_mp4_lays_clear_frames_on_white() -> None:
    clear = np.zeros((2, 16, 16, 4), np.uint8)
    assert played(film(clear, "mp4"))[0].min() >= 253


def test_mp4_says_which_colours_it_means() -> None:
    with av.open(BytesIO(film(smooth(3), "mp4"))) as opened:
        coder = opened.streams.video[0].codec_context
        assert (coder.name, coder.pix_fmt) == ("h264", "yuv420p")
        assert (coder.colorspace, coder.color_primaries, coder.color_trc, coder.color_range) == (1, 1, 1, 1)


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_scale_draws_each_pixel_as_a_square(file_format: animation.Format) -> None:
    drawn = noise(3, height=8, width=10)
    large = drawn.repeat(4, axis=1).repeat(4, axis=2)
    assert film(drawn, file_format, scale=4) == film(large, file_format)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("file_format", FORMATS)
def test_the_same_frames_give_the_same_bytes(file_format: animation.Format, channels: int) -> None:
    drawn = smooth(channels)
    strided = np.repeat(drawn, 2, axis=0)[::2]
    assert film(drawn, file_format, xmp=RECIPE.xmp) == film(strided, file_format, xmp=RECIPE.xmp)


def test_an_mp4_does_not_depend_on_what_lay_in_memory_before() -> None:
    """By x264's macroblock tree, one film in ten came out otherwise where the processor has AVX-512."""
    assert len({film(smooth(4), "mp4") for _ in range(200)}) == 1


def test_an_mp4_holds_no_date() -> None:
    data = film(smooth(3), "mp4")
    for box in (b"mvhd", b"tkhd", b"mdhd"):
        start = data.index(box) + 8
        assert data[start : start + 8] == bytes(8)


@pytest.mark.parametrize("file_format", LOSSLESS)
def test_the_recipe_comes_back_from_webp_and_apng(file_format: animation.Format) -> None:
    assert recipe_of(film(noise(3), file_format, xmp=RECIPE.xmp)) == RECIPE


def test_a_gif_holds_the_xmp_in_its_application_block() -> None:
    data = film(noise(3), "gif", xmp=RECIPE.xmp)
    _, _, rest = data.partition(b"!\xff\x0bXMP DataXMP")
    packet, trailer, _ = rest.partition(b"\x01\xff\xfe\xfd")
    assert packet == RECIPE.xmp
    assert trailer
    read, _ = shown(data)
    np.testing.assert_array_equal(read, shown(film(noise(3), "gif"))[0])


def test_an_mp4_holds_the_xmp_in_its_box() -> None:
    data = film(smooth(3), "mp4", xmp=RECIPE.xmp)
    boxes, at = {}, 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        boxes[kind] = data[at + 8 : at + size]
        at += size
    assert uuid.UUID(bytes=boxes[b"uuid"][:16]) == uuid.UUID("be7acfcb-97a9-42e8-9c71-999491e3afac")
    assert boxes[b"uuid"][16:] == RECIPE.xmp
    assert len(played(data)[0]) == 12


@pytest.mark.parametrize("file_format", FORMATS)
def test_every_film_says_that_a_machine_made_it(file_format: animation.Format) -> None:
    data = film(smooth(3), file_format, xmp=RECIPE.xmp)
    start = data.index(b"<x:xmpmeta")
    packet = ElementTree.fromstring(data[start : data.index(b"</x:xmpmeta>") + 12])  # noqa: S314
    said = packet.find(".//{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType")
    assert said is not None
    assert said.text == DIGITAL_SOURCE_TYPE


def test_the_encoder_names_what_the_bytes_depend_on() -> None:
    assert f"av/{av.__version__}" in animation.ENCODER
    assert "webp/" in animation.ENCODER


@pytest.mark.parametrize("shape", [(3, 8, 8), (3, 8, 8, 2), (0, 8, 8, 3), (3, 0, 8, 3)])
def test_frames_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=rf"at least one frame with 1, 3 or 4 channels, not \[{shape[0]}, "):
        film(np.zeros(shape, np.uint8), "webp")


@pytest.mark.parametrize("rate", [0, 0.05, 241, float("nan"), float("inf")])
def test_a_rate_that_no_film_has_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match=r"a film has 0.1 to 240 frames a second, not"):
        film(noise(1), "gif", rate=rate)


def test_a_scale_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="a scale is a whole number from 1 on, not 0"):
        film(noise(1), "gif", scale=0)


@pytest.mark.parametrize(("file_format", "side"), [("gif", 65_535), ("webp", 16_383), ("mp4", 4096)])
def test_a_side_that_a_format_cannot_hold_is_refused(file_format: animation.Format, side: int) -> None:
    with pytest.raises(ValueError, match=f"a side of {side + 1} pixels is too long: {file_format} holds {side}"):
        film(np.zeros((1, 1, side + 1, 1), np.uint8), file_format)
    assert film(np.zeros((1, 1, side, 1), np.uint8), file_format)
