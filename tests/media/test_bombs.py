"""Files of a few kilobytes that ask a decoder for gigabytes or minutes: refused or defused before they cost either."""

import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.media import awkward
from tests.media.awkward import chunk, grey_tiff, noise, png, saved, zeros

MIB = 2**20

# Decodes files in a process of its own and tells by how much its peak grew for each, in MiB. VmHWM and not ru_maxrss,
# which a process inherits from its parent.
MEASURE = """
import json, sys, time
from pathlib import Path
from app.errors import Problem
from app.media import pictures

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024

def measured(file):
    data = file.read_bytes()
    before, start = peak(), time.perf_counter()
    try:
        told = {"shape": pictures.decode(data, max_pixels=20_000_000, max_frames=100).shape}
    except Problem as problem:
        told = problem.document()
    return told | {"grown": peak() - before, "seconds": time.perf_counter() - start}

print(json.dumps({file.name: measured(file) for file in sorted(Path(sys.argv[1]).iterdir())}))
"""


def png_of_100_megapixels() -> bytes:
    return png(10_000, 10_000, 8, 2, zeros(10_000 * 30_001))


def png_of_10_gigabytes() -> bytes:
    return png(60_000, 60_000, 8, 2, zeros(1000))


def png_of_long_texts() -> bytes:
    """63 MiB of text, which one letter beyond the basic plane makes four times as large in Python."""
    text = zlib.compress(("a" * (MIB - 100) + "\N{GRINNING FACE}").encode(), 9)
    texts = [chunk(b"iTXt", b"k%d\0\1\0\0\0" % k + text) for k in range(63)]
    return png(4, 4, 8, 0, zlib.compress(bytes(20)), *texts)


def png_of_many_profiles() -> bytes:
    """Each takes a millisecond to unpack, and only the last one would count."""
    packed = zeros(MIB - 1)
    profiles = 5000 * [chunk(b"iCCP", b"a\0\0" + packed)]
    return png(4, 4, 8, 0, zlib.compress(bytes(20)), *profiles)


def gif_of_a_huge_screen() -> bytes:
    small = saved(noise(4, 4), "GIF")
    return small[:6] + struct.pack("<2H", 65535, 65535) + small[10:]


def gif_of_a_huge_frame() -> bytes:
    """Beyond its screen, and to be cleared afterwards: Pillow makes room for that on opening."""
    small = saved(noise(4, 4), "GIF")
    at = small.index(b"," + struct.pack("<4H", 0, 0, 4, 4))
    control = b"!\xf9\x04\x08\0\0\0\0"
    return small[:at] + control + b"," + struct.pack("<4H", 0, 0, 65535, 2700) + small[at + 9 :]


def gif_of_many_comments() -> bytes:
    small = saved(noise(4, 4), "GIF")
    at = small.index(b"," + struct.pack("<4H", 0, 0, 4, 4))
    return small[:at] + b"!\xfe" + 3_000_000 * b"\2ab" + b"\0" + small[at:]


def webp_of_a_huge_canvas() -> bytes:
    small = saved(noise(4, 4, 4), "WEBP", lossless=True)[12:]
    canvas = b"VP8X" + struct.pack("<2I", 10, 16) + 2 * (16_382).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", 4 + len(canvas) + len(small)) + b"WEBP" + canvas + small


def tiff_of_a_huge_tile() -> bytes:
    """Ten by ten pixels in a tile of a gigabyte."""
    data = zeros(2**30)
    tags = {**grey_tiff(10, 10), 259: (3, 1, 8), 322: (4, 1, 2**15), 323: (4, 1, 2**15), 324: (4, 1, 8)}
    del tags[273], tags[279]
    return awkward.tiff({**tags, 325: (4, 1, len(data))}, data)


def tiff_of_many_strips() -> bytes:
    count = 2_000_000
    tags = {**grey_tiff(10, 10), 273: (4, count, 8), 278: (4, 1, 1), 279: (4, count, 8)}
    return awkward.tiff(tags, bytes(4 * count))


def tiff_of_much_exif() -> bytes:
    """A tag of a million fractions, in the directory that is read for its own sake."""
    count = 1_000_000
    exif = struct.pack("<HHHII4x", 1, 37386, 5, count, 200)
    data = bytes(100) + exif.ljust(92, b"\0") + 8 * count * b"\1"
    return awkward.tiff({**grey_tiff(10, 10), 34665: (4, 1, 108)}, data)


