"""Long sound in pieces: nothing is lost, nothing is heard twice, and no seam remains."""

import numpy as np
import pytest

from app import overlap


def noise(length: int) -> overlap.Sound:
    return np.random.default_rng(length).uniform(-1, 1, length).astype(np.float32)


@pytest.mark.parametrize("length", [0, 1, 7, 63, 64, 65, 100, 111, 112, 113, 1000, 4096])
@pytest.mark.parametrize("shared", [0, 1, 16, 31, 32])
def test_untouched_pieces_give_back_the_sound_bit_for_bit(length: int, shared: int) -> None:
    sound = noise(length)
    pieces = overlap.cut(sound, 64, shared)
    assert pieces.shape[1:] == (64,)
    assert pieces.dtype == np.float32
    assert np.array_equal(overlap.join(pieces, length, shared), sound)


@pytest.mark.parametrize("length", [64, 112, 160])
def test_no_piece_is_made_that_holds_nothing_new(length: int) -> None:
    assert len(overlap.cut(noise(length), 64, 16)) == (length - 16) // 48


def test_what_a_network_does_at_the_ends_of_a_piece_is_not_heard_within_the_sound() -> None:
    def wrong_at_the_ends(pieces: overlap.Sound) -> overlap.Sound:
        wrong = pieces.copy()
        wrong[:, :24] = wrong[:, -24:] = 1e6
        return wrong

    sound = noise(1000)
    done = overlap.through(sound, wrong_at_the_ends, size=256, overlap=64)
    assert np.array_equal(done[24:900], sound[24:900])


def test_a_filter_that_sees_less_than_three_eighths_of_the_overlap_gives_what_it_gives_for_the_whole() -> None:
    kernel = np.hanning(47).astype(np.float32)

    def blur(pieces: overlap.Sound) -> overlap.Sound:
        return np.stack([np.convolve(piece, kernel, "same") for piece in pieces])

    sound = noise(3000)
    done = overlap.through(sound, blur, size=512, overlap=64, rows=2)
    np.testing.assert_allclose(done, blur(sound[None])[0], atol=1e-5)


def test_a_step_between_pieces_becomes_a_slope() -> None:
    levels = np.repeat(np.array([[0.0], [1.0]], np.float32), 64, axis=1)
    joined = overlap.join(levels, 96, 32)
    assert np.abs(np.diff(joined)).max() < 0.25
    assert (np.diff(joined) >= 0).all()
    assert joined[0] == 0
    assert joined[-1] == 1


def test_short_sound_is_one_piece_of_the_least_multiple_that_holds_it() -> None:
    seen = []

    def note(pieces: overlap.Sound) -> overlap.Sound:
        seen.append(pieces.shape)
        return pieces

    sound = noise(21)
    assert np.array_equal(overlap.through(sound, note, size=64, overlap=16, multiple=8), sound)
    assert overlap.through(noise(0), note, size=64, overlap=16, multiple=8).shape == (0,)
    assert seen == [(1, 24)]


def test_no_more_rows_go_at_once_than_asked_for() -> None:
    counts = []

    def note(pieces: overlap.Sound) -> overlap.Sound:
        counts.append(len(pieces))
        return pieces

    overlap.through(noise(1000), note, size=64, overlap=16, rows=4)
    assert max(counts) == 4
    assert sum(counts) == len(overlap.cut(noise(1000), 64, 16))


@pytest.mark.parametrize("shared", [-1, 33, 64])
def test_pieces_that_would_overlap_by_more_than_half_are_refused(shared: int) -> None:
    with pytest.raises(ValueError, match="pieces of 64 samples can't overlap by"):
        overlap.cut(noise(100), 64, shared)


@pytest.mark.parametrize("length", [1, 64, 65, 1000, 4096])
@pytest.mark.parametrize("shared", [0, 1, 16, 31, 32])
@pytest.mark.parametrize("at_once", [1, 3])
def test_pieces_that_come_one_after_the_other_make_the_same_sound_bit_for_bit(
    length: int, shared: int, at_once: int
) -> None:
    pieces = noise(64 * overlap.count(length, 64, shared)).reshape(-1, 64)
    joiner = overlap.Joiner(length, 64, shared)
    came = [joiner.add(pieces[start : start + at_once]) for start in range(0, len(pieces), at_once)]
    assert joiner.left == 0
    assert np.array_equal(np.concatenate(came), overlap.join(pieces, length, shared))


def test_a_joined_sample_is_the_weighted_sum_of_the_pieces_that_hold_it() -> None:
    pieces = noise(5 * 64).reshape(5, 64)
    summed = np.zeros(4 * 44 + 64)
    for i, piece in enumerate(pieces):
        weights = np.ones(64)
        if i > 0:
            weights[:20] = overlap.fade(20)
        if i < 4:
            weights[-20:] = 1 - overlap.fade(20)
        summed[i * 44 : i * 44 + 64] += weights * piece
    assert np.array_equal(overlap.join(pieces, 230, 20), summed[:230].astype(np.float32))


def test_sound_is_given_out_as_soon_as_no_later_piece_changes_it() -> None:
    joiner = overlap.Joiner(150, 64, 16)
    assert [len(joiner.add(noise(64)[None])) for _ in range(3)] == [48, 48, 54]


def test_more_or_fewer_pieces_than_the_sound_makes_are_refused() -> None:
    with pytest.raises(ValueError, match="3 pieces came where 2 were left"):
        overlap.join(np.zeros((3, 64), np.float32), 100, 16)
    with pytest.raises(ValueError, match="1 pieces are not the 2 that 100 samples make"):
        overlap.join(np.zeros((1, 64), np.float32), 100, 16)
