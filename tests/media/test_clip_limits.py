"""How much of a clip is read: limits, the last frames alone, and a few bytes that ask for gigabytes."""

import io
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.GifImagePlugin import getdata

from app.errors import ClipTooLong, PictureTooLarge
from app.media import animation, png
from tests.media.films import CODECS, KINDS, noise, read, steps, video, zipped


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_frames_alone_are_those_at_the_end(kind: str) -> None:
    data = KINDS[kind]
    every = read(data)
    for last in (1, 4, 8, 20):
        clip = read(data, last=last)
        np.testing.assert_array_equal(clip.frames, every.frames[-last:])
        assert clip.rate == every.rate


@pytest.mark.parametrize("last", [None, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_of_more_frames_than_are_read_is_refused(kind: str, last: int | None) -> None:
    assert len(read(KINDS[kind], frames=8).frames) == 8
    with pytest.raises(ClipTooLong, match="more than 7 frames in all, the most that are read: send fewer frames"):
        read(KINDS[kind], frames=7, last=last)


@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_of_more_pixels_than_are_read_is_refused(kind: str) -> None:
    pixels = 8 * 32 * 48
    assert len(read(KINDS[kind], pixels=pixels).frames) == 8
    with pytest.raises(ClipTooLong, match=f"more than {pixels - 1} pixels in all, .* send fewer frames, or smaller"):
        read(KINDS[kind], pixels=pixels - 1)


# FFmpeg's x265 can't be relied on to write a film of one frame.
@pytest.mark.parametrize("codec", [name for name in CODECS if name != "hevc in mp4"])
def test_a_video_may_have_as_many_pixels_as_are_read_though_its_codec_takes_more(codec: str) -> None:
    data = video(steps(frames=1, height=66, width=82), *CODECS[codec])
    assert read(data, pixels=66 * 82).frames.shape == (1, 66, 82, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_of_more_pixels_than_are_read_is_refused(kind: str) -> None:
    with pytest.raises((ClipTooLong, PictureTooLarge), match="1000"):
        read(KINDS[kind], pixels=1000)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_more_bytes_than_are_read_is_refused(kind: str) -> None:
    size = len(KINDS[kind])
    with pytest.raises(ClipTooLong, match=f"more than {size - 1} bytes"):
        read(KINDS[kind], bytes=size - 1)


def test_no_frame_is_no_last_frame() -> None:
    with pytest.raises(ValueError, match="the last 0 frames are no clip"):
        read(KINDS["gif"], last=0)


def bombs() -> dict[str, bytes]:
    wide = 65_535
    empty = zlib.compress(bytes(1000))
    header = struct.pack(">2I5B", 60_000, 60_000, 8, 2, 0, 0, 0)
    control = struct.pack(">5I2H2B", 0, 60_000, 60_000, 0, 0, 1, 10, 0, 0)
    small = b"".join(getdata(Image.new("L", (8, 8)), (0, 0), duration=100))
    part = b"!\xf9\4\x08\x0a\0\0\0," + struct.pack("<4HB", 0, 0, 12_000, 12_000, 0) + b"\x08\0"
    said = zipped({"1.png": bytes(5_000_000)}, zipfile.ZIP_DEFLATED)
    npy = io.BytesIO()
    np.lib.format.write_array_header_1_0(npy, {"shape": (40, 9000, 9000), "fortran_order": False, "descr": "|u1"})
    webm = video(steps(), "libvpx", "webm")
    key = b"\x9d\x01\x2a"
    return {
        "a gif with a screen of 4 gigapixels": b"GIF89a" + struct.pack("<2H3B", wide, wide, 0, 0, 0) + small + b";",
        "a gif with a large part that is cleared": b"GIF89a\x08\0\x08\0\0\0\0" + small + 2 * part + small + b";",
        "a gif of 25,000 frames": b"GIF89a\x08\0\x08\0\0\0\0" + 25_000 * small + b";",
        "an apng of 3.6 gigapixels": png.SIGNATURE + png.chunk(b"IHDR", header)
        + png.chunk(b"acTL", struct.pack(">2I", 2, 0)) + png.chunk(b"fcTL", control)
        + png.chunk(b"IDAT", empty) + png.chunk(b"IEND", b""),
        "a webp of 268 megapixels": webp_head(16_384),
        "a zip that unpacks to more than is read": said,
        "a zip of 40,000 entries": zip_directory(40_000),
        "an array of 3 gigabytes": npy.getvalue(),
        "a video whose frames are larger than it says": webm.replace(
            key + struct.pack("<2H", 48, 32), key + struct.pack("<2H", 16_383, 16_383)
        ),
    }  # fmt: skip


def webp_head(side: int) -> bytes:
    frame = animation.encode(noise(frames=2), "webp", rate=10)
    sides = (side - 1).to_bytes(3, "little")
    return frame[:24] + sides + sides + frame[30:]


def zip_directory(entries: int) -> bytes:
    """A zip that is all directory."""
    entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, entries % 65_536, entries % 65_536, len(entry) * entries, 0, 0)
    return b"PK\3\4" + entry * entries + end


BOMBS = bombs()

# Reads a file in a process of its own and tells by how many megabytes its peak grew.
CHILD = """
import re, sys
from pathlib import Path
from app.errors import Problem
from app.media import clips
from app.media.frames import Limits

def peak():
    return int(re.search(r"VmHWM:\\s*([0-9]+)", Path("/proc/self/status").read_text())[1]) / 1024

data = Path(sys.argv[1]).read_bytes()
before = peak()
try:
    clips.read(data, Limits(bytes=4_000_000, frames=50, pixels=1_000_000), last=4)
except Problem as problem:
    print(problem.status, peak() - before)
"""


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_before_it_costs_memory(tmp_path: Path, bomb: str) -> None:
    file = tmp_path / "bomb"
    file.write_bytes(BOMBS[bomb])
    told = subprocess.run([sys.executable, "-c", CHILD, str(file)], capture_output=True, text=True, check=True)
    status, megabytes = told.stdout.split()
    assert status in ("413", "422")
    assert float(megabytes) < 20
