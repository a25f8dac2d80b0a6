"""Sound to WAV and FLAC files, which can be sent while they are written. Same sound, same bytes.

Samples are rounded to the nearest step, without dither, and clamped to full scale: what was read from a file and not
changed goes back to it exactly. (libsndfile itself rounds down in WAV.) FLAC is libsndfile's; of WAV it writes the
samples, and the header is ours: its own can't be sent before the end is known, and holds the time of writing.
"""

import struct
from dataclasses import dataclass
from typing import Literal

import numpy as np
import soundfile
from numpy.typing import NDArray

from app.errors import InvalidParameter
from app.media.audio import Samples, Sound

Format = Literal["wav", "flac"]

BITS = {"PCM_U8": 8, "PCM_S8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
"""Bits of the subtypes that are integers."""

TAGS = {"FLOAT": (3, 32), "DOUBLE": (3, 64), "ALAW": (6, 8), "ULAW": (7, 8)}
"""WAV's format tag and bits of those that are not; integers have 1."""

INTO: dict[Format, dict[str, str]] = {
    "wav": {"PCM_S8": "PCM_U8"},
    "flac": {"PCM_U8": "PCM_S8", "PCM_32": "PCM_24", "FLOAT": "PCM_24", "DOUBLE": "PCM_24"}
    | dict.fromkeys(("ULAW", "ALAW"), "PCM_16"),
}
"""The subtypes that a format lacks, and the nearest that it has."""

LOSSY = ("VORBIS", "OPUS", "MPEG_LAYER_III")
"""Subtypes that are answered in 16 bits."""

TOTAL = 21
"""Where a FLAC file says how many samples it has: the lower 4 bits of this byte and the next 4 bytes (RFC 9639,
section 8.2)."""

BLOCK = 2**16
"""Frames converted at a time."""


@dataclass(frozen=True)
class Form:
    """What a sound is written as: `frames` samples of each channel, coded as libsndfile's `subtype` says."""

    format: Format
    subtype: str
    rate: int
    channels: int
    frames: int


def form(sound: Sound, asked: Format | None = None) -> Form:
    """The form in which a sound is answered: as it came, at its rate; Ogg and MP3 as FLAC of 16 bits.

    Lossy coding a second time would add noise to what was taken out, and Ogg's bytes differ at each writing. Where
    FLAC can't hold a rate, what was Ogg, or FLAC of another making, becomes WAV. A format that is `asked` for holds
    the nearest subtype that it has; `InvalidParameter` where FLAC is, and can't hold the rate.
    """
    fits = sound.rate < 2**16 or sound.rate % 10 == 0  # of what goes in a frame's header: RFC 9639, section 9.1.2
    if asked == "flac" and not fits:
        message = f"FLAC can't hold {sound.rate} Hz, which is no multiple of 10 above 65535; ask for wav"
        raise InvalidParameter.of("format", message)
    written = asked or ("wav" if sound.kind == "wav" or not fits else "flac")
    subtype = "PCM_16" if sound.subtype in LOSSY else INTO[written].get(sound.subtype, sound.subtype)
    return Form(written, subtype, sound.rate, sound.channels, sound.frames)


def encode(samples: Samples, form: Form, comment: str = "") -> bytes:
    """Sound [channels, frames] as a file with that comment; ValueError if it is not of that shape."""
    writer = Writer(form, comment)
    writer.write(samples)
    writer.close()
    return writer.take()


def size(form: Form, comment: str = "") -> int | None:
    """Bytes of a file, as far as that is known before it is written: of a FLAC it is not."""
    if form.format == "flac":
        return None
    return len(_header(form, comment)) + _bytes(form) + len(_trailer(form, comment))


class Writer:
    """A file that is written block by block, of which what is there may be taken away at any time.

    A FLAC that was taken in parts lacks the MD5 of its samples, which stands at its front; its length is there.
    """

    def __init__(self, form: Form, comment: str = "") -> None:
        """`comment`, in ASCII, is kept as the tag of that name: in WAV that of a LIST chunk, which is `ICMT`."""
        self._form = form
        self._comment = comment
        self._left = form.frames
        self._sink = _Sink()
        raw = form.format == "wav"
        if raw:
            self._sink.write(_header(form, comment))
        self._file = soundfile.SoundFile(
            self._sink,
            "w",
            samplerate=form.rate,
            channels=form.channels,
            format="RAW" if raw else "FLAC",
            subtype=form.subtype,
            endian="LITTLE" if raw else "FILE",
        )
        if comment and not raw:
            self._file.comment = comment

    def write(self, samples: Samples) -> None:
        """The next frames [channels, k]. ValueError if the channels are not as many, or the frames more, than the form
        says.
        """
        channels, frames = samples.shape
        if channels != self._form.channels or frames > self._left:
            raise ValueError(
                f"sound of {channels} channels and {frames} frames came where {self._form.channels} and at most "
                f"{self._left} were left"
            )
        self._left -= frames
        for start in range(0, frames, BLOCK):
            self._file.write(_coded(samples[:, start : start + BLOCK].T, self._form.subtype))

    def close(self) -> None:
        """Ends the file. ValueError if frames are missing: what a header promised, or will, must be true."""
        if self._left:
            raise ValueError(f"{self._left} of {self._form.frames} frames are missing")
        self._file.close()
        if self._form.format == "wav":
            self._sink.write(_trailer(self._form, self._comment))

    def take(self) -> bytes:
        """What was written since it was taken the last time."""
        if self._form.format == "flac" and not self._file.closed:
            self._sink.promise(self._form.frames)
        return self._sink.take()


class _Sink:
    """What libsndfile writes to, of which the front may be gone: what it alters there later is dropped."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._gone = 0
        self._at = 0

    def write(self, data: bytes) -> int:
        lost = min(max(self._gone - self._at, 0), len(data))
        start = max(self._at - self._gone, 0)
        self._kept[start : start + len(data) - lost] = data[lost:]
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._gone + len(self._kept))[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def take(self) -> bytes:
        data = bytes(self._kept)
        self._gone += len(data)
        self._kept.clear()
        return data

    def promise(self, frames: int) -> None:
        """Writes into a FLAC header, if it has not gone, how many frames will come."""
        if not self._gone and self._kept:
            self._kept[TOTAL] |= frames >> 32
            self._kept[TOTAL + 1 : TOTAL + 5] = (frames & 0xFFFFFFFF).to_bytes(4, "big")


def _coded(samples: Samples, subtype: str) -> NDArray[np.float32] | NDArray[np.int32]:
    """Frames [t, channels] as libsndfile stores them without further rounding: integers in the upper bits of 32."""
    bits = BITS.get(subtype)
    if bits is None:
        return np.clip(samples, -1, 1)
    scale = 2 ** (bits - 1)
    # In float64, which holds 32 bits.
    steps: NDArray[np.int32] = np.rint(samples.astype(np.float64) * scale).clip(-scale, scale - 1).astype(np.int32)
    return steps << (32 - bits)


def _bytes(form: Form) -> int:
    """Bytes of the samples."""
    return form.frames * form.channels * _tag(form.subtype)[1] // 8


def _tag(subtype: str) -> tuple[int, int]:
    return TAGS.get(subtype) or (1, BITS[subtype])


def _header(form: Form, comment: str) -> bytes:
    """All of a WAV file up to its samples (Microsoft & IBM 1991; Microsoft 1994 for what is not integers)."""
    tag, bits = _tag(form.subtype)
    frame, samples = form.channels * bits // 8, _bytes(form)
    described = struct.pack("<HHIIHH", tag, form.channels, form.rate, form.rate * frame, frame, bits)
    chunks = _chunk(b"fmt ", described)
    if tag != 1:
        chunks = _chunk(b"fmt ", described + bytes(2)) + _chunk(b"fact", struct.pack("<I", form.frames))
    chunks += b"data" + struct.pack("<I", samples)
    length = 4 + len(chunks) + samples + len(_trailer(form, comment))
    return b"RIFF" + struct.pack("<I", length) + b"WAVE" + chunks


def _trailer(form: Form, comment: str) -> bytes:
    """What follows the samples of a WAV file. The comment does: some take the samples to begin at byte 44."""
    padding = bytes(_bytes(form) % 2)
    if not comment:
        return padding
    text = comment.encode("ascii") + b"\0"
    return padding + _chunk(b"LIST", b"INFO" + _chunk(b"ICMT", text + bytes(len(text) % 2)))


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content
