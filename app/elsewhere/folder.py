"""Writes the model folder of a graph made elsewhere, proves it as the service would, and moves it where it belongs."""

import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from app import card, contract
from app.contract import ContractError, Exporter, Golden, Licence, Manifest, Origin, Pixels
from app.elsewhere import describe, look
from app.elsewhere.describe import Found
from app.elsewhere.wishes import RefusedError, Wishes
from app.engine import model, providers
from app.engine.providers import Device
from app.engine.session import Session
from app.media import images, png

FILE = "generator.onnx"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
SEEDS = (0, 1, 2, 42)
"""Seeds of the golden samples, as of the models that are trained here."""

SHEET = 2048
"""Pixels that a side of the sample sheet has at most, unless a single picture is larger."""


@dataclass(frozen=True)
class Added:
    """A model folder that was added and proven, and what is remarkable of its graph."""

    folder: Path
    manifest: Manifest
    remarks: tuple[str, ...]


def add(path: Path, wishes: Wishes, models: Path, device: Device, max_batch: int) -> Added:
    """Writes `models/<name>/<next free version>/` from the graph in a file, once it is proven on a device.

    `MissingError` or `RefusedError`, and nothing stays of it, if it can't be served or more must be said.
    """
    name = _name(path) if wishes.name is None else wishes.name
    for flag, given in (("--name", name), ("--style", wishes.style)):
        if given is not None and not NAME.fullmatch(given):
            raise RefusedError(f"{flag} {given} can't be a name: those are lower-case letters, digits, - and _")
    opened = look.opened(path)
    found = describe.found(opened, wishes, FILE)
    version = _next_version(models / name)
    models.mkdir(parents=True, exist_ok=True)
    # Hidden, so that no service takes it for a model before it is whole; beside the others, so that it can be moved.
    with tempfile.TemporaryDirectory(prefix=".adding-", dir=models) as hidden:
        beside = Path(hidden) / name / str(version)
        beside.mkdir(parents=True)
        (beside / FILE).write_bytes(opened.data)
        origin = Origin(
            file=path.name, producer=opened.producer, source=wishes.source, date=datetime.now(UTC).date().isoformat()
        )
        try:
            manifest = _write(beside, wishes, found, origin)
            model.prove(beside, device, max_batch)
        except Exception as error:  # whatever it is, the service would refuse the model
            reason = str(error) if isinstance(error, ContractError) else look.reason(error)
            raise RefusedError(f"the model that came of it can't be served: {reason}") from error
        folder = models / name / str(version)
        folder.parent.mkdir(exist_ok=True)
        try:
            beside.rename(folder)
        except OSError as error:
            raise RefusedError(f"{folder} was taken meanwhile ({error.strerror}): try again") from error
    return Added(folder, manifest, found.remarks)


def _write(folder: Path, wishes: Wishes, found: Found, origin: Origin) -> Manifest:
    """Writes all but the graph, the manifest last."""
    facts: dict[str, Any] = {
        "name": folder.parent.name,
        "version": int(folder.name),
        "title": wishes.title or folder.parent.name,
        "tasks": (found.task,),
        "graphs": {"generator": found.graph},
        "latent": found.latent,
        "classes": wishes.classes,
        "styles": {wishes.style: "generator"} if found.task == "style" else {},
        "origin": origin,
        "licence": Licence(data=wishes.data or "not stated", weights=wishes.licence or ""),
        "notes": wishes.notes,
        "exporter": Exporter(runtime=providers.RUNTIME, processor=contract.processor()),
    }
    draft = Manifest.model_construct(**facts, golden=(), files={}, metrics=())
    session = Session((folder / FILE).read_bytes(), found.graph, max_batch=1)
    facts["golden"] = tuple(_golden(draft, session))
    (folder / "samples.png").write_bytes(png.encode(_sheet(draft, session), {}))
    hashes = {file.name: contract.digest(file.read_bytes()) for file in sorted(folder.iterdir())}
    manifest = Manifest(**facts, files=hashes)
    text = card.render(manifest).encode()
    (folder / "README.md").write_bytes(text)
    manifest = manifest.model_copy(update={"files": hashes | {"README.md": contract.digest(text)}})
    contract.write(folder, manifest)
    return manifest


def _draw(draft: Manifest, session: Session, seed: int, indices: Sequence[int], label: int | None) -> Pixels:
    """Samples of a seed, each alone, uint8 [n, h, w, c]."""
    name = draft.graphs["generator"].outputs[0].name
    drawn = [session.run(draft.inputs(seed, range(i, i + 1), label))[name] for i in indices]
    return np.concatenate(drawn)


def _golden(draft: Manifest, session: Session) -> Iterator[Golden]:
    for seed in SEEDS if draft.latent else SEEDS[:2]:
        label = seed % len(draft.classes) if draft.classes else None
        yield Golden.of(seed, label, _draw(draft, session, seed, [0], label)[0])


def _sheet(draft: Manifest, session: Session) -> Pixels:
    """Samples of seed 0: the first ones of each class, or of none; or what it is given, and what it makes of it."""
    height, width, _ = draft.graphs["generator"].outputs[0].sample
    columns, rows = max(1, min(8, SHEET // width)), max(1, min(8, SHEET // height))
    given = draft.graphs["generator"].input("image")
    if given is not None:
        indices = range(columns)
        drawn = _draw(draft, session, 0, indices, None)
        before = draft.inputs(0, indices)[given.name]
        return images.sheet(np.concatenate([before, drawn]) if before.shape == drawn.shape else drawn, columns)
    if draft.classes:
        shown = range(min(len(draft.classes), 2 * rows))
        return images.sheet(np.concatenate([_draw(draft, session, 0, range(columns), i) for i in shown]), columns)
    return images.sheet(_draw(draft, session, 0, range(rows * columns), None), columns)


def _name(path: Path) -> str:
    """A model's name from a file's."""
    return re.sub(r"[^a-z0-9_-]+", "-", path.stem.lower()).strip("-_")[:64] or "model"


def _next_version(folder: Path) -> int:
    versions = [int(path.name) for path in folder.glob("[0-9]*") if path.name.isdecimal()]
    return max(versions, default=0) + 1
