"""Where pictures come from: folders, zips, npz, idx and the bundled digits; and what each says of bad input."""

import gzip
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training import data
from training.data import DataError, NoSplit, Pictures, clips, sequences

NAMES = ["bird/1.png", "bird/2.png", "cat/1.png"]


def write(folder: Path, *names: str) -> Path:
    """Small real pictures, each of a colour of its own."""
    for index, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (10, 10), (index, 0, 0)).save(path)
    return folder


def load(source: str | Path, **options: object) -> Pictures:
    return data.load(source, **{"size": 8, "channels": 3, **options})


def reds(pictures: Pictures) -> list[int]:
    """Which pictures were read, in which order."""
    return pictures.images[:, 4, 4, 0].tolist()


def labels(pictures: Pictures) -> list[int] | None:
    return None if pictures.labels is None else pictures.labels.tolist()


def zipped(folder: Path, file: Path) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(folder.rglob("*.*"), reverse=True):
            archive.write(path, path.relative_to(folder))
    return file


@pytest.fixture(params=["folder", "zip"])
def pack(request, tmp_path):
    """Turns the names of pictures into a folder or a zip."""

    def make(*names: str) -> Path:
        folder = write(tmp_path / "set", *names)
        return folder if request.param == "folder" else zipped(folder, tmp_path / "set.zip")

    return make


def test_class_folders_become_labels_in_sorted_order(pack) -> None:
    pictures = load(pack(*NAMES))
    assert (reds(pictures), labels(pictures), pictures.classes) == ([0, 1, 2], [0, 0, 1], ("bird", "cat"))
    pictures.require_classes()


def test_loose_pictures_have_no_labels(pack) -> None:
    pictures = load(pack("b.png", "a.PNG"))
    assert (reds(pictures), labels(pictures), pictures.classes) == ([1, 0], None, ())


@pytest.mark.parametrize("held_out", ["test", "val"])
def test_splits_are_told_apart_and_a_class_keeps_its_index(pack, held_out) -> None:
    source = pack("train/bird/1.png", "train/cat/1.png", f"{held_out}/cat/9.png", "unlabelled/dog/1.png")
    train, test = load(source), load(source, split="test")
    assert (reds(train), labels(train)) == ([0, 1], [0, 1])
    assert (reds(test), labels(test)) == ([2], [1])
    assert train.classes == test.classes == ("bird", "cat")
    assert (train.source, test.source) == (f"{source.name} train", f"{source.name} test")


def test_a_class_called_train_is_no_split(pack) -> None:
    assert load(pack("plane/1.png", "ship/1.png", "train/1.png")).classes == ("plane", "ship", "train")


def test_folders_around_everything_are_looked_through(pack) -> None:
    assert load(pack("a/b/train/bird/1.png", "a/b/train/cat/1.png", "a/b/test/cat/1.png")).classes == ("bird", "cat")


def test_pictures_deep_inside_a_class_belong_to_it(pack) -> None:
    assert labels(load(pack("bird/1.png", "cat/siamese/1.png", "cat/manx/1.png"))) == [0, 1, 1]


def test_other_and_hidden_files_are_no_pictures(pack) -> None:
    source = pack("1.png", ".hidden/2.png", "__MACOSX/3.png")
    if source.is_dir():
        (source / "notes.txt").write_text("about these pictures")
    assert reds(load(source)) == [0]


def test_a_missing_test_split_is_told_from_other_trouble(pack) -> None:
    with pytest.raises(NoSplit, match="has no test split: expected the folders train/ and test/ or val/"):
        load(pack(*NAMES), split="test")


def test_a_missing_split_beside_another_says_what_is_there(pack) -> None:
    with pytest.raises(NoSplit, match="has no train split: expected train/, found test, val"):
        load(pack("test/bird/1.png", "val/bird/1.png"))


def test_loose_pictures_beside_class_folders_are_refused(pack) -> None:
    with pytest.raises(
        DataError, match=r"both in class folders \(bird, cat\) and beside them \(cover.png …\): move the"
    ):
        load(pack(*NAMES, "cover.png"))


def test_an_empty_source_is_refused(tmp_path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "notes.txt").write_text("nothing here")
    for source in (tmp_path / "set", zipped(tmp_path / "set", tmp_path / "set.zip")):
        with pytest.raises(DataError, match=r"holds no pictures: expected files ending in \.avif, \.bmp, .*\.png"):
            load(source)


def test_linked_class_folders_are_followed(tmp_path) -> None:
    write(tmp_path / "elsewhere", "1.png")
    write(tmp_path / "set", "cat/1.png")
    (tmp_path / "set" / "bird").symlink_to(tmp_path / "elsewhere")
    assert load(tmp_path / "set").classes == ("bird", "cat")


def test_a_missing_path_is_refused_with_what_is_readable() -> None:
    with pytest.raises(DataError, match=r"nowhere doesn't exist: expected a folder of pictures .* or 'digits'"):
        load("nowhere")


