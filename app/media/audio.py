"""Sound files to arrays: WAV, FLAC, Ogg (Vorbis and Opus) and MP3, of any rate, and what is refused.

The type is read from the bytes. What a header tells is judged before memory is spent on what follows it. Knows
libsndfile; `resampling`, `pieces` and `audio_writer` go on from here.
"""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from app.errors import SoundTooLong, UnreadableSound, UnsupportedSound
from app.media import sound_files
from app.media.sound_files import NAMES, Kind

Samples = NDArray[np.float32]
"""Sound [channels, t], full scale at ±1."""

KINDS: dict[str, Kind] = {"WAV": "wav", "WAVEX": "wav", "RF64": "wav", "FLAC": "flac", "OGG": "ogg", "MP3": "mp3"}
"""Kinds of files by libsndfile's names."""

SUBTYPES = (
    *("PCM_U8", "PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"),
    *("VORBIS", "OPUS", "MPEG_LAYER_III"),
)
"""Codings that are read, by libsndfile's names; a WAV may hold others, such as ADPCM."""

RATES = (1_000, 384_000)
"""The least and the largest rate in Hz: beyond, a header is wrong, or isn't about sound."""

UNKNOWN = 2**63 - 1
"""The frames that libsndfile reports where a header doesn't tell."""

BLOCK = 2**16
"""Frames decoded at a time."""


@dataclass(frozen=True)
class Limits:
    """What is decoded at most. `values` are those of all channels: 2²⁷ are 512 MiB, eleven minutes of stereo at 96 kHz.

    The second bound is there since ten minutes may be 8 channels at 384 kHz, 7 GB, in a FLAC of 2 MB.
    """

    seconds: float = 600
    channels: int = 8
    values: int = 2**27


LIMITS = Limits()


@dataclass(frozen=True, eq=False)
class Sound:
    """A decoded file: samples float32 [channels, t] in [-1, 1], one or more, and in what form they came.

    `subtype` is libsndfile's name of how samples are coded: PCM_16, FLOAT, ULAW, VORBIS …
    """

    samples: Samples
    rate: int
    kind: Kind
    subtype: str

    @property
    def channels(self) -> int:
        return len(self.samples)

    @property
    def frames(self) -> int:
        """Samples of each channel."""
        return int(self.samples.shape[1])


def decode(data: bytes, limits: Limits = LIMITS) -> Sound:
    """The sound in a file; what lies outside [-1, 1], as it may in float files and after lossy coding, is clamped.

    Raises `UnsupportedSound` for what is no sound file, or one of a kind that isn't read; `SoundTooLong`;
    `UnreadableSound` for what breaks off or is damaged, holds no sound, too many channels, NaN or infinity, or has a
    rate outside `RATES`.
    """
    kind = sound_files.kind(data)
    if kind is None:
        raise UnsupportedSound("The first bytes are not those of a WAV, FLAC, Ogg or MP3 file; send one of these.")
    if kind == "ogg":
        # Before it is opened: of each Ogg whose headers make no sense, libsndfile 1.2.2 keeps 3 kB for ever.
        _require_whole(data, kind)
    try:
        file = soundfile.SoundFile(BytesIO(data))
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip(" .")
        raise UnreadableSound(f"The {NAMES[kind]} file can't be opened ({reason}); save it again.") from error
    with file:
        kind = _judge(file, limits)
        if kind != "ogg":
            _require_whole(data, kind)
        if not file.frames:
            raise UnreadableSound(f"The {NAMES[kind]} file holds no sound: its header is all there is.")
        return Sound(_read(file, kind), file.samplerate, kind, file.subtype)


def _require_whole(data: bytes, kind: Kind) -> None:
    if flaw := sound_files.flaw(data, kind):
        raise UnreadableSound(f"The {NAMES[kind]} file {flaw}.")


def _judge(file: soundfile.SoundFile, limits: Limits) -> Kind:
    """The kind of a file of which the header was read; raises as `decode` does for what the header tells."""
    kind = KINDS.get(file.format)
    if kind is None or file.subtype not in SUBTYPES:
        raise UnsupportedSound(
            f"{file.format} files with {file.subtype_info} are not read; send WAV (PCM, float, µ-law or A-law), FLAC, "
            "Ogg (Vorbis or Opus) or MP3."
        )
    if file.channels > limits.channels:
        raise UnreadableSound(
            f"The sound has {file.channels} channels; {limits.channels} are taken at most: mix it down."
        )
    least, largest = RATES
    if not least <= file.samplerate <= largest:
        raise UnreadableSound(
            f"The sound has {file.samplerate} samples a second; {least} to {largest} are taken: is its header right?"
        )
    if file.frames == UNKNOWN:
        raise UnreadableSound(
            f"The {NAMES[kind]} file doesn't say how long it is, as if written to a pipe; save it as a file first."
        )
    most = min(limits.seconds, limits.values / file.channels / file.samplerate)
    if file.frames > most * file.samplerate:
        raise SoundTooLong(file.frames / file.samplerate, most, f"{file.channels} channels at {file.samplerate} Hz")
    return kind


def _read(file: soundfile.SoundFile, kind: Kind) -> Samples:
    """All of a file. As long as its header says: if that was a lie, no more is decoded, and pages that nothing is
    written to cost nothing.
    """
    samples = np.empty((file.channels, file.frames), np.float32)
    done = 0
    while done < file.frames:
        try:
            block = file.read(BLOCK, dtype="float32", always_2d=True).T
        except soundfile.LibsndfileError as error:
            raise _broken(kind) from error
        # A damaged MP3 may hold more than its header tells.
        if not 0 < block.shape[1] <= file.frames - done:
            raise _broken(kind)
        if not np.isfinite(block).all():
            raise UnreadableSound("The sound holds NaN or infinity; a sample is a number from -1 to 1.")
        end = done + block.shape[1]
        np.clip(block, -1, 1, out=samples[:, done:end])
        done = end
    return samples


def _broken(kind: Kind) -> UnreadableSound:
    return UnreadableSound(
        f"The {NAMES[kind]} file is damaged, or breaks off before the end that its header tells; send all of it, or "
        "save it again."
    )
