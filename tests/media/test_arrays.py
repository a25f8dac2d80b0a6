"""Numbers in numpy's file format: whatever numpy writes of numbers is read; what else comes is refused in words."""

import pickle
from io import BytesIO
from typing import Any

import numpy as np
import pytest

from app.media import arrays


def saved(array: np.ndarray, **options: Any) -> bytes:
    out = BytesIO()
    np.lib.format.write_array(out, array, **options)
    return out.getvalue()


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "uint8", ">f4"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 3)])
def test_what_numpy_writes_is_read(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    read = arrays.read(saved(array))
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


def test_columns_may_come_first_and_the_version_be_2() -> None:
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(arrays.read(saved(array, version=(2, 0))), array)


def test_nothing_is_unpickled() -> None:
    objects = saved(np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(ValueError, match="its values are object, not numbers"):
        arrays.read(objects)
    with pytest.raises(ValueError, match="it doesn't begin as an npy file does"):
        arrays.read(pickle.dumps([1.0]))


def test_a_shape_of_billions_costs_nothing() -> None:
    lying = saved(np.zeros(3)).replace(b"(3,)", b"(10**11,)")
    with pytest.raises(ValueError, match="its header can't be read"):
        arrays.read(lying)
    lying = saved(np.zeros(5)).replace(b"(5,)", b"(100000000000,)")
    with pytest.raises(
        ValueError, match=r"its shape, \[100000000000\] of float64, takes 800000000000 bytes, and it has"
    ):
        arrays.read(lying)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it doesn't begin as an npy file does"),
        (b"PK\x03\x04", "it doesn't begin as an npy file does"),
        (b"\x93NUMPY", "its header can't be read"),
        (b"\x93NUMPY\x09\x00", "its header can't be read"),
        (b"\x93NUMPY\x01\x00\xff\x20" + b"(" * 0x20FF, "its header can't be read"),
        (saved(np.zeros(4, "f4"))[:-1], r"its shape, \[4\] of float32, takes 16 bytes, and it has 15"),
        (saved(np.zeros(4, "f4")) + b"x", r"its shape, \[4\] of float32, takes 16 bytes, and it has 17"),
        (saved(np.zeros(2, "c8")), "its values are complex64, not numbers"),
        (saved(np.zeros(2, "?")), "its values are bool, not numbers"),
        (saved(np.array(["a"])), "its values are <U1, not numbers"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused_in_words(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        arrays.read(data)
