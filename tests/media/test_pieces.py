"""Recordings in pieces and back: untouched as they were, and without a seam where the shipped network was at them."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from app import contract, overlap
from app.engine import providers
from app.media import audio, audio_writer
from app.media.audio import Samples, Sound
from app.media.audio_writer import Form, Format, Writer
from app.media.pieces import Assembly, Pieces, Plan, pieces, plan, whole
from app.media.resampling import Resampler, length, resampled
from tests.media.sounds import file, noise, noisy_speech

SPEECH = Path(__file__).resolve().parents[2] / "models" / "speech" / "1"
NOISY = contract.read(SPEECH).graphs["generator"].inputs[0]
RATE = 16_000

Network = Callable[[Pieces], Pieces]


@pytest.fixture(scope="module")
def network() -> Network:
    """The shipped network of speech, on one thread."""
    manifest = contract.check(SPEECH)
    session = providers.load(contract.load(SPEECH, manifest, "generator.onnx"))

    def run(rows: Pieces) -> Pieces:
        (clean,) = session.run(["clean"], {"noisy": rows})
        assert isinstance(clean, np.ndarray)
        return clean

    return run


def recording(samples: Samples, rate: int = RATE) -> Sound:
    return Sound(samples, rate, "wav", "PCM_16")


def at_once(network: Network, channel: Samples) -> Samples:
    """One channel [t] through the network in a single piece."""
    padded = np.pad(channel, (0, -len(channel) % NOISY.multiple))
    return network(padded[None])[0, : len(channel)]


@pytest.fixture(scope="module")
def minute(network: Network) -> tuple[Sound, Samples]:
    """A minute of noisy speech, and what the network makes of it in a single piece, [t]."""
    sound = recording(noisy_speech(60, RATE))
    return sound, at_once(network, sound.samples[0])


def decibels(value: float) -> float:
    """Of full scale."""
    return float(20 * np.log10(max(value, 1e-12)))


def test_the_plan_for_the_shipped_network_is_that_of_its_published_figures() -> None:
    made = plan(recording(noise(2, 480_000), 48_000), NOISY)
    assert (made.size, made.overlap, made.native) == (65_536, 16_384, RATE)
    assert made.length == 160_000
    assert made.rows == 2 * 3


@pytest.mark.parametrize(
    ("usual", "multiple", "size", "shared"), [(16_384, 1024, 65_536, 16_384), (1000, 96, 4224, 1056)]
)
def test_pieces_begin_at_multiples_of_the_networks_stride(usual: int, multiple: int, size: int, shared: int) -> None:
    tensor = NOISY.model_copy(update={"usual": (usual,), "multiple": multiple})
    made = plan(recording(noise(1, 100_000)), tensor)
    assert (made.size, made.overlap) == (size, shared)
    assert (size - shared) % multiple == 0


@pytest.mark.parametrize(
    ("frames", "clips"), [(1, 1), (16_384, 1), (16_385, 2), (32_769, 3), (49_152, 3), (49_153, 4), (65_536, 4)]
)
def test_what_fits_into_few_clips_is_one_piece_that_is_no_longer(frames: int, clips: int) -> None:
    made = plan(recording(noise(1, frames)), NOISY)
    assert (made.rows, made.size) == (1, clips * 16_384)
    assert plan(recording(noise(1, 3 * frames), 48_000), NOISY).size == made.size


@pytest.mark.parametrize(("size", "multiple", "shared"), [(16_384, 1024, 8192), (3072, 1024, 1024), (1001, 1, 500)])
def test_a_graph_of_one_length_is_given_that_and_pieces_that_share_half(size: int, multiple: int, shared: int) -> None:
    update = {"shape": ("n", size), "usual": None, "multiple": multiple}
    made = plan(recording(noise(1, 100)), NOISY.model_copy(update=update))
    assert (made.size, made.overlap) == (size, shared)


def test_a_network_of_no_stated_rate_is_given_sound_as_it_is() -> None:
    assert plan(recording(noise(1, 100), 22_050), NOISY.model_copy(update={"rate": None})).native == 22_050


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("frames", [1, 63, 64, 65, 1000])
def test_untouched_pieces_give_back_the_recording_bit_for_bit(channels: int, frames: int) -> None:
    sound = recording(noise(channels, frames))
    made = Plan(channels, frames, RATE, RATE, size=64, overlap=16)
    rows = pieces(sound, made)
    assert rows.shape == (made.rows, 64)
    assert rows.dtype == np.float32
    assert np.array_equal(whole(rows, made), sound.samples)


def test_channels_take_turns_so_that_all_of_a_moment_are_there_together() -> None:
    sound = recording(noise(3, 200))
    rows = pieces(sound, Plan(3, 200, RATE, RATE, size=64, overlap=16))
    for channel in range(3):
        assert np.array_equal(rows[channel], sound.samples[channel, :64])
        assert np.array_equal(rows[3 + channel], sound.samples[channel, 48:112])


def test_what_resampling_adds_above_full_scale_is_not_given_to_the_network() -> None:
    square = np.repeat(np.tile([1.0, -1.0], 200), 60).astype(np.float32)[None]
    made = plan(recording(square, 48_000), NOISY)
    assert np.abs(resampled(square, 48_000, RATE)).max() > 1.05
    assert np.abs(pieces(recording(square, 48_000), made)).max() == 1


def test_a_minute_of_noisy_speech_has_no_seam(network: Network, minute: tuple[Sound, Samples]) -> None:
    sound, expected = minute
    made = plan(sound, NOISY)
    assert made.rows == 20
    joined = whole(network(pieces(sound, made)), made)[0]
    assert np.std(expected - sound.samples[0]) > 0.02, "the network does something"
    # The last piece ends in silence, and not where the recording ends. Where it was measured, equal bit for bit.
    assert decibels(np.abs(joined - expected)[: -made.overlap].max()) < -100


@pytest.mark.parametrize(
    ("size", "shared", "least", "largest"),
    [
        (65_536, 16_384, -240, -100),
        (32_768, 16_384, -240, -100),
        (65_536, 12_288, -120, -80),
        (65_536, 8_192, -80, -30),
        (16_384, 8_192, -80, -30),
        (16_384, 0, -30, 0),
        (65_536, 16_000, -30, 0),  # pieces that don't begin at multiples of the network's stride
    ],
)
def test_how_far_pieces_must_overlap(
    network: Network, minute: tuple[Sound, Samples], size: int, shared: int, least: float, largest: float
) -> None:
    """The largest difference to the recording in a single piece, in dB of full scale."""
    sound, expected = minute
    made = Plan(1, sound.frames, RATE, RATE, size, shared)
    joined = whole(network(pieces(sound, made)), made)[0]
    difference = np.abs(joined - expected)[:-16_384].max()
    assert least <= decibels(difference) <= largest


def test_stereo_at_another_rate_is_each_channel_alone_through_the_network_and_back(network: Network) -> None:
    given = np.concatenate([noisy_speech(20, 44_100), noisy_speech(20, 44_100, seed=1)[:, ::-1]])
    sound = audio.decode(file(given, 44_100, "FLAC", "PCM_24"))
    made = plan(sound, NOISY)
    answer = whole(network(pieces(sound, made)), made)
    assert answer.shape == sound.samples.shape
    native = resampled(sound.samples, 44_100, RATE)
    clean = np.stack([at_once(network, channel) for channel in native])
    expected = Resampler(2, RATE, 44_100, made.length, sound.frames).add(clean)
    assert decibels(np.abs(answer - expected)[:, :-50_000].max()) < -100
    again = audio.decode(audio_writer.encode(answer, audio_writer.form(sound)))
    assert (again.kind, again.subtype, again.rate, again.frames) == ("flac", "PCM_24", 44_100, sound.frames)
    assert np.abs(again.samples - answer.clip(-1, 1)).max() <= 2**-24


@pytest.mark.parametrize("rate", [8_000, RATE, 44_100])
@pytest.mark.parametrize("at_a_time", [1, 2, 3, 100])
def test_pieces_that_come_one_after_the_other_give_the_same_sound_bit_for_bit(rate: int, at_a_time: int) -> None:
    sound = recording(noise(2, 20_000), rate)
    made = Plan(2, 20_000, rate, RATE, size=1024, overlap=256)
    rows = pieces(sound, made)
    assembly = Assembly(made)
    came = [assembly.add(rows[start : start + at_a_time]) for start in range(0, len(rows), at_a_time)]
    assert np.array_equal(np.concatenate(came, axis=1), whole(rows, made))


@pytest.mark.parametrize("format_", ["wav", "flac"])
def test_a_long_recording_is_on_its_way_before_the_last_piece_is_done(format_: Format) -> None:
    sound = recording(noise(2, 40 * 48_000), 48_000)
    made = plan(sound, NOISY)
    writer = Writer(Form(format_, "PCM_16", 48_000, 2, sound.frames))
    assembly = Assembly(made)
    sent = []
    for row in pieces(sound, made):
        writer.write(assembly.add(row[None]))
        sent.append(len(writer.take()))
    writer.close()
    share = (sum(sent) + len(writer.take())) / (made.rows / 2)
    # With the second channel of a piece its moment is complete, but for the overlap and the filter's delay.
    assert min(sent[1::2]) > 0.6 * share
    assert max(sent[2::2]) == 0


def test_more_or_fewer_pieces_than_the_recording_has_are_refused() -> None:
    made = Plan(2, 1000, RATE, RATE, size=64, overlap=16)
    rows = pieces(recording(noise(2, 1000)), made)
    with pytest.raises(ValueError, match="40 pieces came where the recording has 42"):
        whole(rows[:-2], made)
    assembly = Assembly(made)
    assembly.add(rows)
    with pytest.raises(ValueError, match="1 pieces came where 0 were left"):
        assembly.add(rows[:2])


def test_to_put_a_long_recording_together_takes_little_more_memory_than_it_has() -> None:
    frames = 5 * 60 * RATE
    made = Plan(1, 3 * frames, 3 * RATE, RATE, 65_536, 16_384)
    rows = np.zeros((made.rows, made.size), np.float32)
    for put, size in (
        (lambda: whole(rows, made), 3 * frames),
        (lambda: overlap.join(rows, length(3 * frames, 48_000, RATE), 16_384), frames),
    ):
        tracemalloc.start()
        put()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2.2 * 4 * size
