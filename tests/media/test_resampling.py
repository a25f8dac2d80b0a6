"""Another rate and back: as long, as loud and in time."""

import numpy as np
import pytest

from app.media.resampling import Resampler, length, resampled
from tests.media.sounds import noise, tone

RATES = [1_000, 8_000, 11_025, 16_000, 16_001, 44_100, 48_000, 384_000]


def back_and_forth(samples: np.ndarray, rate: int) -> np.ndarray:
    channels, frames = samples.shape
    native = resampled(samples, rate, 16_000)
    assert native.shape == (channels, length(frames, rate, 16_000))
    return Resampler(channels, 16_000, rate, native.shape[1], frames).add(native)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("frames", [1, 2, 3, 24, 25, 999, 48_001])
def test_sound_comes_back_exactly_as_long_as_it_was(rate: int, frames: int) -> None:
    assert back_and_forth(noise(2, frames), rate).shape == (2, frames)


@pytest.mark.parametrize("rate", RATES)
def test_what_both_rates_can_hold_comes_back_as_it_was_and_in_time(rate: int) -> None:
    given = np.concatenate([tone(200, rate, 3 * rate), tone(330, rate, 3 * rate)])
    inside = slice(rate, -rate)
    assert np.abs(back_and_forth(given, rate) - given)[:, inside].max() < 1e-6


def test_the_same_rate_changes_nothing() -> None:
    given = noise(2, 1000)
    assert resampled(given, 16_000, 16_000) is given
    assert np.array_equal(back_and_forth(given, 16_000), given)


def test_what_the_lower_rate_can_t_hold_is_gone_and_not_folded_down() -> None:
    assert np.abs(resampled(tone(10_000, 48_000, 48_000), 48_000, 16_000)[:, 500:-500]).max() < 1e-6


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
@pytest.mark.parametrize("block", [7, 1000, 2**18])
def test_in_blocks_it_is_the_same_bit_for_bit(rate: int, block: int) -> None:
    given = noise(2, 20_000)
    wanted = length(20_000, 16_000, rate)
    resampler = Resampler(2, 16_000, rate, 20_000, wanted)
    came = [resampler.add(given[:, start : start + block]) for start in range(0, 20_000, block)]
    assert np.array_equal(np.concatenate(came, axis=1), resampled(given, 16_000, rate))


def test_more_than_a_block_is_resampled_without_a_joint() -> None:
    given = tone(200, 48_000, 600_000)
    expected = tone(200, 16_000, 200_000)
    assert np.abs(resampled(given, 48_000, 16_000) - expected)[:, 1000:-1000].max() < 1e-6