def test_an_unknown_kind_is_refused_with_what_is_readable(tmp_path) -> None:
    (tmp_path / "set.tar").write_bytes(b"")
    with pytest.raises(DataError, match=r"set.tar is no known kind of data set: expected a folder .* or 'digits'"):
        load(tmp_path / "set.tar")


def test_a_broken_zip_is_refused(tmp_path) -> None:
    (tmp_path / "set.zip").write_bytes(b"no zip")
    with pytest.raises(DataError, match=r"set.zip can't be read as a zip: File is not a zip file"):
        load(tmp_path / "set.zip")


@pytest.mark.parametrize("name", ["../1.png", "/1.png", "a/../../1.png"])
def test_a_zip_that_points_out_of_itself_is_refused(tmp_path, name) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr(name, b"")
    with pytest.raises(DataError, match=r"set.zip names .*1.png, which lies outside of it: pack it again"):
        load(tmp_path / "set.zip")


def test_a_zip_entry_that_unpacks_to_too_much_is_broken(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("training.data.archive.LARGEST", 10)
    with pytest.raises(DataError, match=r"1.png \(unpacks to \d+ bytes, more than 10\)"):
        load(zipped(write(tmp_path / "set", "1.png"), tmp_path / "set.zip"))


def test_a_batch_larger_than_the_set_is_refused(tmp_path) -> None:
    pictures = load(write(tmp_path / "set", "1.png", "2.png"))
    pictures.require(2)
    with pytest.raises(DataError, match="set train has 2 pictures, fewer than a batch of 64: use a batch of at most 2"):
        pictures.require(64)


def test_a_conditional_model_needs_classes(tmp_path) -> None:
    with pytest.raises(
        DataError, match="has no classes, which a conditional model needs: put the pictures of each class"
    ):
        load(write(tmp_path / "loose", "1.png")).require_classes()
    with pytest.raises(DataError, match="has the one class 'dog', a conditional model needs two or more: add a class"):
        load(write(tmp_path / "one", "dog/1.png")).require_classes()
    with pytest.raises(DataError, match="has no pictures of cat: add some, or remove the class"):
        load(write(tmp_path / "gap", "train/dog/1.png", "test/dog/1.png", "test/cat/1.png")).require_classes()


def image(count: int, side: int = 8, channels: tuple[int, ...] = ()) -> np.ndarray:
    """Plain pictures whose value is their index."""
    return np.broadcast_to(
        np.arange(count, dtype=np.uint8).reshape(-1, 1, 1, *(1 for _ in channels)), (count, side, side, *channels)
    )


def npz(folder: Path, **arrays: object) -> Path:
    np.savez(folder / "set.npz", **arrays)
    return folder / "set.npz"


def test_keras_keys_are_splits(tmp_path) -> None:
    source = npz(
        tmp_path, x_train=image(3), y_train=[[7], [5], [7]], x_test=image(2), y_test=np.array([9, 7], np.uint8)
    )
    train, test = load(source), load(source, split="test")
    assert (reds(train), labels(train)) == ([0, 1, 2], [1, 0, 1])
    assert (reds(test), labels(test)) == ([0, 1], [2, 1])
    assert train.classes == test.classes == ("5", "7", "9")
    assert train.images.shape == (3, 8, 8, 3)


def test_images_and_labels_with_names_are_one_split(tmp_path) -> None:
    source = npz(tmp_path, images=image(3, channels=(3,)), labels=[1, 0, 1], classes=["cat", "dog", "eel"])
    assert (labels(load(source)), load(source).classes) == ([1, 0, 1], ("cat", "dog", "eel"))
    with pytest.raises(NoSplit, match="has no test split: expected the key x_test, found images, labels, classes"):
        load(source, split="test")


def test_labels_are_optional(tmp_path) -> None:
    assert load(npz(tmp_path, images=image(3))).labels is None


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": image(2)}, "no pictures under a known key: expected x_train, y_train, .*; found X"),
        ({"images": image(2) / 255}, "images in .* is float64: expected uint8 with values from 0 to 255"),
        ({"images": image(2, channels=(4,))}, r"has the shape \(2, 8, 8, 4\): expected \[N, height, width\] or"),
        ({"images": image(0)}, r"has the shape \(0, 8, 8, 1\): there are no pictures in it"),
        ({"images": image(2), "labels": [1, 2, 3]}, "3 labels for 2 pictures, expected one each"),
        ({"images": image(2), "labels": [0.5, 1]}, "the labels are float64, expected whole numbers"),
        ({"images": image(2), "labels": [0, 2], "classes": ["a", "b"]}, "labels from 0 to 2 for 2 class names"),
        ({"images": np.array([None])}, "can't be read as an npz of plain arrays: Object arrays cannot be loaded"),
    ],
)
def test_other_arrays_are_refused(tmp_path, arrays, message) -> None:
    with pytest.raises(DataError, match=message):
        load(npz(tmp_path, **arrays))


def test_an_npz_with_a_wrong_byte_anywhere_is_read_or_refused(tmp_path) -> None:
    pictures = np.random.default_rng(0).integers(0, 99, (30, 8, 8), np.uint8)
    np.savez_compressed(tmp_path / "set.npz", images=pictures)
    whole = (tmp_path / "set.npz").read_bytes()
    refused = 0
    for at in range(0, len(whole), 7):
        (tmp_path / "set.npz").write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        for read in (load, sequences._npz):
            try:
                read(tmp_path / "set.npz")
            except DataError:
                refused += 1
    assert refused > len(whole) / 7


