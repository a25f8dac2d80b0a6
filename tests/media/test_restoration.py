"""A file that is written of pieces in whatever order they come is the one that is written of all of them."""

import numpy as np
import pytest

from app.media.audio import Sound
from app.media.audio_writer import form
from app.media.pieces import Plan, pieces
from app.media.restoration import Restoration, restored
from tests.media.sounds import noise


def recording(channels: int, rate: int) -> tuple[Sound, Plan]:
    sound = Sound(noise(channels, 5_000), rate, "wav", "PCM_16")
    frames = -(-5_000 * 8_000 // rate)
    assert frames > 1000
    return sound, Plan(channels, 5_000, rate, 8_000, size=256, overlap=64)


@pytest.mark.parametrize("rate", [8_000, 11_025])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("order", ["forwards", "backwards", "at random"])
def test_in_any_order_the_parts_are_the_file(order: str, channels: int, rate: int) -> None:
    sound, made = recording(channels, rate)
    rows = pieces(sound, made)
    numbers = np.arange(made.rows)
    if order == "at random":
        np.random.default_rng(0).shuffle(numbers)
    elif order == "backwards":
        numbers = numbers[::-1]
    restoration = Restoration(made, form(sound), "a comment")
    parts = [restoration.add(int(row), rows[row]) for row in numbers]
    assert b"".join(parts) == restored(rows, made, form(sound), "a comment")
    if order == "backwards":
        assert not any(parts[:-1]), "nothing can be said before the first piece is there"


def test_a_piece_comes_out_as_soon_as_it_has_its_turn() -> None:
    sound, made = recording(1, 8_000)
    rows = pieces(sound, made)
    restoration = Restoration(made, form(sound))
    header = 44
    step = 2 * (made.size - made.overlap)
    assert [len(restoration.add(row, rows[row])) for row in (1, 0, 3, 2)] == [0, header + 2 * step, 0, 2 * step]
