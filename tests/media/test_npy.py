"""Numbers in numpy's file format: whatever numpy writes of numbers is read; what else comes is refused in words."""

import pickle
from io import BytesIO
from typing import Any

import numpy as np
import pytest

from app.media import bundles

TYPES = ("float32", "float64", "int64", "uint8")
HEADER = "its header is damaged or cut off, or of a version that no array of numbers needs"


def read(data: bytes) -> np.ndarray:
    return bundles.from_npy(data, *TYPES)


def saved(array: np.ndarray, **options: Any) -> bytes:
    out = BytesIO()
    np.lib.format.write_array(out, array, **options)
    return out.getvalue()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", ">f4"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 3)])
def test_what_numpy_writes_is_read(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    back = read(saved(array))
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


def test_columns_may_come_first_and_the_version_be_2() -> None:
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(read(saved(array, version=(2, 0))), array)


def test_nothing_is_unpickled() -> None:
    objects = saved(np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(ValueError, match="its values are object, not float32 or float64 or int64 or uint8"):
        read(objects)
    with pytest.raises(ValueError, match=HEADER):
        read(pickle.dumps([1.0]))


def test_a_shape_of_billions_costs_nothing() -> None:
    lying = saved(np.zeros(3)).replace(b"(3,)", b"(10**11,)")
    with pytest.raises(ValueError, match=HEADER):
        read(lying)
    lying = saved(np.zeros(5)).replace(b"(5,)", b"(100000000000,)")
    with pytest.raises(ValueError, match=r"its shape, \[100000000000\], takes 800000000000 bytes, and it has"):
        read(lying)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", HEADER),
        (b"PK\x03\x04", HEADER),
        (b"\x93NUMPY", HEADER),
        (b"\x93NUMPY\x09\x00", HEADER),
        (
            b"\x93NUMPY\x01\x00\xff\x20" + b"(" * 0x20FF,
            "its header is damaged or cut off, or of a version that no array of numbers needs",
        ),
        (saved(np.zeros(4, "f4"))[:-1], r"its shape, \[4\], takes 16 bytes, and it has 15"),
        (saved(np.zeros(4, "f4")) + b"x", r"its shape, \[4\], takes 16 bytes, and it has 17"),
        (saved(np.zeros(2, "c8")), "its values are complex64, not float32 or float64 or int64 or uint8"),
        (saved(np.zeros(2, "?")), "its values are bool, not float32 or float64 or int64 or uint8"),
        (saved(np.array(["a"])), "its values are str32, not float32 or float64 or int64 or uint8"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused_in_words(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(data)
