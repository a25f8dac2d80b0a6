"""Uploaded bytes to frames: what `/predict` is given, of whatever kind. `animation` is the way back.

The kind is read from the bytes, never from a name. Runs off the event loop.
"""

import numpy as np

from app.errors import ClipTooLong, UnreadableClip, UnsupportedClip, UnsupportedPicture
from app.media import albums, bundles, headers, moving, video
from app.media.colour import RGB
from app.media.frames import Clip, Limits, Pixels, gather
from app.media.pictures import WHITE

KINDS = ("GIF", "WebP", "APNG", "TIFF", "MP4", "MOV", "WebM", "Matroska", "zip of pictures", "npy")
"""What clips are read from."""

ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06")
ARRAY = b"\x93NUMPY"
MATROSKA = b"\x1a\x45\xdf\xa3"

BOXES = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"}
"""What an MP4 or MOV may begin with, after four bytes of length."""

ANIMATIONS = ("GIF", "WebP", "PNG", "TIFF")
"""Kinds of picture that may hold several."""

QUICKTIME = b"qt  "
PICTURES = headers.HEIC | {b"avif", b"avis", b"mif1", b"msf1"}
"""Brands of MOV, and of files that are built like an MP4 but hold pictures."""


def read(data: bytes, limits: Limits, *, last: int | None = None, background: RGB = WHITE) -> Clip:
    """The frames in an uploaded file, uint8 [k, h, w, 3], the oldest first, or the `last` k of them.

    * GIF, WebP and APNG: frames as they are seen, one on the other, with the rate at which they are shown. A still is a
      clip of one frame without a rate. A frame that is shown for twice as long is one frame.
    * TIFF: its pages; a zip: its pictures, by their paths in natural order; both without a rate. Every kind of picture
      that `pictures` decodes will do.
    * npy: uint8 [k, h, w] or [k, h, w, c] with 1 or 3 channels, without a rate.
    * MP4, MOV, WebM and Matroska: the first video track, of H.264, HEVC, VP8, VP9, AV1, MPEG-4, MJPEG, ProRes or FFV1.

    What is transparent is laid on `background`; videos have no transparency here. Raises `UnsupportedClip` for any
    other kind of file, `ClipTooLong` before what is too much is unpacked, `PictureTooLarge` for a picture in a zip or
    TIFF, `UnreadableClip` for files that are truncated or damaged, or whose frames differ in size.
    """
    if last is not None and last < 1:
        raise ValueError(f"the last {last} frames are no clip")
    if len(data) > limits.bytes:
        raise ClipTooLong("bytes", limits.bytes)
    kind = kind_of(data)
    match kind:
        case "npy":
            return Clip(_array(data, limits, last), None)
        case "zip":
            frames = albums.read_zip(data, limits, last, background)
        case "TIFF":
            frames = albums.read_tiff(data, limits, last, background)
        case "GIF" | "WebP" | "PNG":
            frames = moving.read(data, kind, limits, background)
        case _:
            frames = video.read(data, kind, limits)
    return gather(kind, frames, limits, last)


def kind_of(data: bytes) -> str:
    """What the bytes are, whatever their name. Raises `UnsupportedClip`."""
    if data.startswith(ARCHIVES):
        return "zip"
    if data.startswith(ARRAY):
        return "npy"
    if data.startswith(MATROSKA):
        # What it is read as is in its head, which is short (RFC 8794, section 11.2.6).
        return "WebM" if b"webm" in data[:64] else "Matroska"
    if data[4:8] in BOXES and data[8:12] not in PICTURES:
        return "MOV" if data[8:12] == QUICKTIME or data[4:8] != b"ftyp" else "MP4"
    try:
        kind = headers.kind_of(data)
    except UnsupportedPicture:
        kind = ""
    if kind not in ANIMATIONS:
        found = f"{kind}, a single picture" if kind else "no known kind of clip"
        raise UnsupportedClip(f"The upload is {found if data else 'empty'}", KINDS)
    return kind


def _array(data: bytes, limits: Limits, last: int | None) -> Pixels:
    """The frames in a file of numpy's format, or the `last` of them, uint8 [k, h, w, 3]."""
    try:
        frames = bundles.from_npy(data, "uint8")
    except ValueError as error:
        raise UnreadableClip("npy", str(error)) from error
    if frames.ndim == 3:
        frames = frames[..., None]
    if frames.ndim != 4 or frames.shape[3] not in (1, 3) or 0 in frames.shape:
        flaw = f"its shape is {list(frames.shape)}, not [k, h, w] or [k, h, w, c] with 1 or 3 channels"
        raise UnreadableClip("npy", flaw)
    limits.require(*frames.shape[:3])
    return np.repeat(frames[-(last or 0) :], 3 // frames.shape[3], axis=3)
