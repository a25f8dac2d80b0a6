"""A picture as an encoder or a critic sees it: its middle, at the size of training, as training itself cuts it."""

import numpy as np
import pytest
from PIL import Image

from app.contract import Tensor
from app.media.framing import middle
from training.data.decode import resize

PHOTO = np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8).repeat(9, 0).repeat(9, 1)


def taken(*shape: int | str, usual: tuple[int, ...] | None = None) -> Tensor:
    return Tensor(name="picture", meaning="image", dtype="uint8", shape=("n", *shape), layout="NHWC", usual=usual)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [7, 16, 100])
def test_a_square_is_cut_as_training_cuts_it(size: int, channels: int) -> None:
    for picture in (PHOTO, PHOTO[:, :31], PHOTO[:10]):
        due = resize(Image.fromarray(picture), size, channels)
        np.testing.assert_array_equal(middle(picture, taken(size, size, channels))[0], due)


def test_a_picture_of_the_right_size_stays_as_it_is() -> None:
    np.testing.assert_array_equal(middle(PHOTO, taken(54, 72, 3)), PHOTO[None])


def test_another_form_is_cut_to_and_not_squeezed_into() -> None:
    wide = np.zeros((10, 40, 3), np.uint8)
    wide[:, 10:30] = 200
    # Pillow's filter reaches over the cut, by a little.
    assert (middle(wide, taken(5, 10, 3)) > 180).all()
    assert (middle(wide.transpose(1, 0, 2), taken(10, 5, 3)) > 180).all()


def test_where_the_size_is_open_it_is_that_of_training() -> None:
    assert middle(PHOTO, taken("h", "w", 1, usual=(20, 30, 1))).shape == (1, 20, 30, 1)


@pytest.mark.parametrize(("height", "width"), [(28, 28), (49, 49), (75, 100), (224, 224)])
def test_a_picture_of_any_size_has_a_middle(height: int, width: int) -> None:
    """A cut that is longer than the picture by a rounding is none that Pillow makes."""
    rng = np.random.default_rng(height)
    for tall, wide in rng.integers(1, 300, (400, 2)).tolist():
        assert middle(np.zeros((tall, wide, 3), np.uint8), taken(height, width, 3)).shape == (1, height, width, 3)
