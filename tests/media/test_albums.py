"""Pictures apart as clips: the pages of a TIFF and the files in a zip."""

import struct
import zipfile
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from app.errors import ClipTooLong, UnreadableClip, UnreadablePicture
from app.media import animation, pictures
from tests.media.films import noise, pages, picture, read, zipped


@pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw"}, {"big_tiff": True}])
def test_the_pages_of_a_tiff_are_frames(options: dict[str, object]) -> None:
    drawn = noise()
    data = pages([Image.fromarray(frame) for frame in drawn], **options)
    clip = read(data)
    np.testing.assert_array_equal(clip.frames, drawn)
    assert clip.rate is None
    np.testing.assert_array_equal(read(data, last=2).frames, drawn[-2:])


def test_a_tiff_of_16_bits_is_brought_to_8() -> None:
    values = noise(1, frames=3)[..., 0]
    data = pages([Image.fromarray(257 * frame.astype(np.uint16)) for frame in values])
    np.testing.assert_array_equal(read(data).frames, values[..., None].repeat(3, axis=3))


def test_a_tiff_whose_pages_lead_back_to_the_first_ends_there() -> None:
    drawn = noise(frames=2)
    data = bytearray(pages([Image.fromarray(frame) for frame in drawn]))
    first, second = tiff_directories(bytes(data))
    (fields,) = struct.unpack_from("<H", data, second)
    struct.pack_into("<I", data, second + 2 + 12 * fields, first)
    np.testing.assert_array_equal(read(bytes(data)).frames, drawn)


def tiff_directories(data: bytes) -> list[int]:
    found, (at,) = [], struct.unpack_from("<I", data, 4)
    while at:
        found.append(at)
        (fields,) = struct.unpack_from("<H", data, at)
        (at,) = struct.unpack_from("<I", data, at + 2 + 12 * fields)
    return found


def test_a_page_of_a_tiff_that_cannot_be_shown_is_named() -> None:
    frames = [Image.fromarray(noise()[0]), Image.fromarray(np.zeros((16, 20), np.float32))]
    with pytest.raises(UnreadableClip, match=r"The TIFF can't be read: page 2: its values are of mode 'F'"):
        read(pages(frames))


@pytest.mark.parametrize("first", [2**63 + 5, 2**64 - 1])
def test_a_tiff_that_goes_on_beyond_any_file_is_refused(first: int) -> None:
    data = b"II+\0" + struct.pack("<HHQ", 8, 0, first) + bytes(64)
    with pytest.raises(UnreadableClip, match=r"The TIFF can't be read: it is truncated or damaged"):
        read(data)
    with pytest.raises(UnreadablePicture, match=r"The TIFF can't be read: its header is cut off or damaged"):
        pictures.decode(data, max_pixels=10_000, max_frames=1)


def test_a_picture_whose_exif_leads_beyond_any_file_is_shown_as_it_is() -> None:
    exif = b"Exif\0\0II+\0" + struct.pack("<HHQ", 8, 0, 2**63 + 5)
    out = BytesIO()
    Image.fromarray(noise()[0].squeeze()).save(out, "png", exif=exif)
    assert pictures.decode(out.getvalue(), max_pixels=10_000, max_frames=1).shape[:2] == noise()[0].shape[:2]


