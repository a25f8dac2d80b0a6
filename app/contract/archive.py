"""A model folder as one file, a zip or a tar, which anybody may have made: unpacked within bounds, or refused.

Only what a model folder is made of comes out: plain files, side by side, of names that the contract allows. No path of
the archive is ever followed.
"""

import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple
from zlib import error as ZlibError

from pydantic import TypeAdapter, ValidationError

from app.contract import bounds
from app.contract.errors import ContractError
from app.contract.folder import MANIFEST
from app.contract.tensors import FileName

CHUNK = 1 << 16

LARGEST_READ = 1 << 20
"""Bytes that are read at once: a tar's header may name its own length."""

DIRECTORY = 1 << 16
"""Bytes of a zip's table of contents: far more than so few files need."""

MEMBERS = 2 * bounds.FILES
"""Entries of a tar, folders among them."""

END = 22
"""Bytes of the record at a zip's end."""

BROKEN = (tarfile.TarError, zipfile.BadZipFile, ZlibError, struct.error, EOFError, RuntimeError, ValueError)
"""What the standard library says of an archive that is damaged, encrypted, or packed in a way that it doesn't know."""

_NAME: TypeAdapter[str] = TypeAdapter(FileName)


class Member(NamedTuple):
    """One file of an archive: its path there, and what it holds."""

    path: str
    content: IO[bytes]


def unpack(archive: Path, folder: Path, most: int) -> None:
    """Writes the files of an archive into a new `folder`, the manifest last; `ContractError` if it is no archive of a
    model folder, or one whose files have more than `most` bytes in all.

    The files may lie at the archive's root or all in one folder of it.
    """
    folder.mkdir(parents=True)
    homes: set[str] = set()
    room = most
    with archive.open("rb") as opened:
        try:
            for member in _members(opened):
                path = PurePosixPath(member.path)
                homes.add(str(path.parent))
                name = _name(path, homes)
                room -= _write(member.content, folder / f".{name}", room, most)
                if len(list(folder.iterdir())) > bounds.FILES + 1:
                    raise ContractError(f"the archive holds more than {bounds.FILES + 1} files")
        except BROKEN as error:
            if isinstance(error, ContractError):
                raise
            raise ContractError(f"the archive can't be read: {error or type(error).__name__}") from error
    if not (folder / f".{MANIFEST}").exists():
        raise ContractError(f"the archive holds no {MANIFEST}, which every model folder has")
    for file in sorted(folder.iterdir(), key=lambda file: file.name == f".{MANIFEST}"):
        file.rename(folder / file.name[1:])


def _members(opened: IO[bytes]) -> Iterator[Member]:
    start = opened.read(4)
    opened.seek(0)
    return _of_zip(opened) if start[:2] == b"PK" else _of_tar(opened)


def _of_zip(opened: IO[bytes]) -> Iterator[Member]:
    size = opened.seek(0, os.SEEK_END)
    opened.seek(max(0, size - END))
    last = opened.read(END)
    # A comment, or the larger format, would be another way to say where the table is: there must be only one.
    if last[:4] != b"PK\x05\x06" or last[20:] != b"\0\0":
        raise ContractError("the zip doesn't end as a plain one does: it is cut off, or has a comment")
    if (directory := int.from_bytes(last[12:16], "little")) > DIRECTORY:
        raise ContractError(f"the zip's table of contents has {directory:,} bytes; {DIRECTORY:,} are read at most")
    with zipfile.ZipFile(opened) as packed:
        for info in packed.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if info.is_dir():
                continue
            if kind not in (0, stat.S_IFREG):
                raise ContractError(f"the archive holds {info.filename[:99]!r}, which is no plain file")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ContractError("the zip is packed in an unusual way; store its files, or deflate them")
            with packed.open(info) as content:
                yield Member(info.filename, content)


def _of_tar(opened: IO[bytes]) -> Iterator[Member]:
    try:
        packed = tarfile.open(fileobj=_Modest(opened), mode="r:")  # type: ignore[call-overload] # noqa: SIM115
    except tarfile.TarError as error:
        raise ContractError("it is neither a zip nor an uncompressed tar; weights can hardly be compressed") from error
    with packed:
        for number, info in enumerate(packed):
            if number > MEMBERS:
                raise ContractError(f"the archive has more than {MEMBERS} entries, folders among them")
            if info.isdir():
                continue
            if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or info.sparse is not None:
                raise ContractError(f"the archive holds {info.name[:99]!r}, which is no plain file")
            content = packed.extractfile(info)
            if content is not None:
                yield Member(info.name, content)


class _Modest:
    """A file that is read in small pieces only."""

    def __init__(self, opened: IO[bytes]) -> None:
        self._opened = opened
        self.seek = opened.seek
        self.tell = opened.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= LARGEST_READ:
            raise ContractError("the tar has a header larger than any name")
        return self._opened.read(size)


def _name(path: PurePosixPath, homes: set[str]) -> str:
    """The name of a file; `ContractError` unless it may lie in a model folder, and beside the others."""
    if path.is_absolute() or ".." in path.parts or len(homes) > 1:
        raise ContractError(f"the archive's {str(path)[:99]!r} doesn't lie in the folder of the others")
    try:
        return _NAME.validate_python(path.name)
    except ValidationError as error:
        raise ContractError(
            f"the archive's {str(path)[:99]!r} is no name of a model's file: letters, digits, dot, dash and underscore"
        ) from error


def _write(content: IO[bytes], path: Path, room: int, most: int) -> int:
    """Writes a file that isn't there yet; its bytes. `ContractError` if there are more than there is room for."""
    written = 0
    try:
        with path.open("xb") as out:
            while part := content.read(CHUNK):
                written += len(part)
                if written > room:
                    raise ContractError(f"the archive's files have more than {most:,} bytes in all; so many are taken")
                out.write(part)
            out.flush()
            os.fsync(out.fileno())
    except FileExistsError as error:
        raise ContractError(f"the archive holds {path.name[1:]} twice") from error
    return written
