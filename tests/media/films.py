"""Clips as the world makes them: films, albums and arrays, made from their parts."""

import io
import struct
import zipfile
from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np
from PIL import Image
from PIL.GifImagePlugin import getdata

from app.media import animation, bundles, clips, png
from app.media.frames import Clip, Limits
from app.media.images import Pixels
from app.media.provenance import Recipe
from tests.media.awkward import saved

LIMITS = Limits(bytes=2_000_000, frames=50, pixels=100_000)
RECIPE = Recipe(model="toy", version=1, digest="0" * 64, seed=7)
RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)


def noise(channels: int = 3, frames: int = 6, height: int = 16, width: int = 20) -> Pixels:
    return np.random.default_rng(frames).integers(0, 256, (frames, height, width, channels), np.uint8)


def steps(frames: int = 6, height: int = 32, width: int = 48) -> Pixels:
    """Frames of one colour each, which even a lossy film keeps about: their red is 20, 40, 60 …"""
    reds = 20 * np.arange(1, frames + 1, dtype=np.uint8)
    colours = np.stack([reds, np.full(frames, 90, np.uint8), 250 - reds], axis=1)
    return np.broadcast_to(colours[:, None, None], (frames, height, width, 3)).copy()


def read(data: bytes, last: int | None = None, **limits: int) -> Clip:
    return clips.read(data, Limits(**(vars(LIMITS) | limits)), last=last)


def in_rgb(frames: Pixels) -> Pixels:
    return frames.repeat(3 // frames.shape[3], axis=3)


def picture(pixels: Pixels, file_format: str = "png", **options: object) -> bytes:
    return saved(pixels.squeeze(), file_format, **options)


def zipped(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def video(
    frames: Pixels, codec: str, container: str, pixels: str = "yuv420p", rotation: int = 0, **options: str
) -> bytes:
    # libsvtav1 gives the thread that calls it a priority above all others, for good, where it may.
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(_video, frames, codec, container, pixels, rotation, options).result()


def _video(frames: Pixels, codec: str, container: str, pixels: str, rotation: int, options: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format=container) as film:
        stream = film.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pixels
        stream.codec_context.thread_count = 1
        if rotation:
            stream.set_display_rotation(rotation)
        for index, values in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(values, format="rgb24")
            frame.pts = index
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
    return out.getvalue()


CODECS = {
    "h264 in mp4": ("libx264", "mp4", "yuv420p"),
    "hevc in mp4": ("libx265", "mp4", "yuv420p"),
    "mpeg4 in mp4": ("mpeg4", "mp4", "yuv420p"),
    "prores in mov": ("prores_ks", "mov", "yuv422p10le"),
    "mjpeg in mov": ("mjpeg", "mov", "yuvj420p"),
    "vp8 in webm": ("libvpx", "webm", "yuv420p"),
    "vp9 in webm": ("libvpx-vp9", "webm", "yuv420p"),
    "av1 in webm": ("libsvtav1", "webm", "yuv420p"),
    "h264 in matroska": ("libx264", "matroska", "yuv420p"),
    "ffv1 in matroska": ("ffv1", "matroska", "bgr0"),
}


def gif(*parts: tuple[Pixels, tuple[int, int], int], size: tuple[int, int] = (8, 8), **options: int) -> bytes:
    """A GIF of parts of frames: their pixels, uint8 [h, w] of the palette, their place and their disposal."""
    data = b"GIF89a" + struct.pack("<2H3B", *size, 0x70, 0, 0)
    for values, place, disposal in parts:
        part = Image.fromarray(values)
        part.putpalette([*RED, *GREEN, *BLUE, *BLACK])
        given = {"duration": 100, "disposal": disposal, "include_color_table": True} | options
        data += b"".join(getdata(part, place, **given))
    return data + b";"


def block(colour: int, height: int, width: int) -> Pixels:
    return np.full((height, width), colour, np.uint8)


def apng(frames: list[Image.Image], disposal: int) -> bytes:
    """An APNG of three frames: all of the first, the middle of the second, the first pixel of the third."""
    data = png.head(np.asarray(frames[0]), {}) + png.chunk(b"acTL", struct.pack(">2I", 3, 0))
    number = 0
    for frame, box in zip(frames, ((0, 0, 8, 8), (2, 2, 6, 6), (0, 0, 1, 1)), strict=True):
        left, top, right, bottom = box
        place = struct.pack(
            ">5I2H2B", number, right - left, bottom - top, left, top, 1, 10, disposal if number else 0, 0
        )
        pixels = png.deflated(np.asarray(frame.crop(box)))
        data += png.chunk(b"fcTL", place)
        data += png.chunk(b"IDAT", pixels) if not number else png.chunk(b"fdAT", struct.pack(">I", number + 1) + pixels)
        number += 2 if number else 1
    return data + png.chunk(b"IEND", b"")


def pages(frames: list[Image.Image], **options: object) -> bytes:
    out = io.BytesIO()
    frames[0].save(out, "tiff", save_all=True, append_images=frames[1:], **options)
    return out.getvalue()


def every_kind(frames: Pixels) -> dict[str, bytes]:
    stills = {f"{number}.png": picture(frame) for number, frame in enumerate(frames)}
    return {
        "gif": animation.encode(frames, "gif", rate=25),
        "webp": animation.encode(frames, "webp", rate=25),
        "apng": animation.encode(frames, "apng", rate=25),
        "mp4": animation.encode(frames, "mp4", rate=25),
        "webm": video(frames, "libvpx", "webm"),
        "tiff": pages([Image.fromarray(frame) for frame in frames]),
        "zip": zipped(stills),
        "npy": bundles.npy(frames),
    }


KINDS = every_kind(steps(frames=8))
