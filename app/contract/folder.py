"""Reading, checking and writing model folders. Whatever is read is a file of the folder, bounded, and unaltered."""

import hashlib
import os
import stat
from pathlib import Path

from pydantic import ValidationError

from app import onnxfile
from app.contract import bounds
from app.contract.errors import ContractError
from app.contract.manifest import Manifest
from app.onnxfile import Screened

MANIFEST = "model.json"

# Not through a link, and without waiting for whoever might write into a pipe.
_CAREFULLY = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

_FLAWS = 8
"""Flaws of a manifest that are told: a hostile one may have thousands."""


def digest(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def read(folder: Path) -> Manifest:
    """The manifest of a model folder; `ContractError` if it is missing, malformed, too large, or names another folder,
    or the way to it leads through a link.
    """
    path = folder / MANIFEST
    data = _bytes(folder, MANIFEST, bounds.MANIFEST_BYTES)
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        raise ContractError(f"{path} is not a valid manifest: {_told(error)}") from error
    if (folder.parent.name, folder.name) != (manifest.name, str(manifest.version)):
        raise ContractError(f"{path} says {manifest.reference}, its folder says {folder.parent.name}@{folder.name}")
    return manifest


def load(folder: Path, manifest: Manifest, file: str) -> bytes:
    """The bytes of one listed file, checked against its hash.

    Raises `ContractError` if it is not listed, missing, no regular file, too large, altered, or behind a link. Whoever
    goes on with these bytes, and not with the path, uses what was checked.
    """
    if file not in manifest.files:
        raise ContractError(f"{folder / MANIFEST} does not list {file}")
    graph = file in {graph.file for graph in manifest.graphs.values()}
    data = _bytes(folder, file, bounds.GRAPH_BYTES if graph else bounds.FILE_BYTES)
    if digest(data) != manifest.files[file]:
        raise ContractError(f"{folder / file} was altered: its SHA-256 is not the manifest's")
    return data


def load_graph(folder: Path, manifest: Manifest, file: str, budget: int | None = None) -> tuple[bytes, Screened]:
    """The bytes of a graph as `load` gives them, looked through before any runtime sees them, and what was seen.

    `ContractError` also if they are no plain ONNX graph, see `app.onnxfile`, or, by what they say, one whose values
    take more than `budget` bytes.
    """
    data = load(folder, manifest, file)
    try:
        return data, onnxfile.screen(data, budget)
    except onnxfile.GraphRefusedError as error:
        raise ContractError(f"{folder / file} is refused: {error}") from error


def check(folder: Path, budget: int | None = None) -> Manifest:
    """The manifest of a folder whose every listed file is there, inside the folder and unaltered, and whose every graph
    may be given to a runtime.
    """
    manifest = read(folder)
    graphs = {graph.file for graph in manifest.graphs.values()}
    for file in manifest.files:
        if file in graphs:
            load_graph(folder, manifest, file, budget)
        else:
            load(folder, manifest, file)
    for golden in manifest.golden:
        golden.array()
    return manifest


def write(folder: Path, manifest: Manifest) -> None:
    """Writes `model.json`, last: a folder without one is not yet a model."""
    temporary = folder / f".{MANIFEST}"
    temporary.write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    temporary.replace(folder / MANIFEST)


def _bytes(folder: Path, file: str, most: int) -> bytes:
    """The bytes of a regular file that lies in the folder itself, of at most that many; else `ContractError`.

    Where `models/` itself lies is the operator's choice, and may be a link; what is below it is the folder's author's.
    """
    path = folder / file
    for part in (folder.parent, folder, path):
        if part.is_symlink():
            raise ContractError(f"{part} is a symbolic link: a model folder holds its files itself")
    try:
        descriptor = os.open(path, _CAREFULLY)
        try:
            size = _size(path, descriptor, most)
            with os.fdopen(descriptor, "rb", closefd=False) as opened:
                return opened.read(size)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ContractError(f"{path} can't be read: {error.strerror}") from error


def _size(path: Path, descriptor: int, most: int) -> int:
    """The bytes of an open file; `ContractError` unless it is a regular one of at most that many."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise ContractError(f"{path} is no regular file")
    if found.st_size > most:
        raise ContractError(f"{path} has {found.st_size:,} bytes; {most:,} are read at most")
    return found.st_size


def _told(error: ValidationError) -> str:
    """The first flaws in words, without what was given, which may be megabytes."""
    flaws = [
        f"{'.'.join(str(step)[:40] for step in flaw['loc'][:8]) or 'manifest'}: {flaw['msg'][:300]}"
        for flaw in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    more = f"; and {len(flaws) - _FLAWS:,} more" if len(flaws) > _FLAWS else ""
    return "; ".join(flaws[:_FLAWS]) + more
