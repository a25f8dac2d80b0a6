"""Recordings as people have them, with other rates, stereo, silence, clipping and takes; and what they are mixed to."""

import logging
from pathlib import Path

import numpy as np
import pytest
import soundfile

from training.data import DataError, NoSplit, sound
from training.data.mixtures import RATIOS, Mixtures, drown, looped
from training.data.sound import RATE, Recording, rms


def tone(frequency: float = 440, seconds: float = 1.0, rate: int = RATE, level: float = 0.3) -> sound.Sound:
    return (level * np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


def write(path: Path, samples: sound.Sound, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate)
    return path


def names(recordings: tuple[Recording, ...]) -> list[str]:
    return [recording.name for recording in recordings]


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg"])
def test_a_recording_comes_as_it_is(tmp_path: Path, ending: str) -> None:
    write(tmp_path / f"a.{ending}", tone())
    (recording,) = sound.load(tmp_path, split="train")
    assert recording.samples.dtype == np.float32
    np.testing.assert_allclose(recording.samples, tone(), atol=0.05)
    assert recording.level == pytest.approx(0.3 / np.sqrt(2), rel=0.02)


def test_another_rate_is_resampled_and_the_log_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "a.wav", tone(440, rate=44_100), 44_100)
    (recording,) = sound.load(tmp_path, split="train")
    assert len(recording.samples) == RATE
    inside = slice(1000, -1000)
    np.testing.assert_allclose(recording.samples[inside], tone(440)[inside], atol=1e-3)
    assert "1 of 44100 Hz, resampled to 16000: a.wav" in caplog.text


def test_stereo_is_mixed_down_and_the_log_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "a.wav", np.stack([tone(level=0.4), tone(level=0.2)], axis=1))
    (recording,) = sound.load(tmp_path, split="train")
    np.testing.assert_allclose(recording.samples, tone(level=0.3), atol=1e-3)
    assert "1 of 2 channels, mixed down to one: a.wav" in caplog.text


