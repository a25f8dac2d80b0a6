"""AVIF files are measured by the streams in them: what their headers claim is never believed."""

import struct

import numpy as np
import pytest
from PIL import Image

from app.errors import PictureTooLarge, UnreadablePicture
from app.media import av1, avif, pictures
from tests.media.awkward import noise, saved, smooth

STILL = Image.fromarray(smooth(200, 300))
MADE = {
    "still": saved(STILL, "AVIF"),
    "4:4:4": saved(STILL, "AVIF", subsampling="4:4:4"),
    "grey": saved(STILL.convert("L"), "AVIF"),
    "with alpha": saved(np.dstack([smooth(200, 300), noise(200, 300)]), "AVIF"),
    "animated": saved(STILL, "AVIF", save_all=True, append_images=[STILL.rotate(180)]),
}

FTYP = b"\0\0\0\x14ftypavif\0\0\0\0avif"


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def item(number: int, kind: bytes) -> bytes:
    return box(b"infe", struct.pack(">B3xHH4sx", 2, number, 0, kind))


def items(*entries: bytes) -> bytes:
    return box(b"iinf", struct.pack(">IH", 0, len(entries)) + b"".join(entries))


def places(*entries: bytes, version: int = 0) -> bytes:
    """A list of places whose numbers have four bytes and no base."""
    return box(b"iloc", struct.pack(">B3xBBH", version, 0x44, 0, len(entries)) + b"".join(entries))


def place(number: int, at: int, length: int, reference: int = 0, parts: int = 1) -> bytes:
    return struct.pack(">3H", number, reference, parts) + parts * struct.pack(">2I", at, length)


def picture(*boxes: bytes) -> bytes:
    return FTYP + box(b"meta", bytes(4) + b"".join(boxes))


def unit(kind: int, content: bytes) -> bytes:
    """A part of a stream with its length (AV1 specification, section 5.3)."""
    return bytes([kind << 3 | 2, len(content)]) + content


