"""Sound to files: exact, the same each time, and whole although it was sent in parts."""

import wave
from io import BytesIO

import numpy as np
import pytest
import soundfile

from app.errors import InvalidParameter
from app.media import audio
from app.media.audio_writer import Form, Format, Writer, encode, form, size
from tests.media.sounds import file, noise

IN_WAV = ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"]
IN_FLAC = ["PCM_S8", "PCM_16", "PCM_24"]
EVERY = [*(("WAV", subtype) for subtype in IN_WAV), *(("FLAC", subtype) for subtype in IN_FLAC)]


@pytest.mark.parametrize(("kind", "subtype"), EVERY)
@pytest.mark.parametrize("channels", [1, 2, 3, 8])
def test_an_unchanged_sound_goes_back_to_a_file_of_its_kind_exactly(kind: str, subtype: str, channels: int) -> None:
    sound = audio.decode(file(noise(channels, 70_001), 22_050, kind, subtype))
    again = audio.decode(encode(sound.samples, form(sound)))
    assert (again.kind, again.subtype, again.rate) == (sound.kind, subtype, 22_050)
    assert np.array_equal(again.samples, sound.samples)


@pytest.mark.parametrize(("bits", "subtype"), [(8, "PCM_U8"), (16, "PCM_16"), (24, "PCM_24"), (32, "PCM_32")])
def test_samples_are_rounded_to_the_nearest_step_and_clamped_to_full_scale(bits: int, subtype: str) -> None:
    step = 2.0 ** (1 - bits)
    given = np.array([[0.4, 0.6, -0.4, -0.6]]) * step
    written = encode(np.append(given, [[1.0, 3.0, -1.0, -3.0]], axis=1), Form("wav", subtype, 8_000, 1, 8))
    steps = soundfile.read(BytesIO(written), dtype="float64")[0] / step
    largest = 2 ** (bits - 1) - 1
    assert steps.tolist() == [0, 1, 0, -1, largest, largest, -largest - 1, -largest - 1]


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE", "ULAW", "ALAW"])
def test_what_has_no_steps_is_clamped_too(subtype: str) -> None:
    written = encode(np.array([[3.0, -3.0]], np.float32), Form("wav", subtype, 8_000, 1, 2))
    sound = soundfile.read(BytesIO(written))[0]
    assert 0.98 < sound[0] <= 1
    assert -1 <= sound[1] < -0.98


@pytest.mark.parametrize(
    ("kind", "subtype", "asked", "format_", "becomes"),
    [
        ("WAV", "PCM_16", None, "wav", "PCM_16"),
        ("WAVEX", "PCM_24", None, "wav", "PCM_24"),
        ("RF64", "PCM_16", None, "wav", "PCM_16"),
        ("FLAC", "PCM_24", None, "flac", "PCM_24"),
        ("OGG", "VORBIS", None, "flac", "PCM_16"),
        ("OGG", "OPUS", "wav", "wav", "PCM_16"),
        ("MP3", "MPEG_LAYER_III", None, "flac", "PCM_16"),
        ("FLAC", "PCM_S8", "wav", "wav", "PCM_U8"),
        ("FLAC", "PCM_24", "wav", "wav", "PCM_24"),
        ("WAV", "PCM_U8", "flac", "flac", "PCM_S8"),
        ("WAV", "PCM_32", "flac", "flac", "PCM_24"),
        ("WAV", "DOUBLE", "flac", "flac", "PCM_24"),
        ("WAV", "ULAW", "flac", "flac", "PCM_16"),
    ],
)
def test_a_sound_is_answered_as_it_came_or_as_asked_for(
    kind: str, subtype: str, asked: Format | None, format_: str, becomes: str
) -> None:
    sound = audio.decode(file(noise(2, 3000), 48_000, kind, subtype))
    chosen = form(sound, asked)
    assert (chosen.format, chosen.subtype) == (format_, becomes)
    assert (chosen.rate, chosen.channels, chosen.frames) == (48_000, 2, sound.frames)
    again = audio.decode(encode(sound.samples, chosen))
    assert (again.kind, again.subtype) == (format_, becomes)
    assert np.abs(again.samples - sound.samples).max() <= 2**-15


@pytest.mark.parametrize(("rate", "held"), [(65_535, True), (65_537, False), (88_200, True), (200_001, False)])
def test_flac_is_not_chosen_where_it_can_t_hold_the_rate(rate: int, held: bool) -> None:
    sound = audio.Sound(noise(1, 100), rate, "flac", "PCM_16")
    chosen = form(sound)
    assert chosen.format == ("flac" if held else "wav")
    assert audio.decode(encode(sound.samples, chosen)).rate == rate
    if not held:
        with pytest.raises(InvalidParameter, match=f"format: FLAC can't hold {rate} Hz, .*; ask for wav"):
            form(sound, "flac")


