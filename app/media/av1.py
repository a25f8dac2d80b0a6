"""How large the frames of an AV1 stream may be, by its sequence headers. Used by `avif`.

Sections are those of the AV1 Bitstream & Decoding Process Specification, version 1.0.0 with errata 1.
"""

SEQUENCE_HEADER = 1
MAX_UNITS = 256
"""Parts of a stream; a still picture has about three."""

MAX_HEADER = 512
"""Bytes of a sequence header that are looked at; with every option in use it takes some three hundred."""


def largest_frame(stream: bytes) -> tuple[int, int]:
    """Width and height of the largest frame that the headers in a stream allow; (0, 0) if it has none.

    Raises ValueError or IndexError if the stream isn't whole.
    """
    sizes = [(0, 0)]
    at = 0
    for _ in range(MAX_UNITS):
        if at >= len(stream):
            return max(sizes, key=lambda size: size[0] * size[1])
        header = stream[at]
        at += 2 if header & 4 else 1
        length = len(stream) - at
        if header & 2:
            length, at = _leb128(stream, at)
        if header >> 3 & 15 == SEQUENCE_HEADER:
            sizes.append(_frame_size(_Bits(stream[at : at + min(length, MAX_HEADER)])))
        at += length
    raise ValueError(f"one of its streams has more than {MAX_UNITS} parts")


def _leb128(stream: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and where it ends (section 4.10.5)."""
    value = 0
    for index in range(8):
        value |= (stream[at + index] & 127) << 7 * index
        if stream[at + index] < 128:
            return value, at + index + 1
    raise ValueError("one of its streams is damaged")


class _Bits:
    """Numbers of any count of bits, one after the other."""

    def __init__(self, data: bytes) -> None:
        self.value = int.from_bytes(data)
        self.left = 8 * len(data)

    def take(self, count: int) -> int:
        self.left -= count
        if self.left < 0:
            raise ValueError("one of its streams is cut off")
        return self.value >> self.left & (1 << count) - 1

    def skip_variable(self) -> None:
        """Past a number whose length is that of the zeros before it (section 4.10.3)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        self.take(zeros)


def _frame_size(bits: _Bits) -> tuple[int, int]:
    """The largest frame that a sequence header allows (section 5.5.1)."""
    bits.take(4)  # profile, still picture
    if bits.take(1):  # the short header of a still picture
        bits.take(5)
    else:
        _skip_operating_points(bits)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(width_bits) + 1, bits.take(height_bits) + 1


def _skip_operating_points(bits: _Bits) -> None:
    """Past what a sequence header says of timing and of the buffers of a decoder."""
    delay_bits = 0
    if bits.take(1):
        bits.take(64)
        if bits.take(1):
            bits.skip_variable()
        if bits.take(1):
            delay_bits = bits.take(5) + 1
            bits.take(42)
    delayed = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if delay_bits and bits.take(1):
            bits.take(2 * delay_bits + 1)
        if delayed and bits.take(1):
            bits.take(4)
