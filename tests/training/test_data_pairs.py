"""Pairs side by side: which half is given, what training varies in both at once, and what is no pair."""

import logging
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.data import DataError, NoSplit, pairs
from training.data.pairs import Pairs

RED, BLUE = (255, 0, 0), (0, 0, 255)


def pair(left: object = RED, right: object = BLUE, size: tuple[int, int] = (40, 20)) -> Image.Image:
    """A file of two colours."""
    whole = Image.new("RGB", size, left)
    whole.paste(right, (size[0] // 2, 0, *size))
    return whole


def write(folder: Path, **pictures: Image.Image) -> Path:
    """Files `<split>_<name>` of a data set with splits."""
    for name, picture in pictures.items():
        path = folder / f"{name.replace('_', '/')}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
    return folder


def load(source: Path, **options: object) -> Pairs:
    return pairs.load(source, **{"given": "right", "size": 16, "channels": 3, **options})


def gradient() -> Pairs:
    """Pairs of 24 pixels, seen at 16, whose given half is the real one with its levels turned round."""
    real = np.random.default_rng(0).integers(0, 256, (5, 24, 24, 1), np.uint8)
    return Pairs(np.concatenate([255 - real, real], axis=3), 16, "noise train", mirror=True)


@pytest.mark.parametrize(("given", "first", "second"), [("left", RED, BLUE), ("right", BLUE, RED)])
@pytest.mark.parametrize("packed", [False, True])
def test_the_given_half_is_the_side_that_is_named(tmp_path, given, first, second, packed) -> None:
    source = write(tmp_path / "set", a=pair(), b=pair())
    if packed:
        with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
            for path in source.iterdir():
                archive.write(path, path.name)
        source = tmp_path / "set.zip"
    loaded = load(source, given=given)
    drawn = loaded.draw(np.array([1]))
    assert drawn.given is not None
    assert drawn.given.shape == drawn.real.shape == (1, 16, 16, 3)
    assert np.array_equal(drawn.given, np.broadcast_to(np.uint8(first), (1, 16, 16, 3)))
    assert np.array_equal(drawn.real, np.broadcast_to(np.uint8(second), (1, 16, 16, 3)))
    assert drawn.labels is None
    assert (loaded.facts.size, loaded.facts.channels, loaded.facts.classes) == (16, 3, ())


def test_each_split_is_read_and_a_missing_one_is_named(tmp_path) -> None:
    source = write(tmp_path, train_a=pair(), train_b=pair(), val_c=pair(), test_d=pair())
    assert (len(load(source)), len(load(source, split="test"))) == (2, 1)
    (tmp_path / "test" / "d.png").unlink()
    assert len(load(source, split="test")) == 1
    (tmp_path / "val" / "c.png").unlink()
    with pytest.raises(NoSplit, match="has no test split"):
        load(source, split="test")


def test_both_halves_move_and_turn_as_one() -> None:
    examples = gradient()
    seen = [examples.draw(np.arange(5), np.random.default_rng(seed)) for seed in range(20)]
    for drawn in seen:
        assert drawn.given is not None
        assert np.array_equal(drawn.given, 255 - drawn.real)
    first = [drawn.real[0] for drawn in seen]
    assert len({view.tobytes() for view in first}) > 15
    windows = np.lib.stride_tricks.sliding_window_view(examples.images[0, ..., 1], (16, 16)).reshape(-1, 16, 16)
    straight = [(windows == view[..., 0]).all((1, 2)).any() for view in first]
    mirrored = [(windows == view[:, ::-1, 0]).all((1, 2)).any() for view in first]
    assert np.logical_xor(straight, mirrored).all()
    assert 3 < sum(mirrored) < 17


def test_without_variation_the_middle_comes_each_time() -> None:
    examples = gradient()
    drawn = examples.draw(np.array([2]))
    assert np.array_equal(drawn.real[0, ..., 0], examples.images[2, 4:-4, 4:-4, 1])
    assert np.array_equal(drawn.real, examples.draw(np.array([2])).real)


def test_room_to_move_comes_from_enlarging(tmp_path) -> None:
    source = write(tmp_path, a=pair())
    assert load(source, jitter=1.25).images.shape == (1, 20, 20, 6)
    assert load(source).images.shape == (1, 16, 16, 6)


def test_grey_pairs_have_one_channel_a_half(tmp_path) -> None:
    assert load(write(tmp_path, a=pair()), channels=1).draw(np.array([0])).real.shape == (1, 16, 16, 1)


@pytest.mark.parametrize("size", [(41, 20), (20, 20), (20, 40)])
def test_what_can_not_be_two_pictures_of_one_size_is_refused(tmp_path, size) -> None:
    width, height = size
    with pytest.raises(DataError, match=rf"a\.png \({width}×{height} can't be two pictures of one size side by side"):
        load(write(tmp_path, a=pair(size=size)))


def test_few_broken_files_and_odd_ones_are_named_and_left_out(tmp_path, caplog) -> None:
    source = write(tmp_path, **{f"p{index}": pair() for index in range(8)}, odd=pair(size=(41, 20)))
    (source / "broken.png").write_text("no picture")
    with caplog.at_level(logging.WARNING):
        assert len(load(source, max_broken=0.2)) == 8
    assert "skipped odd.png: 41×20 can't be two pictures" in caplog.text
    assert "skipped broken.png: cannot identify image file" in caplog.text


@pytest.mark.parametrize("name", ["nowhere", "table.csv"])
def test_what_is_neither_folder_nor_zip_holds_no_pairs(tmp_path, name) -> None:
    (tmp_path / "table.csv").write_text("a,b")
    with pytest.raises(DataError, match=rf"{name} holds no pairs: expected a folder or a \.zip of pictures"):
        load(tmp_path / name)


def test_a_zip_that_is_none_is_refused(tmp_path) -> None:
    (tmp_path / "set.zip").write_text("no zip")
    with pytest.raises(DataError, match="can't be read as a zip"):
        load(tmp_path / "set.zip")


def test_a_batch_needs_as_many_pairs_and_a_class_is_nowhere(tmp_path) -> None:
    loaded = load(write(tmp_path, a=pair(), b=pair()))
    loaded.require(2)
    with pytest.raises(DataError, match="has 2 pairs, fewer than a batch of 4: use a batch of at most 2, or add pairs"):
        loaded.require(4)
    with pytest.raises(DataError, match="has pairs of pictures and no classes"):
        loaded.require_classes()
