"""Flags, presets, and the sentences that bad ones get."""

import pytest

from tests.training import runs
from training.config import ConfigError


def test_a_flag_beats_the_preset_and_the_preset_the_default() -> None:
    recipe, settings = runs.parse("cgan", "--data", "digits", "--out", "r", "--preset", "smoke", "--width", "24")
    assert (recipe.width, recipe.latent, settings.size, settings.rate) == (24, 32, 16, 2e-4)


def test_channels_are_one_or_three() -> None:
    _, settings = runs.parse("gan", "--data", "digits", "--out", "r", "--channels", "1")
    assert settings.channels == 1
    with pytest.raises(ConfigError, match="--channels: Input should be 1 or 3"):
        runs.parse("gan", "--data", "digits", "--out", "r", "--channels", "2")


def test_counts_and_times_are_written_as_people_write_them() -> None:
    _, settings = runs.parse("gan", "--data", "digits", "--out", "r", "--images", "1.5M", "--time", "90m")
    assert (settings.images, settings.time) == (1_500_000, 5400)


@pytest.mark.parametrize(
    ("written", "count"), [("16.1k", 16_100), ("2.01M", 2_010_000), ("1.001k", 1001), (".5k", 500), ("7", 7)]
)
def test_a_count_is_what_is_written_and_not_what_a_float_makes_of_it(written: str, count: int) -> None:
    _, settings = runs.parse("gan", "--data", "digits", "--out", "r", "--images", written, "--time", "1.5m")
    assert (settings.images, settings.time) == (count, 90)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a recipe first, one of autoencoder, cgan, cyclegan, direct, embedding, gan, "),
        (["dcgan"], "no recipe 'dcgan': there are autoencoder, cgan, "),
        (["gan", "--data", "digits"], "--out: Field required"),
        (["gan", "--data", "d", "--out", "r", "--preset", "huge"], "has no preset 'huge': there are smoke, cpu, gpu"),
        (["gan", "--data", "d", "--out", "r", "--images", "lots"], "'lots' can't be read: write it like 200k or 2M"),
        (["gan", "--data", "d", "--out", "r", "--images", "1.0001k"], "--images: Input should be a valid integer"),
        (["gan", "--data", "d", "--out", "r", "--time", "5x"], "'5x' can't be read: write it like 90s, 30m or 2h"),
        (["gan", "--data", "d", "--out", "r", "--size", "48"], "--size: Value error, 48 is not a power of two"),
        (["gan", "--data", "d", "--out", "r", "--augment", "2"], "--augment: Input should be less than or equal to 1"),
        (["gan", "--data", "d", "--out", "r", "--seed", str(2**63)], "--seed: Input should be less than"),
        (["segan", "--data", "d", "--out", "r", "--snr-from", "20"], "snr_from, 20 dB, is above snr_to, 16 dB"),
    ],
)
def test_bad_flags_get_a_sentence(arguments: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as told:
        runs.parse(*arguments)
    assert said in str(told.value)
