"""Two domains of pictures: what is read, what is held out, and that nobody pairs what has no pair."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.data import DataError, domains
from training.data.domains import Domains


def pictures(folder: Path, counts: dict[str, int], side: int = 18) -> Path:
    """Plain pictures, whose red counts through each folder; photos are dark in green, others bright."""
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for index in range(count):
            colour = (index, 0 if "photo" in name else 255, 0)
            Image.new("RGB", (side, side), colour).save(folder / name / f"{index:03}.png")
    return folder


def load(data: Path, **changed: object) -> Domains:
    return domains.load(data, **{"source": "photo", "target": "monet", "size": 16, "channels": 3, **changed})


def reds(drawn: np.ndarray) -> list[int]:
    """Which pictures they are."""
    return drawn[:, 0, 0, 0].tolist()


def test_every_fifth_picture_of_each_domain_is_held_out_where_the_data_have_no_split(tmp_path: Path) -> None:
    data = pictures(tmp_path, {"photo": 12, "monet": 7})
    train, test = load(data), load(data, split="test")
    assert (len(train), len(train.real)) == (10, 6)
    assert (len(test), len(test.real)) == (2, 1)
    drawn = test.draw(np.arange(2))
    assert drawn.given is not None
    assert (reds(drawn.given), reds(drawn.real)) == ([4, 9], [4, 4])
    seen = train.draw(np.arange(10)).given
    assert seen is not None
    assert reds(seen) == [0, 1, 2, 3, 5, 6, 7, 8, 10, 11]


def test_a_split_that_the_data_have_is_kept(tmp_path: Path) -> None:
    counts = {"train/photo": 4, "train/monet": 3, "test/photo": 2, "test/monet": 1}
    data = pictures(tmp_path, counts)
    assert [len(load(data)), len(load(data).real)] == [4, 3]
    assert [len(load(data, split="test")), len(load(data, split="test").real)] == [2, 1]


def test_a_zip_and_its_folder_are_the_same(tmp_path: Path) -> None:
    data = pictures(tmp_path / "pictures", {"photo": 6, "monet": 6})
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for path in data.rglob("*.png"):
            archive.write(path, path.relative_to(data))
    folder, packed = load(data), load(tmp_path / "pictures.zip")
    assert np.array_equal(folder.given.images, packed.given.images)
    assert np.array_equal(folder.real.images, packed.real.images)


def test_given_is_of_the_source_and_real_of_the_target_and_reversed_the_other_way_round(tmp_path: Path) -> None:
    examples = load(pictures(tmp_path, {"photo": 5, "monet": 5, "cezanne": 5}))
    for way, greens in ((examples, (0, 255)), (examples.reversed(), (255, 0))):
        drawn = way.draw(np.arange(4), np.random.default_rng(0))
        assert drawn.given is not None
        assert (set(drawn.given[..., 1].flat), set(drawn.real[..., 1].flat)) == ({greens[0]}, {greens[1]})
        assert drawn.labels is None


def test_a_picture_meets_every_one_of_the_other_domain_and_without_chance_always_the_same(tmp_path: Path) -> None:
    examples = load(pictures(tmp_path, {"photo": 10, "monet": 5}))
    rng = np.random.default_rng(0)
    met = {red for _ in range(50) for red in reds(examples.draw(np.array([3]), rng).real)}
    assert met == {0, 1, 2, 3}
    first, second = (examples.draw(np.arange(8)) for _ in range(2))
    assert np.array_equal(first.real, second.real)
    assert reds(first.real) == [0, 1, 2, 3, 0, 1, 2, 3]


def test_training_sees_windows_mirrored_too_and_otherwise_the_middle_is_seen(tmp_path: Path) -> None:
    for name in ("photo", "monet"):
        (tmp_path / name).mkdir()
        for index in range(5):
            slope = np.broadcast_to(np.arange(18, dtype=np.uint8)[None, :, None], (18, 18, 3))
            Image.fromarray(np.ascontiguousarray(slope)).save(tmp_path / name / f"{index}.png")
    examples = load(tmp_path, mirror=True)
    still = examples.draw(np.arange(4))
    assert (still.real[:, 0, 0, 0] == 1).all()
    assert still.real.shape == (4, 16, 16, 3)
    rng = np.random.default_rng(0)
    ends = {(int(row[0]), int(row[-1])) for _ in range(40) for row in examples.draw(np.arange(4), rng).real[:, 0, :, 0]}
    assert ends == {(0, 15), (1, 16), (2, 17), (15, 0), (16, 1), (17, 2)}


@pytest.mark.parametrize(
    ("counts", "changed", "message"),
    [
        (
            {"photo": 5, "monet": 5},
            {"target": "manet"},
            r"has no domain 'manet': .* photo/ and manet/, found monet, ph",
        ),
        ({"": 5}, {}, r"has no domain 'photo': expected .*, found pictures that are in no folder of a domain"),
        ({"photo": 5, "monet": 5}, {"target": "photo"}, "'photo' is both the domain to leave and the one to reach"),
    ],
)
def test_a_domain_that_is_not_there_is_named(tmp_path: Path, counts: dict, changed: dict, message: str) -> None:
    data = pictures(tmp_path / "data", counts)
    with pytest.raises(DataError, match=message):
        load(data, **changed)


def test_both_domains_must_fill_a_batch(tmp_path: Path) -> None:
    examples = load(pictures(tmp_path, {"photo": 20, "monet": 5}))
    examples.require(4)
    with pytest.raises(DataError, match="monet train has 4 pictures, fewer than a batch of 8"):
        examples.require(8)
    with pytest.raises(DataError, match="no classes within them, which a conditional model needs"):
        examples.require_classes()