@pytest.mark.parametrize(("kind", "subtype"), EVERY)
@pytest.mark.parametrize("frames", [1, 777, 5001])
def test_a_file_that_is_sent_in_parts_is_whole(kind: str, subtype: str, frames: int) -> None:
    sound = audio.decode(file(noise(2, 5001), 22_050, kind, subtype))
    writer = Writer(form(sound))
    parts = []
    for start in range(0, sound.frames, frames):
        writer.write(sound.samples[:, start : start + frames])
        parts.append(writer.take())
    writer.close()
    data = b"".join([*parts, writer.take()])
    assert np.array_equal(audio.decode(data).samples, sound.samples)
    if kind == "WAV":
        assert data == encode(sound.samples, form(sound))
        assert len(parts[0]) < 44 + 14 + 8 + 2 * 8 * frames


def test_most_of_a_long_flac_is_there_before_its_end_and_its_first_bytes_tell_its_length() -> None:
    samples = noise(1, 200_000)
    writer = Writer(Form("flac", "PCM_16", 16_000, 1, 200_000))
    writer.write(samples[:, :100_000])
    first = writer.take()
    assert len(first) > 150_000
    assert soundfile.info(BytesIO(first)).frames == 200_000


def test_a_flac_that_is_taken_whole_has_the_checksum_of_its_samples() -> None:
    whole = encode(noise(1, 1000), Form("flac", "PCM_16", 16_000, 1, 1000))
    assert whole[26:42] != bytes(16)


@pytest.mark.parametrize(("format_", "subtype"), [("wav", "FLOAT"), ("flac", "PCM_16")])
def test_the_same_sound_gives_the_same_bytes_whenever_it_is_written(format_: Format, subtype: str) -> None:
    samples, chosen = noise(2, 3000), Form(format_, subtype, 16_000, 2, 3000)
    written = encode(samples, chosen)
    assert encode(samples.copy(), chosen) == written
    assert b"PEAK" not in written  # libsndfile's chunk, which holds the time


@pytest.mark.parametrize("frames", [4, 5])
def test_a_wav_is_read_by_others_and_padded_to_an_even_length(frames: int) -> None:
    data = encode(noise(1, frames), Form("wav", "PCM_24", 8_000, 1, frames))
    assert len(data) % 2 == 0
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    with wave.open(BytesIO(data)) as opened:
        assert (opened.getnframes(), opened.getsampwidth(), opened.getframerate()) == (frames, 3, 8_000)


def test_a_file_holds_what_its_header_promises_or_is_not_ended() -> None:
    writer = Writer(Form("wav", "PCM_16", 8_000, 2, 100))
    writer.write(noise(2, 60))
    with pytest.raises(ValueError, match="40 of 100 frames are missing"):
        writer.close()
    with pytest.raises(ValueError, match="2 channels and 41 frames came where 2 and at most 40 were left"):
        writer.write(noise(2, 41))
    with pytest.raises(ValueError, match="1 channels and 40 frames came"):
        writer.write(noise(1, 40))


@pytest.mark.parametrize("subtype", IN_WAV)
@pytest.mark.parametrize("frames", [1, 2, 1001])
@pytest.mark.parametrize("comment", ["", "odd", "even"])
def test_how_large_a_wav_becomes_is_known_before(subtype: str, frames: int, comment: str) -> None:
    chosen = Form("wav", subtype, 8_000, 1, frames)
    written = encode(noise(1, frames), chosen, comment)
    assert size(chosen, comment) == len(written)
    assert int.from_bytes(written[4:8], "little") == len(written) - 8


def test_how_large_a_flac_becomes_is_not_known_before() -> None:
    assert size(Form("flac", "PCM_16", 8_000, 1, 1000)) is None


@pytest.mark.parametrize(("kind", "subtype"), EVERY)
@pytest.mark.parametrize("frames", [1, 70_001])
def test_a_comment_is_read_back_and_changes_nothing_else(kind: str, subtype: str, frames: int) -> None:
    sound = audio.decode(file(noise(1, frames), 8_000, kind, subtype))
    written = encode(sound.samples, form(sound), '{"made": "by a machine"}')
    with soundfile.SoundFile(BytesIO(written)) as opened:
        assert opened.copy_metadata() == {"comment": '{"made": "by a machine"}'}
    assert np.array_equal(audio.decode(written).samples, sound.samples)
    plain = encode(sound.samples, form(sound))
    if kind == "WAV":
        assert written[8 : len(plain)] == plain[8:], "it stands at the end, where no reader stumbles over it"
