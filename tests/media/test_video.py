"""Videos as clips: the codecs that are read, and what comes of the others."""

import io

import av
import numpy as np
import pytest

from app.errors import UnreadableClip
from app.media import animation
from tests.media.films import CODECS, noise, read, steps, video


@pytest.mark.parametrize(("codec", "container", "pixels"), CODECS.values(), ids=CODECS)
def test_videos_of_common_codecs_are_read(codec: str, container: str, pixels: str) -> None:
    drawn = steps(height=64, width=64)
    clip = read(video(drawn, codec, container, pixels))
    assert clip.frames.shape == drawn.shape
    assert np.abs(clip.frames[:, :, :, 0].mean(axis=(1, 2)) - drawn[:, 0, 0, 0]).max() < 8
    assert clip.rate == pytest.approx(25)


@pytest.mark.parametrize(("rotation", "turns"), [(90, 1), (180, 2), (-90, -1)])
def test_a_video_that_a_phone_took_on_its_side_is_turned_upright(rotation: int, turns: int) -> None:
    drawn = np.zeros((2, 32, 48, 3), np.uint8)
    drawn[:, :16, :24] = 255
    clip = read(video(drawn, "libx264", "mp4", rotation=rotation))
    upright = np.rot90(drawn, turns, axes=(1, 2))
    assert clip.frames.shape == upright.shape
    assert np.abs(clip.frames.astype(int) - upright).mean() < 4


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize(("codec", "container", "pixels"), CODECS.values(), ids=CODECS)
def test_a_truncated_video_is_refused(codec: str, container: str, pixels: str, share: float) -> None:
    data = video(noise(height=64, width=64), codec, container, pixels)
    with pytest.raises(UnreadableClip, match=r"can't be read: it (is truncated|holds no)"):
        read(data[: int(share * len(data))])


def test_a_damaged_video_is_refused_where_its_codec_can_tell() -> None:
    data = bytearray(animation.encode(noise(height=64, width=64), "mp4", rate=25))
    start = data.index(b"mdat") - 4
    end = start + int.from_bytes(data[start : start + 4])
    middle = (start + end) // 2
    data[middle:end] = bytes(end - middle)
    with pytest.raises(UnreadableClip, match=r"The MP4 can't be read: it is truncated or damaged."):
        read(bytes(data))


def test_a_video_of_another_codec_is_refused_with_advice() -> None:
    with pytest.raises(UnreadableClip, match=r"The Matroska can't be read: .*save it as H.264"):
        read(video(steps(), "mpeg2video", "matroska"))


def test_a_file_of_sound_alone_is_refused() -> None:
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as film:
        stream = film.add_stream("aac", rate=16_000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16_000, 0
        film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
    with pytest.raises(UnreadableClip, match=r"The MP4 can't be read: it holds no video"):
        read(out.getvalue())


def test_a_video_that_grows_is_refused() -> None:
    small = video(steps(), "mjpeg", "matroska", "yuvj420p")
    large = video(steps(height=64, width=64), "mjpeg", "matroska", "yuvj420p")
    with av.open(io.BytesIO(small)) as first, av.open(io.BytesIO(large)) as second:
        out = io.BytesIO()
        with av.open(out, "w", format="matroska") as film:
            stream = film.add_stream_from_template(first.streams.video[0])
            packets = [*first.demux(video=0), *second.demux(video=0)]
            for number, packet in enumerate(packet for packet in packets if packet.size):
                packet.stream, packet.pts, packet.dts = stream, 40 * number, 40 * number
                film.mux(packet)
    with pytest.raises(UnreadableClip, match="frame 7 has 64×64 pixels, where those before have 48×32"):
        read(out.getvalue())