def sequence(bits: str) -> bytes:
    """A sequence header of bits, of which spaces are left out."""
    digits = bits.replace(" ", "")
    digits += "0" * (-len(digits) % 8)
    return unit(1, int(digits, 2).to_bytes(len(digits) // 8))


SIZE = f"1000 0111 {299:09b} {199:08b}"
"""300 by 200, after the lengths of both numbers."""


@pytest.mark.parametrize("name", MADE)
def test_what_libavif_writes_is_measured_right(name: str) -> None:
    measured = avif.measure(MADE[name])
    assert (measured.width, measured.height) == (300, 200)
    assert measured.pixels == 60_000 * (2 if name in {"with alpha", "animated"} else 1)
    assert measured.frames == (2 if name == "animated" else 1)


@pytest.mark.parametrize("name", MADE)
def test_a_file_that_calls_itself_smaller_than_its_streams_is_refused(name: str) -> None:
    data = MADE[name]
    assert pictures.decode(data, max_pixels=60_000, max_frames=2).shape == (200, 300, 3)
    # The size of a still picture stands in one kind of box, that of a track in two more.
    for layout, scale in ((">2I", 1), (">2H", 1), (">2I", 2**16)):
        data = data.replace(struct.pack(layout, 300 * scale, 200 * scale), struct.pack(layout, 30 * scale, 20 * scale))
    assert data != MADE[name]
    with pytest.raises(PictureTooLarge, match="coded as 300×200 pixels; at most 50000 are read"):
        pictures.decode(data, max_pixels=50_000, max_frames=2)


def test_one_stream_listed_as_many_pictures_is_refused_by_what_they_unpack_to() -> None:
    stream = sequence(f"000 1 1 00000 {SIZE}")
    numbers = range(1, 301)
    kinds = items(*(item(number, b"av01") for number in numbers))
    at = len(picture(kinds, places(*(place(number, 0, 0) for number in numbers)))) + 8
    data = picture(kinds, places(*(place(number, at, len(stream)) for number in numbers))) + box(b"mdat", stream)
    with pytest.raises(
        UnreadablePicture, match="unpack to 18000000 pixels in all, more than 4 times the 60000 allowed"
    ):
        pictures.decode(data, max_pixels=60_000, max_frames=2)


@pytest.mark.parametrize(
    "header",
    [
        f"000 1 1 00000 {SIZE}",
        f"000 1 0 0 0 00000 {12 * '0'} 00101 {SIZE}",
        f"000 0 0 0 0 00000 {12 * '0'} 01001 1 {SIZE}",
        f"000 0 0 0 1 00001 {12 * '0'} 00101 1 0111 {12 * '0'} 00101 0 {SIZE}",
        f"000 0 0 1 {64 * '1'} 0 0 0 00000 {12 * '0'} 00101 {SIZE}",
        f"000 0 0 1 {64 * '1'} 1 00101 1 00011 {42 * '1'} 0 00000 {12 * '0'} 00101 1 {9 * '1'} {SIZE}",
    ],
    ids=["short", "long", "tier", "delays", "timing", "decoder model"],
)
def test_sequence_headers_of_every_make_are_followed(header: str) -> None:
    delimiter, frame = unit(2, b""), unit(6, bytes(40))
    assert av1.largest_frame(delimiter + sequence(header) + frame) == (300, 200)


def test_a_part_of_a_stream_may_go_without_its_length_or_have_a_layer() -> None:
    header = sequence(f"000 1 1 00000 {SIZE}")
    assert av1.largest_frame(b"\x08" + header[2:]) == (300, 200)
    assert av1.largest_frame(b"\x0e\0" + header[1:]) == (300, 200)
    assert av1.largest_frame(unit(6, header)) == (0, 0)


CUT = box(b"meta", bytes(4) + items())[:-4]
TRACK = {
    b"stsz": struct.pack(">4xII", 100, 1),
    b"stco": struct.pack(">4xII", 1, 0),
    b"co64": struct.pack(">4xIQ", 1, 0),
}


def track(*tables: bytes) -> bytes:
    table = box(b"stbl", b"".join(box(kind, TRACK[kind]) for kind in tables))
    return FTYP + box(b"moov", box(b"trak", box(b"mdia", box(b"minf", table))))


@pytest.mark.parametrize(
    ("data", "flaw"),
    [
        (FTYP, "it holds no picture"),
        (FTYP + CUT, "its box 'meta' is cut off"),
        (picture(items()), "it has no box 'iloc'"),
        (picture(items(), items(), places()), "it has two boxes 'iinf'"),
        (picture(items(), places()) * 2, "it has two boxes 'meta'"),
        (picture(items(item(1, b"av01"), item(1, b"mime")), places()), "its list of items can't be followed"),
        (picture(items(), places(version=3)), "its list of places can't be followed"),
        (picture(items(), places(place(1, 0, 4))[:-6] + bytes(2)), "is cut off"),
        (picture(items(), box(b"iloc", places(place(1, 0, 4))[8:-4])), "its list of places is cut off"),
        (picture(items(), places(place(1, 0, 4, reference=1))), "it refers to other files or items"),
        (picture(items(), places(place(1, 0, 4000))), "its items are larger than it is itself"),
        (picture(items(), places(*(place(k, 0, 0) for k in range(2049)))), "its list of places can't be followed"),
        (picture(items(), places(place(1, 0, 4, parts=65))), "it has a picture in more than 64 parts"),
        (
            picture(items(), places(), box(b"iprp", box(b"ipma", bytes(2**16 + 1)))),
            "its box 'ipma' is larger than any picture needs",
        ),
        (picture(box(b"free", bytes(2**20))), "its box 'meta' is larger than any picture needs"),
        (picture(*4097 * [box(b"free", b"")]), "it has more than 4096 boxes in one place"),
        (
            picture(items(item(1, b"Exif")), places(place(1, 0, 2**20 + 1))) + box(b"mdat", bytes(2**20)),
            "its EXIF block is larger than any picture needs",
        ),
        (track(), "it has no box 'stsz'"),
        (track(b"stsz"), "it has no box 'stco'"),
        (track(b"stsz", b"stco", b"co64"), "it has two lists of places"),
    ],
)
def test_a_file_that_cannot_be_measured_is_refused(data: bytes, flaw: str) -> None:
    with pytest.raises(UnreadablePicture, match=f"The AVIF can't be read: .*{flaw}"):
        pictures.decode(data, max_pixels=60_000, max_frames=2)


@pytest.mark.parametrize(
    ("stream", "flaw"),
    [
        (257 * unit(2, b""), "one of its streams has more than 256 parts"),
        (b"\x0a" + 8 * b"\xff", "one of its streams is damaged"),
        (unit(1, b"\x18"), "one of its streams is cut off"),
        (sequence(f"000 0 0 1 {64 * '0'} 1 {60 * '0'}"), "one of its streams is cut off"),
    ],
)
def test_a_stream_that_cannot_be_measured_is_refused(stream: bytes, flaw: str) -> None:
    with pytest.raises(ValueError, match=flaw):
        av1.largest_frame(stream)