@pytest.mark.parametrize(
    ("samples", "told"),
    [
        (np.zeros(RATE, np.float32), "silent, left out: bad.wav"),
        (np.clip(10 * tone(), -1, 1), r"clipped \(more than 1% at full scale\), left out: bad.wav"),
        (tone(seconds=0.2), "shorter than 0.5 s, left out: bad.wav"),
    ],
)
def test_what_cant_teach_is_left_out_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, samples: sound.Sound, told: str
) -> None:
    bad = write(tmp_path / "bad.wav", samples)
    with pytest.raises(DataError, match=f"no recording of the train split can be used: 1 {told.split(':')[0]}"):
        sound.load(tmp_path, split="train", shortest=RATE // 2)
    write(tmp_path / "good.wav", tone())
    caplog.clear()
    assert names(sound.load(tmp_path, split="train", shortest=RATE // 2)) == ["good.wav"]
    assert f"1 {told}".replace("\\", "") in caplog.text
    assert bad.exists()


def test_values_that_are_no_numbers_are_left_out(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(RATE, np.nan, np.float32), RATE, subtype="FLOAT")
    with pytest.raises(DataError, match="with values that are no numbers"):
        sound.load(tmp_path, split="train")


def test_a_file_that_is_no_sound_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"no sound at all")
    with pytest.raises(DataError, match=r"a\.wav can't be read as sound .*replace it, or take it away"):
        sound.load(tmp_path, split="train")


def test_a_folder_that_isnt_there_or_holds_no_sound_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no folder: expected one of recordings"):
        sound.load(tmp_path / "away", split="train")
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(DataError, match=r"holds no recordings: expected files ending in \.aif"):
        sound.load(tmp_path, split="train")


def test_folders_named_for_splits_are_splits(tmp_path: Path) -> None:
    write(tmp_path / "training" / "anna" / "1.wav", tone())
    write(tmp_path / "evaluation" / "anna" / "2.wav", tone())
    assert names(sound.load(tmp_path, split="train")) == ["training/anna/1.wav"]
    assert names(sound.load(tmp_path, split="test")) == ["evaluation/anna/2.wav"]
    assert names(sound.load(tmp_path, split="test", hold_out=True)) == ["evaluation/anna/2.wav"]


def test_a_split_that_isnt_there_is_missed_by_name(tmp_path: Path) -> None:
    write(tmp_path / "anna" / "1.wav", tone())
    with pytest.raises(NoSplit, match="has no test split: expected the folders training/ and evaluation/"):
        sound.load(tmp_path, split="test")
    write(tmp_path / "train" / "1.wav", tone())
    with pytest.raises(NoSplit, match="has no test split: expected test or testing or evaluation"):
        sound.load(tmp_path, split="test")


def test_hidden_files_and_the_folder_of_noise_dont_count(tmp_path: Path) -> None:
    for name in ("a.wav", ".b.wav", ".trash/c.wav", "noise/d.wav"):
        write(tmp_path / name, tone())
    assert names(sound.load(tmp_path, split="train", without=tmp_path / "noise")) == ["a.wav"]


def test_held_out_recordings_are_never_trained_on_and_their_takes_stay_together(tmp_path: Path) -> None:
    for kind in ("rain", "dog"):
        for number in range(7):
            for take in "AB":
                write(tmp_path / kind / f"1-{number}-{take}.wav", tone(seconds=0.1))
    train, test = (set(names(sound.load(tmp_path, split=split, hold_out=True))) for split in ("train", "test"))
    assert not train & test
    assert len(train | test) == 28
    assert test == {f"{kind}/1-2-{take}.wav" for kind in ("rain", "dog") for take in "AB"}


def test_takes_between_which_another_recording_is_sorted_stay_together_too(tmp_path: Path) -> None:
    for name in ("rain", "river", "street-1", "street-12-left", "street-2", "wind"):
        write(tmp_path / f"{name}.wav", tone(seconds=0.1))
    assert names(sound.load(tmp_path, split="test", hold_out=True)) == ["street-1.wav", "street-2.wav"]


def test_a_folder_in_a_folder_does_not_change_what_is_held_out_of_either(tmp_path: Path) -> None:
    for name in ("bus", "cars", "kitchen/tap", "rain", "wind"):
        write(tmp_path / f"{name}.wav", tone(seconds=0.1))
    assert names(sound.load(tmp_path, split="test", hold_out=True)) == ["rain.wav"]


def test_too_few_recordings_to_hold_one_out_are_an_error(tmp_path: Path) -> None:
    write(tmp_path / "1.wav", tone())
    with pytest.raises(NoSplit, match="too few recordings to hold one out in 5"):
        sound.load(tmp_path, split="test", hold_out=True)


def hiss(name: str = "hiss", seconds: float = 2.0, level: float = 0.1) -> Recording:
    values = np.random.default_rng(len(name)).standard_normal(int(RATE * seconds))
    return Recording(name, (level * values).astype(np.float32))


def mixtures(size: int = 4096, **changed: object) -> Mixtures:
    voices = tuple(Recording(f"{number}", tone(200 + 50 * number, seconds=1.5)) for number in range(3))
    values = {"speech": voices, "noise": (hiss("a"), hiss("bb")), "ratios": (0.0, 10.0), "source": "test"}
    return Mixtures(size=size, **{**values, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize("ratio", [-5.0, 0.0, 12.5])
def test_noise_is_mixed_in_at_the_ratio_asked_for(ratio: float) -> None:
    voice, noise = tone(), hiss().samples[:RATE]
    clean, noisy = drown(voice, noise, ratio, rms(voice), rms(noise))
    assert 20 * np.log10(rms(clean) / rms(noisy - clean)) == pytest.approx(ratio, abs=0.01)
    assert np.abs(noisy).max() <= 1


def test_a_sum_that_would_clip_is_lowered_with_its_target() -> None:
    voice, noise = tone(level=0.9), hiss(level=0.5).samples[:RATE]
    clean, noisy = drown(voice, noise, 0.0, rms(voice), rms(noise))
    assert np.abs(noisy).max() == pytest.approx(1)
    scale = rms(clean) / rms(voice)
    assert scale < 0.9
    np.testing.assert_allclose(clean, voice * scale, atol=1e-6)


def test_a_noise_starts_over_where_it_ends() -> None:
    noise = np.arange(5, dtype=np.float32)
    assert looped(noise, 3, 9).tolist() == [3, 4, 0, 1, 2, 3, 4, 0, 1]
    assert looped(noise, 11, 2).tolist() == [1, 2]


def test_without_chance_every_draw_is_the_same_and_the_ratios_take_turns() -> None:
    examples = mixtures()
    assert len(examples) == 3 * 5
    indices = np.arange(8)
    once, again = (examples.draw(indices, None) for _ in range(2))
    assert once.given is not None
    assert again.given is not None
    assert np.array_equal(once.real, again.real)
    assert np.array_equal(once.given, again.given)
    assert once.real.shape == once.given.shape == (8, 4096)
    assert once.real.dtype == once.given.dtype == np.float32
    ratios = 20 * np.log10(once.real.std(1) / (once.given - once.real).std(1))
    np.testing.assert_allclose(ratios, RATIOS * 2, atol=0.6)


def test_with_chance_clips_differ_by_it_alone_and_stay_in_range() -> None:
    examples = mixtures()
    first, same, other = (examples.draw(np.arange(15), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.given is not None
    assert same.given is not None
    assert other.given is not None
    assert np.array_equal(first.given, same.given)
    assert not np.array_equal(first.given, other.given)
    assert first.real.dtype == first.given.dtype == np.float32
    assert max(np.abs(first.given).max(), np.abs(first.real).max()) <= 1
    levels = first.real.std(1)
    assert levels.max() / levels.min() > 2


def test_the_ratios_of_training_are_the_ones_asked_for() -> None:
    drawn = mixtures(ratios=(3.0, 3.0)).draw(np.arange(15), np.random.default_rng(0))
    assert drawn.given is not None
    ratios = 20 * np.log10(drawn.real.std(1) / (drawn.given - drawn.real).std(1))
    # Two noises are added as if they had nothing in common, and a tone's level is that of its whole utterance.
    np.testing.assert_allclose(ratios, 3.0, atol=0.7)


def test_a_pause_in_the_noise_is_not_amplified_without_bound() -> None:
    samples = hiss(seconds=1.0).samples.copy()
    samples[: len(samples) - 4096] *= 1e-4
    paused = Recording("pause", samples)
    drawn = mixtures(noise=(paused,)).draw(np.arange(1), None)
    assert drawn.given is not None
    assert rms(drawn.given[0] - drawn.real[0]) < 0.01


def test_too_few_clips_for_a_batch_and_classes_of_speech_are_errors() -> None:
    with pytest.raises(DataError, match="test has 15 clips of 4096 samples, fewer than a batch of 16: use a batch of"):
        mixtures().require(16)
    mixtures().require(15)
    with pytest.raises(DataError, match="speech, which has no classes"):
        mixtures().require_classes()


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "ganymede.data")
