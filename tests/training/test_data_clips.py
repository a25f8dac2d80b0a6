"""Clips: films from arrays and folders, held out in time; pictures that bounce; what each says of bad input."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.data import DataError, NoSplit, bouncing, clips
from training.data.bouncing import Bouncing
from training.data.clips import Clips


def film(length: int, height: int = 24, width: int = 32, start: int = 0) -> np.ndarray:
    """Frames that are each all of one value, their number."""
    return np.broadcast_to(np.arange(start, start + length, dtype=np.uint8)[:, None, None], (length, height, width))


def saved(file: Path, **arrays: np.ndarray) -> str:
    np.savez(file, **arrays)
    return str(file)


def load(path: str | Path, **options: object) -> Clips | Bouncing:
    return clips.load(str(path), **{"size": 16, "channels": 1, "given": 3, "ahead": 2, **options})


def frames(folder: Path, values: range, size: tuple[int, int] = (32, 24)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for value in values:
        Image.new("L", size, value).save(folder / f"frame{value}.png")
    return folder


def numbers(examples: Clips | Bouncing) -> set[int]:
    """The frames that appear in any clip."""
    drawn = examples.draw(np.arange(len(examples)), None)
    return set(np.unique(drawn.given)) | set(np.unique(drawn.real))


def test_a_clip_is_the_frames_given_and_those_that_follow_oldest_first(tmp_path) -> None:
    examples = load(saved(tmp_path / "rain.npz", a=film(20)))
    drawn = examples.draw(np.arange(len(examples)), None)
    assert drawn.given is not None
    assert (drawn.given.shape[1:], drawn.real.shape[1:]) == ((3, 16, 16, 1), (2, 16, 16, 1))
    every = np.concatenate([drawn.given, drawn.real], axis=1)[:, :, 0, 0, 0]
    assert (np.diff(every.astype(int), axis=1) == 1).all()


def test_without_splits_the_last_quarter_of_time_is_held_out_and_no_frame_is_in_both(tmp_path) -> None:
    source = saved(tmp_path / "rain.npz", a=film(20), b=film(20, start=100))
    assert numbers(load(source)) == {*range(20), *range(100, 110)}
    test = load(source, split="test")
    assert numbers(test) == set(range(110, 120))
    assert test.source == "rain.npz test (b frames 10 to 19)"


def test_a_quarter_of_many_films_is_whole_films_and_what_a_cut_leaves_too_short_is_left_out(tmp_path) -> None:
    source = saved(tmp_path / "many.npz", **{f"f{i}": film(6, start=10 * i) for i in range(6)})
    assert numbers(load(source)) == {10 * i + j for i in range(4) for j in range(6)}
    assert numbers(load(source, split="test")) == {50 + j for j in range(6)}


def test_splits_may_be_named(tmp_path) -> None:
    source = saved(tmp_path / "named.npz", train_a=film(5), test_a=film(5, start=50))
    assert numbers(load(source)) == set(range(5))
    assert numbers(load(source, split="test")) == set(range(50, 55))
    only = saved(tmp_path / "only.npz", train_a=film(5))
    with pytest.raises(NoSplit, match=r"only\.npz has no test split: found train_a"):
        load(only, split="test")
    some = saved(tmp_path / "some.npz", train_a=film(5), b=film(5))
    with pytest.raises(DataError, match=r"some\.npz has splits, and b is in none"):
        load(some)


def test_folders_of_frames_are_films_in_the_order_of_their_numbers(tmp_path) -> None:
    frames(tmp_path / "set/train/x", range(8, 13))
    frames(tmp_path / "set/train/y", range(20, 25))
    frames(tmp_path / "set/val/z", range(30, 35))
    examples = load(tmp_path / "set")
    drawn = examples.draw(np.arange(len(examples)), None)
    assert drawn.given is not None
    assert drawn.given[0, :, 0, 0, 0].tolist() == [8, 9, 10]
    assert numbers(load(tmp_path / "set", split="test")) == set(range(30, 35))
    alone = load(frames(tmp_path / "alone", range(5, 25)), split="test", channels=3)
    assert alone.facts.channels == 3
    assert numbers(alone) == set(range(20, 25))


def test_with_chance_a_clip_is_cropped_anywhere_and_turned_as_a_whole(tmp_path) -> None:
    rng = np.random.default_rng(0)
    still = np.repeat(rng.integers(64, 255, (1, 24, 32), np.uint8), 20, axis=0)
    examples = load(saved(tmp_path / "still.npz", a=still), mirror=True, rotate=True)
    drawn = examples.draw(np.zeros(40, np.int64), rng)
    assert drawn.given is not None
    assert (drawn.given[:, :1] == drawn.given).all()
    assert (drawn.real == drawn.given[:, :1]).all()
    pictures = {clip[0].tobytes() for clip in drawn.given}
    assert len(pictures) > 30
    crops = {still[0, y : y + 16, x : x + 16].tobytes() for y in range(9) for x in range(17)}
    assert 0 < sum(picture in crops for picture in pictures) < len(pictures) / 2


def test_without_chance_a_clip_is_always_the_same(tmp_path) -> None:
    moving = np.random.default_rng(0).integers(0, 255, (20, 24, 32), np.uint8)
    turned = {"mirror": True, "rotate": True}
    for source, options in ((saved(tmp_path / "a.npz", a=moving), turned), ("digits", {})):
        indices = np.array([3, 1, 3])
        first, second = (load(source, **options).draw(indices, None) for _ in range(2))
        assert np.array_equal(first.real, second.real)
        assert np.array_equal(first.real[0], first.real[2])
        varied = load(source).draw(indices, np.random.default_rng(1))
        assert not np.array_equal(first.real, varied.real)


def test_crops_are_taken_where_something_is_to_be_seen(tmp_path) -> None:
    mostly_dry = np.zeros((20, 64, 64), np.uint8)
    mostly_dry[:, :20, :20] = 200
    examples = load(saved(tmp_path / "dry.npz", a=mostly_dry))
    drawn = examples.draw(np.zeros(100, np.int64), np.random.default_rng(0))
    wet = (drawn.real > 0).mean((1, 2, 3, 4)) >= clips.ENOUGH
    assert wet.mean() > 0.5  # a fifth of all places are


def test_fewer_frames_ahead_do_where_films_are_short(tmp_path) -> None:
    source = saved(tmp_path / "short.npz", train_a=film(9), test_a=film(6))
    assert load(source, ahead=10, least=1, split="test").draw(np.array([0]), None).real.shape[1] == 3


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ({"a": film(20), "b": film(4)}, {}, r"too short: b \(4\); a clip needs 5 frames"),
        ({"a": film(8)}, {"split": "test"}, "its last quarter, the test split, holds no 5 frames in a row"),
        ({"a": film(20)}, {"size": 32}, r"a .* is 32×24 px, smaller than a clip of 32×32: use a --size of at most 24"),
        ({"a": film(20).astype(np.float32)}, {}, "a in .* is float32: expected uint8"),
        ({"a": film(20)[0]}, {}, r"shape \(24, 32\): expected \[time, height, width\]"),
        ({"a": np.zeros((20, 24, 32, 4), np.uint8)}, {}, r"expected .* \[time, height, width, 1 or 3\]"),
        ({}, {}, "is empty: expected an .npz of sequences"),
    ],
)
def test_arrays_that_are_no_films_are_told(tmp_path, arrays, options, message) -> None:
    with pytest.raises(DataError, match=message):
        load(saved(tmp_path / "bad.npz", **arrays), **options)


def test_folders_and_files_that_are_no_films_are_told(tmp_path) -> None:
    with pytest.raises(DataError, match=r"doesn't exist: expected an \.npz of sequences"):
        load(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no frames: expected files ending in"):
        load(tmp_path / "empty")
    (tmp_path / "text.zip").write_text("no film")
    with pytest.raises(DataError, match="is no source of clips"):
        load(tmp_path / "text.zip")
    (tmp_path / "text.npz").write_text("no film")
    with pytest.raises(DataError, match="can't be read as an npz of plain arrays"):
        load(tmp_path / "text.npz")
    mixed = frames(tmp_path / "mixed", range(20))
    Image.new("L", (20, 20)).save(mixed / "frame7.png")
    with pytest.raises(DataError, match=r"frame7.png is 20×20 px, frame0.png before it 32×24"):
        load(mixed)
    (mixed / "frame7.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"frame7.png can't be read as a picture, and a film can't miss a frame"):
        load(mixed)
    Image.new("I;16", (32, 24)).save(mixed / "frame7.png")
    with pytest.raises(DataError, match=r"frame7.png has more than 8 bits a value"):
        load(mixed)


def test_too_few_clips_for_a_batch_and_clips_for_classes_are_told(tmp_path) -> None:
    examples = load(saved(tmp_path / "rain.npz", a=film(20)))
    with pytest.raises(DataError, match=r"has 22 clips of 5 frames, fewer than a batch of 64"):
        examples.require(64)
    for each in (examples, load("digits")):
        with pytest.raises(DataError, match="clips have no classes"):
            each.require_classes()


def test_two_pictures_bounce_straight_on_and_back_at_the_walls() -> None:
    paths = bouncing.paths(np.random.default_rng(0), 50, 200)
    assert paths.min() >= 0
    assert paths.max() <= 1
    steps = np.linalg.norm(np.diff(paths, axis=1), axis=-1)
    assert steps.max() <= bouncing.SPEED + 1e-9
    turns = steps < bouncing.SPEED - 1e-9
    assert 0 < turns.mean() < 0.3  # about one step in ten meets a wall, on either axis


def test_moving_digits_show_two_digits_of_the_split_whole_in_every_frame() -> None:
    examples = load("digits", size=32)
    assert isinstance(examples, Bouncing)
    drawn = examples.draw(np.arange(20), None)
    assert drawn.given is not None
    assert drawn.given.shape == (20, 3, 32, 32, 1)
    ink = np.concatenate([drawn.given, drawn.real], axis=1).astype(float).sum((2, 3, 4))
    one = examples.pictures.images[:20].astype(float).sum((1, 2, 3))
    assert (ink > one[:, None] - 1e-9).all()
    assert (np.ptp(ink, axis=1) < 0.5 * ink.max(1)).all()
    assert not np.array_equal(drawn.given[:, 0], drawn.given[:, 2])
    assert load("digits", split="test").source == "digits test, 2 bouncing"