def bmp_in_python() -> bytes:
    """18 million pixels of run lengths, which Pillow unpacks one by one."""
    header = struct.pack("<IiiHHIIiiII", 40, 60_000, 300, 1, 8, 1, 0, 0, 0, 256, 0)
    content = header + 256 * b"\1\2\3\0" + 300 * b"\1\5\0\0" + b"\0\1"
    return b"BM" + struct.pack("<IHHI", 14 + len(content), 0, 0, 14 + 40 + 1024) + content


def jpeg_of_many_scans() -> bytes:
    """40 bytes for each pass over 20 million pixels."""
    small = saved(np.zeros((4000, 5000, 3), np.uint8), "JPEG", progressive=True, quality=10)
    last = small.rindex(b"\xff\xda")
    return small[:-2] + 1000 * small[last:-2] + small[-2:]


def jpeg_of_many_segments(segment: bytes) -> bytes:
    small = saved(noise(4, 4), "JPEG")
    return small[:2] + 200_000 * segment + small[2:]


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "a PNG of 100 megapixels": (png_of_100_megapixels, "coded as 10000×10000 pixels; at most 20000000 are read"),
    "a PNG of 10 GB": (png_of_10_gigabytes, "coded as 60000×60000 pixels"),
    "a GIF of a huge screen": (gif_of_a_huge_screen, "coded as 65535×65535 pixels"),
    "a GIF of a huge frame": (gif_of_a_huge_frame, "coded as 65535×2700 pixels"),
    "a WebP of a huge canvas": (webp_of_a_huge_canvas, "coded as 16383×16383 pixels"),
    "a TIFF of a huge tile": (tiff_of_a_huge_tile, "coded as 32768×32768 pixels"),
    "a TIFF of many strips": (tiff_of_many_strips, "its tags hold more than 131072 numbers"),
    "a TIFF of much EXIF": (tiff_of_much_exif, "its tags hold more than 131072 numbers"),
    "a BMP in Python": (bmp_in_python, "it is compressed (RLE)"),
    "a JPEG of many scans": (jpeg_of_many_scans, "more than 100 scans"),
    "a JPEG of much EXIF": (lambda: jpeg_of_many_segments(b"\xff\xe1\0\x09Exif\0\0x"), "or 16 blocks of EXIF"),
    "a JPEG of many comments": (lambda: jpeg_of_many_segments(b"\xff\xfe\0\x02"), "1000 segments"),
}

DEFUSED: dict[str, Callable[[], bytes]] = {
    "a PNG of long texts": png_of_long_texts,
    "a PNG of many profiles": png_of_many_profiles,
    "a GIF of many comments": gif_of_many_comments,
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What became of each bomb, by its name."""
    folder = tmp_path_factory.mktemp("bombs")
    for name, make in {**{name: make for name, (make, _) in REFUSED.items()}, **DEFUSED}.items():
        (folder / name).write_bytes(make())
    run = subprocess.run([sys.executable, "-c", MEASURE, str(folder)], capture_output=True, text=True, check=True)
    answer: dict[str, dict[str, Any]] = json.loads(run.stdout)
    return answer


@pytest.mark.parametrize("name", REFUSED)
def test_a_bomb_is_refused_before_it_costs_memory_or_time(name: str, told: dict[str, dict[str, Any]]) -> None:
    assert told[name]["status"] in {413, 422}
    assert REFUSED[name][1] in told[name]["detail"]
    assert told[name]["grown"] < 100
    assert told[name]["seconds"] < 5


@pytest.mark.parametrize("name", DEFUSED)
def test_what_a_picture_does_not_need_is_never_unpacked(name: str, told: dict[str, dict[str, Any]]) -> None:
    assert told[name]["shape"] == [4, 4, 3]
    assert told[name]["grown"] < 100
    assert told[name]["seconds"] < 5


def test_the_bombs_are_as_small_as_they_say() -> None:
    assert len(png_of_100_megapixels()) < MIB
    assert len(png_of_long_texts()) < 200_000
    assert zlib.decompress(zeros(3_500_000)) == bytes(3_500_000)
