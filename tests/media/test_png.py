"""The PNG writer, held against readers that others wrote."""

import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.media import png

SIZES = [(1, 1), (1, 2), (2, 1), (1, 1023), (1023, 1), (3, 5), (31, 33), (255, 257), (1024, 768)]
TEXTS = {"Software": b"a test", "Recipe": '{"class":"Löwe"}'.encode()}
PNGCHECK = shutil.which("pngcheck")


def noise(channels: int, height: int, width: int) -> png.NDArray[np.uint8]:
    return np.random.default_rng(channels).integers(0, 256, (height, width, channels), np.uint8)


def smooth(channels: int, height: int, width: int) -> png.NDArray[np.uint8]:
    rows, columns, channel = np.ogrid[:height, :width, :channels]
    return ((rows + 2 * columns + 50 * channel) % 256).astype(np.uint8)


def flat(channels: int, height: int, width: int) -> png.NDArray[np.uint8]:
    return np.full((height, width, channels), 255, np.uint8)


@pytest.mark.parametrize("drawn", [noise, smooth, flat])
@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pillow_reads_every_value_that_was_written(channels: int, height: int, width: int, drawn: object) -> None:
    pixels = drawn(channels, height, width)  # type: ignore[operator]
    with Image.open(BytesIO(png.encode(pixels, TEXTS))) as opened:
        assert opened.mode == {1: "L", 3: "RGB", 4: "RGBA"}[channels]
        np.testing.assert_array_equal(np.asarray(opened).reshape(height, width, channels), pixels)
        assert {key: value.encode() for key, value in opened.text.items()} == TEXTS


@pytest.mark.skipif(PNGCHECK is None, reason="pngcheck isn't installed (Debian: apt-get install pngcheck)")
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pngcheck_finds_nothing_wrong(tmp_path: Path, channels: int) -> None:
    files = []
    for height, width in SIZES:
        file = tmp_path / f"{height}x{width}.png"
        file.write_bytes(png.encode(noise(channels, height, width), TEXTS))
        files.append(str(file))
    told = subprocess.run([str(PNGCHECK), *files], capture_output=True, text=True)
    assert told.returncode == 0, told.stdout
    assert told.stdout.count("OK: ") == len(SIZES)