def test_a_zip_whose_files_lie_beyond_any_file_is_refused() -> None:
    data = zipped({"1.png": picture(noise()[0])})
    entry, end = data.rindex(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    far = struct.pack("<HHQ", 1, 8, 2**63 + 1)
    listed = data[entry : entry + 30] + struct.pack("<H", len(far)) + data[entry + 32 : entry + 42] + b"\xff" * 4
    listed += data[entry + 46 : end] + far
    with pytest.raises(UnreadableClip, match=r"The zip can't be read: it is truncated or damaged"):
        read(data[:entry] + listed + data[end : end + 12] + struct.pack("<II", len(listed), entry) + data[end + 20 :])


def test_a_truncated_tiff_is_refused() -> None:
    data = pages([Image.fromarray(frame) for frame in noise()])
    with pytest.raises(UnreadableClip, match=r"The TIFF can't be read"):
        read(data[: len(data) // 2])


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_pictures_of_a_zip_come_in_natural_order(compression: int) -> None:
    names = ["Frame 1.png", "frame 2.bmp", "frame 09.png", "frame 10.png", "frame 100.png", "g/1.png", "g/10.webp"]
    drawn = noise(frames=len(names))
    files = {name: picture(frame, name.split(".")[1], lossless=True) for name, frame in zip(names, drawn, strict=True)}
    shuffled = {name: files[name] for name in sorted(names, reverse=True)}
    data = zipped(shuffled, compression)
    np.testing.assert_array_equal(read(data).frames, drawn)
    np.testing.assert_array_equal(read(data, last=3).frames, drawn[-3:])


def test_what_systems_leave_in_a_zip_is_passed_over() -> None:
    drawn = noise(frames=1)
    left = ["__MACOSX/._1.png", ".DS_Store", "frames/.hidden", "frames/Thumbs.db", "frames/"]
    data = zipped(dict.fromkeys(left, b"") | {"frames/1.png": picture(drawn[0])})
    np.testing.assert_array_equal(read(data).frames, drawn)


@pytest.mark.parametrize("name", ["../1.png", "a/../../1.png", "/1.png", "C:1.png", "a\\1.png", ".."])
def test_a_path_that_leads_out_of_its_zip_is_refused(name: str) -> None:
    with pytest.raises(UnreadableClip, match=r"The zip can't be read: the path .* may lead out of it"):
        read(zipped({name: picture(noise()[0])}))


def test_a_file_in_a_zip_that_is_no_picture_is_named() -> None:
    with pytest.raises(UnreadableClip, match=r"The zip can't be read: notes.txt: The upload is no known picture"):
        read(zipped({"1.png": picture(noise()[0]), "notes.txt": b"hello"}))


def test_a_truncated_picture_in_a_zip_is_named() -> None:
    with pytest.raises(UnreadableClip, match=r"The zip can't be read: a/2.png: The PNG can't be read: it is truncated"):
        read(zipped({"a/1.png": picture(noise()[0]), "a/2.png": picture(noise()[0])[:300]}))


def test_an_animation_in_a_zip_is_no_frame() -> None:
    data = zipped({"1.webp": animation.encode(noise(), "webp", rate=10)})
    with pytest.raises(UnreadableClip, match=r"The zip can't be read: 1.webp: .* animated"):
        read(data)


@pytest.mark.parametrize(
    ("files", "flaw"),
    [
        ({}, "it holds no frame"),
        ({".DS_Store": b""}, "it holds no frame"),
        (
            {"1.png": picture(noise()[0]), "2.png": picture(noise(height=18)[0])},
            "frame 2 has 20×18 pixels, where those before have 20×16",
        ),
    ],
)
def test_a_zip_whose_pictures_make_no_clip_is_refused(files: dict[str, bytes], flaw: str) -> None:
    with pytest.raises(UnreadableClip, match=f"The zip can't be read: {flaw}"):
        read(zipped(files))


def test_a_zip_packed_in_an_unusual_way_is_refused_with_advice() -> None:
    with pytest.raises(UnreadableClip, match=r"1.png is neither stored nor deflated: pack it by the usual method"):
        read(zipped({"1.png": picture(noise()[0])}, zipfile.ZIP_BZIP2))


def test_a_locked_zip_is_refused_with_advice() -> None:
    data = bytearray(zipped({"1.png": picture(noise()[0])}))
    for start, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(start) + place] |= 1
    with pytest.raises(UnreadableClip, match=r"1.png is encrypted: pack it without a password"):
        read(bytes(data))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_a_truncated_zip_is_refused(share: float) -> None:
    data = zipped({"1.png": picture(noise()[0]), "2.png": picture(noise()[1])})
    with pytest.raises(UnreadableClip, match=r"The zip can't be read: it is truncated or damaged"):
        read(data[: int(share * len(data))])


def test_a_zip_whose_bytes_were_altered_is_refused() -> None:
    data = bytearray(zipped({"1.png": picture(noise()[0])}))
    data[200] ^= 1
    with pytest.raises(UnreadableClip, match=r"The zip can't be read: it is truncated or damaged .Bad CRC-32"):
        read(bytes(data))


def test_a_zip_that_unpacks_to_more_bytes_than_are_read_is_refused() -> None:
    data = zipped({"1.bmp": picture(np.zeros((200, 200, 3), np.uint8), "bmp")}, zipfile.ZIP_DEFLATED)
    assert len(data) < 1000
    with pytest.raises(ClipTooLong, match="more than 100000 bytes"):
        read(data, bytes=100_000)


def test_a_zip_that_says_less_than_it_unpacks_to_is_refused() -> None:
    data = zipped({"1.bmp": picture(np.zeros((200, 200, 3), np.uint8), "bmp")}, zipfile.ZIP_DEFLATED)
    size = struct.pack("<I", 200 * 200 * 3 + 54)
    assert data.count(size) == 2
    with pytest.raises(UnreadableClip, match=r"The zip can't be read: it is truncated or damaged .Bad CRC-32"):
        read(data.replace(size, struct.pack("<I", 100)))
