"""A reader of video: MP4, MOV, Matroska and WebM through PyAV, one frame after another.

What comes in is anyone's. FFmpeg is told which container it is and gets the bytes alone, so that it opens no other file
and no address, and may use the decoders of common codecs only, on one thread.
"""

from collections.abc import Iterator
from io import BytesIO

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from app.errors import UnreadableClip
from app.media.frames import Frame, Limits

MATROSKA = "matroska"

CONTAINERS = {"MP4": "mov", "MOV": "mov", "Matroska": MATROSKA, "WebM": MATROSKA}
"""FFmpeg's names of the kinds."""

CODECS = ("h264", "hevc", "vp8", "vp9", "libdav1d", "mpeg4", "mjpeg", "prores", "ffv1")
"""FFmpeg's decoders that are used; `libdav1d` is that of AV1."""

MARGIN = 2**20
"""Pixels. Decoders make room for whole blocks and a border around them, and count that as the frame."""

SEGMENT = b"\x18\x53\x80\x67"
"""What begins the element of a Matroska file that holds all but its head (RFC 9559, section 5.1)."""


def read(data: bytes, kind: str, limits: Limits) -> Iterator[Frame]:
    """The frames of the first video track, turned upright as a phone's video asks.

    Each is shown for as long as the track's mean rate says. An alpha channel is left out; pixels are taken as square.
    Raises `UnreadableClip` for a file that is truncated or damaged, as far as its codec can tell, or that holds no
    video of a known codec, and `ClipTooLong` for frames of more pixels than may be read, before one is decoded.
    """
    if CONTAINERS[kind] == MATROSKA and _truncated(data):
        raise UnreadableClip(kind, "it is truncated")
    # FFmpeg decodes a little already to learn what is in the file: these hold from its first look on.
    most = str(2 * limits.pixels + MARGIN)
    options = {"codec_whitelist": ",".join(CODECS), "max_pixels": most, "threads": "1"}
    try:
        with av.open(BytesIO(data), "r", CONTAINERS[kind], options, metadata_errors="replace") as film:
            if not film.streams.video:
                raise UnreadableClip(kind, "it holds no video")
            stream = film.streams.video[0]
            if stream.codec_context is None or stream.codec_context.name not in CODECS:
                raise UnreadableClip(kind, "its codec isn't supported: save it as H.264")
            limits.require(1, stream.height, stream.width)
            # The frames themselves may be of another size than the file says.
            stream.codec_context.options = {"max_pixels": most}
            stream.codec_context.thread_count = 1
            yield from _decoded(film, stream, kind)
    except av.FFmpegError as error:
        raise UnreadableClip(kind, "it is truncated or damaged") from error


def _decoded(film: InputContainer, stream: VideoStream, kind: str) -> Iterator[Frame]:
    rate = stream.average_rate or stream.guessed_rate
    seconds = float(1 / rate) if rate else None
    for packet in film.demux(stream):
        for frame in packet.decode():
            if packet.is_corrupt or frame.is_corrupt:
                raise UnreadableClip(kind, "it is truncated or damaged")
            turns = round(frame.rotation / 90)
            yield Frame(np.rot90(frame.to_ndarray(format="rgb24"), turns), seconds)


def _truncated(data: bytes) -> bool:
    """Whether a Matroska file ends before its segment does. FFmpeg would read what there is, in silence."""
    start = data.find(SEGMENT, 0, 4096) + len(SEGMENT)
    if start < len(SEGMENT) or start == len(data):
        return True
    # A size begins with as many zeros as it has bytes after its first; all ones mean that it isn't known yet.
    width = 9 - data[start].bit_length()
    size = int.from_bytes(data[start : start + width]) - (1 << 7 * width)
    known = size != (1 << 7 * width) - 1
    return known and len(data) < start + width + size
