"""A writer of MP4: H.264 through PyAV, by x264. The film that every player shows, and the only lossy one here."""

import struct
import uuid
from fractions import Fraction
from io import BytesIO

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from numpy.typing import NDArray

QUALITY = {"crf": "12", "preset": "fast", "mbtree": "0"}
"""x264's constant rate factor, where 18 already passes for lossless to the eye; generated films are small.

Without its macroblock tree, which gives the same frames other bytes now and then where the processor has AVX-512.
"""

BT709, LIMITED = 1, 1
"""The colour space and the range, as H.264 numbers them. Players guess where a film doesn't say."""

XMP_BOX = uuid.UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes
"""The box of an MP4 in which XMP lies (XMP specification, part 3, section 2.2.1)."""


def encode(frames: NDArray[np.uint8], rate: Fraction, xmp: bytes | None) -> bytes:
    """Frames uint8 [k, h, w, c] with 1, 3 or 4 channels, `rate` of them a second.

    Colour has half the resolution (4:2:0, the one kind that all players know), so sides must be even: an odd one is
    lengthened by repeating its last row or column. H.264 has no transparency: RGBA is laid on white. One thread and no
    date, so that the same frames give the same bytes.
    """
    pixels = _padded(_opaque(frames))
    out = BytesIO()
    with av.open(out, "w", format="mp4", options={"fflags": "+bitexact"}) as film:
        stream = film.add_stream("libx264", rate=rate, options=QUALITY)
        stream.height, stream.width = pixels.shape[1:3]
        stream.pix_fmt = "yuv420p"
        coder = stream.codec_context
        coder.thread_count = 1
        coder.colorspace = coder.color_primaries = coder.color_trc = BT709
        coder.color_range = LIMITED
        for index, frame in enumerate(pixels):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
                interpolation=Interpolation.AREA,
            )
            picture.pts = index
            film.mux(stream.encode(picture))
        film.mux(stream.encode(None))
    return out.getvalue() + (b"" if xmp is None else _box(xmp))


def _opaque(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames as RGB, uint8 [k, h, w, 3]."""
    channels = frames.shape[3]
    if channels == 1:
        return frames.repeat(3, axis=3)
    if channels == 3:
        return frames
    alpha = frames[..., 3:].astype(np.uint16)
    return ((frames[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def _padded(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    _, height, width, _ = frames.shape
    return np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _box(xmp: bytes) -> bytes:
    content = b"uuid" + XMP_BOX + xmp
    return struct.pack(">I", 4 + len(content)) + content
