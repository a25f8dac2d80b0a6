"""Protobuf's wire format (protobuf.dev/programming-guides/encoding): the fields of a message, one after the other.

Strict where the format is lenient: what a canonical writer never writes is an error, since two readers may take it for
two things. Knows nothing of ONNX.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from app.onnxfile.refusal import GraphRefusedError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

Value = int | memoryview


@dataclass
class Purse:
    """How many fields may still be read of a file: what is read costs time, whatever it says."""

    fields: int

    def spend(self) -> None:
        """Takes one; `GraphRefusedError` when none is left."""
        self.fields -= 1
        if self.fields < 0:
            raise GraphRefusedError("it has more fields than are read")


def fields(data: memoryview, purse: Purse) -> Iterator[tuple[int, int, Value]]:
    """The number, wire type and value of each field of a message, in their order.

    The value is an int of a varint (as it is written, without sign), else the bytes. `GraphRefusedError` if they are no
    such message.
    """
    at, end = 0, len(data)
    while at < end:
        purse.spend()
        key, at = varint(data, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise GraphRefusedError("it is no protobuf: a field has the number 0")
        value: Value
        if kind == VARINT:
            value, at = varint(data, at)
        elif kind in (BYTES, FIXED32, FIXED64):
            length = 4 if kind == FIXED32 else 8
            if kind == BYTES:
                length, at = varint(data, at)
            if length > end - at:
                raise GraphRefusedError(
                    f"it is cut off: a field of {length:,} bytes begins {end - at:,} before the end"
                )
            value = data[at : at + length]
            at += length
        else:
            raise GraphRefusedError(f"it is no protobuf of ONNX: a field has the wire type {kind}")
        yield number, kind, value


def varint(data: memoryview, at: int) -> tuple[int, int]:
    """The number that begins there, of at most 64 bits, and where it ends."""
    value = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64:
                break
            return value, at
        shift += 7
        if shift >= 70:
            break
    raise GraphRefusedError("it is no protobuf: a number is cut off, or has more than 64 bits")


def signed(value: int) -> int:
    """What an int64 means by a varint."""
    return value - (1 << 64) if value >> 63 else value


def varints(data: memoryview) -> Iterator[int]:
    """The numbers of a packed field."""
    at = 0
    while at < len(data):
        value, at = varint(data, at)
        yield value
