"""Sound files as they come from the world: which are read, to what, and which are refused, and why."""

import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from app.errors import Problem, SoundTooLong, UnreadableSound, UnsupportedSound
from app.media import audio
from tests.media.sounds import file, noise, patched, tone

SOUND = noise(2, 3000)

EXACT = [
    *(("WAV", subtype) for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")),
    *(("WAVEX", subtype) for subtype in ("PCM_16", "PCM_24", "FLOAT")),
    ("RF64", "PCM_16"),
    *(("FLAC", subtype) for subtype in ("PCM_S8", "PCM_16", "PCM_24")),
]
STEP = {"PCM_U8": 2**-7, "PCM_S8": 2**-7, "PCM_16": 2**-15, "PCM_24": 2**-23, "PCM_32": 2**-23}


@pytest.mark.parametrize(("kind", "subtype"), EXACT)
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_files_that_lose_nothing_are_read_to_the_last_step(kind: str, subtype: str, channels: int) -> None:
    given = noise(channels, 3000)
    sound = audio.decode(file(given, 44_100, kind, subtype))
    assert sound.samples.dtype == np.float32
    assert sound.samples.shape == (channels, 3000)
    assert (sound.channels, sound.frames, sound.rate, sound.subtype) == (channels, 3000, 44_100, subtype)
    assert sound.kind == ("flac" if kind == "FLAC" else "wav")
    # libsndfile rounds down as it writes a WAV.
    assert np.abs(sound.samples - given).max() <= STEP.get(subtype, 0)


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("WAV", "ULAW"), ("WAV", "ALAW"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")],
)
def test_files_that_lose_what_is_not_heard_are_read_as_long_as_they_were(kind: str, subtype: str) -> None:
    given = np.concatenate([tone(440, 48_000, 30_000), tone(880, 48_000, 30_000)])
    sound = audio.decode(file(given, 48_000, kind, subtype))
    assert sound.samples.shape == given.shape
    assert sound.subtype == subtype
    away = slice(2000, -2000)
    assert np.abs(sound.samples - given)[:, away].max() < 0.06


@pytest.mark.parametrize("rate", [1_000, 8_000, 11_025, 44_100, 192_000, 384_000])
def test_any_rate_is_kept(rate: int) -> None:
    assert audio.decode(file(SOUND, rate)).rate == rate
    assert audio.decode(file(SOUND, rate, "FLAC")).rate == rate


def test_the_type_is_that_of_the_bytes() -> None:
    assert [audio.decode(file(SOUND, 16_000, kind)).kind for kind in ("WAV", "FLAC")] == ["wav", "flac"]
    tagged = b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + file(SOUND, 16_000, "FLAC")
    assert audio.decode(tagged).kind == "flac"


def test_full_scale_is_one_and_what_lies_beyond_is_clamped() -> None:
    loud = np.array([[-3.0, -1.0, 0.0, 0.999, 1.0, 1.5]], np.float32)
    assert audio.decode(file(loud, 8_000, "WAV", "FLOAT")).samples.tolist() == [
        [-1.0, -1.0, 0.0, np.float32(0.999), 1.0, 1.0]
    ]
    assert audio.decode(file(loud, 8_000)).samples.min() == -1


def test_one_frame_is_sound() -> None:
    assert audio.decode(file(noise(1, 1), 8_000)).frames == 1


WAV = file(SOUND, 16_000)
FLAC = file(SOUND, 16_000, "FLAC")
OGG = file(noise(2, 50_000), 48_000, "OGG", "VORBIS")
MP3 = file(noise(2, 50_000), 48_000, "MP3", "MPEG_LAYER_III")


def promising(frames: int) -> bytes:
    """The FLAC, with a header that tells of so many frames; 0 stands for not known (RFC 9639, section 8.2)."""
    return patched(FLAC, 21, bytes([FLAC[21] & 0xF0 | frames >> 32]) + struct.pack(">I", frames & 0xFFFFFFFF))


def sized(size: int, riff: int) -> bytes:
    """The WAV, whose header tells of so many bytes."""
    return patched(patched(WAV, 40, struct.pack("<I", size)), 4, struct.pack("<I", riff))


AWKWARD_BUT_FINE: list[tuple[str, bytes, int]] = [
    ("a WAV written to a pipe", sized(0xFFFFFFFF, 0xFFFFFFFF), 3000),
    ("a WAV written to a pipe by sox", sized(0x7FFFF000, 0x7FFFF024), 3000),
    ("a WAV with something after its sound", WAV + b"LIST\x04\0\0\0ABCD", 3000),
    ("a WAV with a chunk before its sound", WAV[:36] + b"junk\x03\0\0\0abc\0" + WAV[36:], 3000),
    ("a WAV whose header tells of less than is there", sized(400, 436), 100),
    ("a FLAC whose header tells of less than is there", promising(100), 100),
    ("a FLAC with something after its end", FLAC + b"junk" * 9, 3000),
    ("an MP3 with a tag before it", b"ID3\x04\0\0\0\0\x01\x00" + bytes(128) + MP3, 50_000),
]


@pytest.mark.parametrize(
    ("data", "frames"), [row[1:] for row in AWKWARD_BUT_FINE], ids=[row[0] for row in AWKWARD_BUT_FINE]
)
def test_awkward_files_that_say_how_long_they_are_are_read_so_long(data: bytes, frames: int) -> None:
    sound = audio.decode(data)
    assert sound.samples.shape == (2, frames)
    assert sound.samples.std() > 0.1


def spoilt(value: float, subtype: str) -> bytes:
    broken = SOUND.astype(np.float64)
    broken[1, 2000] = value
    return file(broken, 16_000, "WAV", subtype)


NO_SOUND = "The first bytes are not those of a WAV, FLAC, Ogg or MP3 file; send one of these."
BROKEN = "file is damaged, or breaks off before the end that its header tells; send all of it, or save it again."

REFUSED: list[tuple[str, Callable[[], bytes], type[Problem], str]] = [
    ("nothing", lambda: b"", UnsupportedSound, NO_SOUND),
    ("text", lambda: b"RIFF raff, and other words", UnsupportedSound, NO_SOUND),
    ("a picture", lambda: b"\x89PNG\r\n\x1a\n" + bytes(100), UnsupportedSound, NO_SOUND),
    ("a WebP picture, also a RIFF", lambda: b"RIFF\x24\0\0\0WEBPVP8 " + bytes(24), UnsupportedSound, NO_SOUND),
    ("AIFF", lambda: file(SOUND, 16_000, "AIFF"), UnsupportedSound, NO_SOUND),
    ("AAC", lambda: b"\xff\xf1\x50\x80" + bytes(100), UnsupportedSound, NO_SOUND),
    (
        "AIFF after an ID3 tag",
        lambda: b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + file(SOUND, 16_000, "AIFF"),
        UnsupportedSound,
        "AIFF files with Signed 16 bit PCM are not read; send WAV (PCM, float, µ-law or A-law), FLAC, Ogg (",
    ),
    (
        "ADPCM",
        lambda: file(SOUND, 16_000, "WAV", "IMA_ADPCM"),
        UnsupportedSound,
        "WAV files with IMA ADPCM are not read; send WAV (PCM, float, µ-law or A-law), FLAC, Ogg (Vorbis or Opus)",
    ),
    (
        "nine channels",
        lambda: file(noise(9, 100), 16_000),
        UnreadableSound,
        "The sound has 9 channels; 8 are taken at most: mix it down.",
    ),
    (
        "a rate too low",
        lambda: file(SOUND, 999),
        UnreadableSound,
        "The sound has 999 samples a second; 1000 to 384000 are taken: is its header right?",
    ),
    ("a rate too high", lambda: file(SOUND, 384_001), UnreadableSound, "The sound has 384001 samples a second; "),
    (
        "an unheard-of rate",
        lambda: patched(WAV, 24, b"\xff" * 4),
        UnreadableSound,
        "The WAV file can't be opened (Intern",
    ),
    (
        "no channels",
        lambda: patched(WAV, 22, bytes(2)),
        UnreadableSound,
        "can't be opened (Channel count is zero); save",
    ),
    (
        "an empty WAV",
        lambda: file(SOUND[:, :0], 16_000),
        UnreadableSound,
        "The WAV file holds no sound: its header is all there is.",
    ),
    (
        "an empty Ogg",
        lambda: file(SOUND[:, :0], 16_000, "OGG", "VORBIS"),
        UnreadableSound,
        "The Ogg file holds no sound",
    ),
    (
        "a WAV of which half came",
        lambda: WAV[:6044],
        UnreadableSound,
        "has 6000 of 12000 bytes of sound; send all of it.",
    ),
    (
        "a WAV of which the header came",
        lambda: WAV[:44],
        UnreadableSound,
        "has 0 of 12000 bytes of sound; send all of it.",
    ),
    (
        "a WAV of which half the header came",
        lambda: WAV[:30],
        UnreadableSound,
        "No 'data' chunk marker); save it again.",
    ),
    (
        "an RF64 of which half came",
        lambda: (data := file(SOUND, 16_000, "RF64"))[: len(data) - 6000],
        UnreadableSound,
        "The WAV file has 6000 of 12000 bytes of sound; send all of it.",
    ),
    (
        "a WAV whose header tells of more than is there",
        lambda: sized(10**9, 10**9),
        UnreadableSound,
        "The WAV file has 12000 of 1000000000 bytes of sound; send all of it.",
    ),
    ("a FLAC of which half came", lambda: FLAC[: len(FLAC) // 2], UnreadableSound, f"The FLAC {BROKEN}"),
    ("a FLAC of which the header came", lambda: FLAC[:42], UnreadableSound, f"The FLAC {BROKEN}"),
    (
        "a FLAC whose header tells of more than is there",
        lambda: promising(10**6),
        UnreadableSound,
        f"The FLAC {BROKEN}",
    ),
    (
        "a FLAC with bytes altered",
        lambda: patched(FLAC, len(FLAC) // 2, b"\xff" * 8),
        UnreadableSound,
        f"FLAC {BROKEN}",
    ),
    (
        "a FLAC written to a pipe",
        lambda: promising(0),
        UnreadableSound,
        "The FLAC file doesn't say how long it is, as if written to a pipe; save it as a file first.",
    ),
    (
        "an Ogg of which half came",
        lambda: OGG[: len(OGG) // 2],
        UnreadableSound,
        "The Ogg file breaks off within a page",
    ),
    (
        "an Ogg of which a byte is missing",
        lambda: OGG[:-1],
        UnreadableSound,
        "breaks off within a page; send all of it.",
    ),
    (
        "an Ogg with a byte altered",
        lambda: patched(OGG, len(OGG) // 2, bytes([OGG[len(OGG) // 2] ^ 1])),
        UnreadableSound,
        "The Ogg file is damaged: a page isn't what its checksum is of; send the file again.",
    ),
    ("two Oggs in a row", lambda: OGG + OGG, UnreadableSound, "The Ogg file holds 2 streams; send one by itself."),
    ("an MP3 of which half came", lambda: MP3[: len(MP3) // 2], UnreadableSound, f"The MP3 {BROKEN}"),
    (
        "an MP3 that doesn't say how long it is",
        lambda: MP3.replace(b"Xing", bytes(4)).replace(b"Info", bytes(4)),
        UnreadableSound,
        "The MP3 file has no Xing or Info header, so that nothing says how long it is; encode it again",
    ),
    (
        "an MP3 that ends in a frame of another rate, and so is longer than it seems",
        lambda: (
            b"".join((b"\xff\xf3\x88\xc4" + more).ljust(288, b"\0") for more in (bytes(5) + b"Xing", b""))
            + b"\xff\xe4\xb6\x05\xe6"
        ),
        UnreadableSound,
        f"The MP3 {BROKEN}",
    ),
    (
        "a tag and nothing else",
        lambda: b"ID3\x03\0\0\0\0\0\0",
        UnreadableSound,
        "The MP3 file can't be opened (Format not",
    ),
    (
        "NaN",
        lambda: spoilt(np.nan, "FLOAT"),
        UnreadableSound,
        "The sound holds NaN or infinity; a sample is a number from -1 to 1.",
    ),
    ("infinity", lambda: spoilt(-np.inf, "FLOAT"), UnreadableSound, "The sound holds NaN or infinity"),
    ("a number beyond float32", lambda: spoilt(1e300, "DOUBLE"), UnreadableSound, "The sound holds NaN or infinity"),
    (
        "half an hour of silence in 100 KB",
        lambda: file(np.zeros((1, 1800 * 8000), np.int16), 8_000, "FLAC"),
        SoundTooLong,
        "The sound lasts 1,800 s; of 1 channels at 8000 Hz, 600 s are taken at most: send it in parts.",
    ),
    (
        "a FLAC that tells of fifty days",
        lambda: promising(2**36 - 1),
        SoundTooLong,
        "The sound lasts 4,294,967.3 s; of 2 ch",
    ),
]


@pytest.mark.parametrize(("make", "problem", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_can_t_be_used_is_refused_in_words(
    make: Callable[[], bytes], problem: type[Problem], message: str
) -> None:
    data = make()
    tracemalloc.start()
    try:
        with pytest.raises(problem) as refused:
            audio.decode(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert message in refused.value.detail
    if problem is SoundTooLong:
        assert peak < 2**20


@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
def test_the_limits_can_be_others(kind: str) -> None:
    data = file(noise(2, 16_000), 16_000, kind)
    assert audio.decode(data, audio.Limits(seconds=1)).frames == 16_000
    with pytest.raises(SoundTooLong, match=r"lasts 1 s; of 2 channels at 16000 Hz, 0.5 s are taken at most"):
        audio.decode(data, audio.Limits(seconds=0.5))
    with pytest.raises(UnreadableSound, match="has 2 channels; 1 are taken at most"):
        audio.decode(data, audio.Limits(channels=1))


def test_sound_of_many_channels_at_a_high_rate_may_not_last_as_long() -> None:
    few = audio.Limits(values=10_000)
    assert audio.decode(file(noise(1, 10_000), 8_000), few).frames == 10_000
    with pytest.raises(SoundTooLong, match=r"of 4 channels at 8000 Hz, 0.31 s are taken at most"):
        audio.decode(file(noise(4, 2501), 8_000), few)


LIE = """
import resource, sys
from app.errors import UnreadableSound
from app.media import audio
data = sys.stdin.buffer.read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    audio.decode(data)
except UnreadableSound:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_header_that_lies_within_the_limits_costs_no_memory_either() -> None:
    lie = promising(599 * 16_000)
    ran = subprocess.run([sys.executable, "-c", LIE], input=lie, capture_output=True, check=True)
    # What it tells of would take 77 MB; the numbers are of KB.
    assert int(ran.stdout) < 20_000


@pytest.mark.parametrize("data", [WAV, FLAC, OGG, MP3], ids=["WAV", "FLAC", "Ogg", "MP3"])
def test_whatever_is_altered_in_a_file_it_is_sound_or_refused(data: bytes) -> None:
    draw = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        altered = bytearray(data)
        for _ in range(draw.integers(1, 8)):
            # Headers matter more than what follows them.
            at = int(draw.integers(0, draw.choice([64, 256, len(data)])))
            altered[at : at + int(draw.integers(0, 3))] = draw.bytes(int(draw.integers(0, 5)))
        try:
            sound = audio.decode(bytes(altered), audio.Limits(seconds=60))
        except (SoundTooLong, UnreadableSound, UnsupportedSound):
            refused += 1
        else:
            assert np.abs(sound.samples).max() <= 1
            assert sound.frames > 0
    assert 0 < refused < 300