def test_an_array_that_is_called_an_npz_is_refused(tmp_path) -> None:
    np.save(tmp_path / "set.npy", np.zeros((3, 8, 8), np.uint8))
    (tmp_path / "set.npy").rename(tmp_path / "set.npz")
    for read in (load, sequences._npz, clips.single):
        with pytest.raises(DataError, match=r"set.npz can't be read as an npz of plain arrays"):
            read(tmp_path / "set.npz")


def test_a_broken_npz_is_refused(tmp_path) -> None:
    (tmp_path / "set.npz").write_bytes(b"no npz")
    with pytest.raises(DataError, match=r"set.npz can't be read as an npz of plain arrays"):
        load(tmp_path / "set.npz")


def test_arrays_of_a_plain_background_are_padded_and_stay_crisp(tmp_path) -> None:
    digits = np.full((4, 28, 28), 9, np.uint8)
    digits[:, 4:24, ::2] = 200
    padded = load(npz(tmp_path, images=digits), size=32, channels=1).images[..., 0]
    assert np.array_equal(padded[:, 2:30, 2:30], digits)
    padded[:, 2:30, 2:30] = 9
    assert (padded == 9).all()


def test_arrays_without_a_plain_background_are_resized(tmp_path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2, 28, 28, 3), np.uint8)
    resized = load(npz(tmp_path, images=noise), size=32).images
    expected = Image.fromarray(noise[1]).resize((32, 32), Image.Resampling.LANCZOS)
    assert np.array_equal(resized[1], np.asarray(expected))


def idx(file: Path, array: np.ndarray) -> None:
    content = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()
    file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)


@pytest.fixture(params=["-idx{}-ubyte", "-idx{}-ubyte.gz", ".idx{}-ubyte"])
def mnist(request, tmp_path) -> Path:
    """A folder as MNIST comes in."""
    for word, count in (("train", 3), ("t10k", 2)):
        idx(tmp_path / f"{word}-images{request.param.format(3)}", image(count))
        idx(tmp_path / f"{word}-labels{request.param.format(1)}", np.arange(count)[::-1] + 4)
    return tmp_path


def test_idx_files_find_their_labels_and_their_other_split(mnist) -> None:
    files = sorted(mnist.glob("*images*"))
    for source in (mnist, *files):
        train, test = load(source), load(source, split="test")
        assert (reds(train), labels(train)) == ([0, 1, 2], [2, 1, 0])
        assert (reds(test), labels(test)) == ([0, 1], [1, 0])
        assert train.classes == test.classes == ("4", "5", "6")
    for file in mnist.glob("*labels*"):
        file.unlink()
    assert load(mnist).labels is None
    next(mnist.glob("t10k*")).unlink()
    with pytest.raises(NoSplit, match="has no test split: found train-images"):
        load(mnist, split="test")


def test_several_idx_sets_in_a_folder_need_a_choice(tmp_path) -> None:
    for name in ("letters-train", "digits-train"):
        idx(tmp_path / f"{name}-images-idx3-ubyte", image(2))
    with pytest.raises(DataError, match=r"holds several sets .*: give one of the files"):
        load(tmp_path)
    assert len(load(tmp_path / "letters-train-images-idx3-ubyte")) == 2


def test_a_malformed_idx_file_is_refused(tmp_path) -> None:
    file = tmp_path / "train-images-idx3-ubyte"
    idx(file, image(2))
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    with pytest.raises(DataError, match=r"holds 127 values, its header says \(2, 8, 8\): it is cut off or altered"):
        load(file)
    file.write_bytes(b"\x89PNG" + whole)
    with pytest.raises(
        DataError, match="is no idx file of bytes: expected it to begin with 00 00 08, found 89 50 4e 47"
    ):
        load(file)
    file.rename(tmp_path / "train-images-idx3-ubyte.gz")
    with pytest.raises(DataError, match=r"ubyte.gz can't be read: Not a gzipped file"):
        load(tmp_path)


def test_the_digits_are_always_there() -> None:
    train, test = data.load("digits", size=16, channels=1), data.load("digits", size=16, channels=1, split="test")
    assert train.images.shape[1:] == (16, 16, 1)
    assert len(train) + len(test) == 1797
    assert train.classes == test.classes == tuple("0123456789")
    for pictures in (train, test):
        counts = np.bincount(pictures.labels)
        assert counts.min() > 0.9 * counts.max()
        pictures.require_classes()
    again = data.load("digits", size=16, channels=1)
    assert np.array_equal(train.images, again.images)
    assert (train.images.min(), train.images.max()) == (0, 255)


def test_training_and_test_digits_are_different_pictures() -> None:
    train, test = (data.load("digits", size=8, channels=1, split=split).images for split in ("train", "test"))
    assert not {picture.tobytes() for picture in train} & {picture.tobytes() for picture in test}
