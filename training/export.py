"""A run's weights to a model folder: torch → ONNX → the same answers as torch → manifest, samples and card.

An export whose graph does not answer as torch does is an error, and leaves no folder behind.
"""

import logging
import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from app import contract
from training import card, checkpoint, config, journal, parity, runtime
from training.checkpoint import Checkpoint
from training.parity import ExportError
from training.recipes import Export, Networks, Panel, Recipe, Source, find
from training.settings import TRANSIENT

log = logging.getLogger("ganymede.export")

SEEDS = (0, 1, 2, 42)
"""Seeds of the golden samples."""


def export(
    run: Path,
    models: Path,
    *,
    name: str,
    title: str | None = None,
    version: int | None = None,
    weights: str = "best",
    licence: contract.Licence,
    notes: str = "",
) -> Path:
    """Writes `models/<name>/<version>/` from a run's `best` or `last` weights; the folder.

    `version` is the next free one by default. Raises ExportError, CheckpointError or ConfigError.
    """
    saved = checkpoint.load(run / (checkpoint.BEST if weights == "best" else checkpoint.LAST))
    folder = models / name / str(version or _next_version(models / name))
    if folder.exists():
        raise ExportError(f"{folder} exists: a version is never overwritten, choose another")
    recipe, networks, source = restore(saved)
    beside = folder.with_name(f".{folder.name}")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        graphs = {made.role: _graph(made, beside, len(source.classes)) for made in recipe.exports(networks)}
        facts: dict[str, Any] = {
            "name": name,
            "version": int(folder.name),
            "title": title or f"{name}: {saved.settings['recipe']} on {Path(saved.settings['data']).stem}",
            "tasks": recipe.tasks,
            "graphs": graphs,
            "latent": _latent(graphs),
            "classes": source.classes,
            "training": _provenance(saved),
            "licence": licence,
            "notes": notes,
            "exporter": contract.Exporter(runtime=runtime.RUNTIME, processor=contract.processor()),
        }
        _complete(beside, facts)
    except BaseException:
        shutil.rmtree(beside)
        raise
    beside.rename(folder)
    contract.check(folder)
    log.info("%s: %s", folder, ", ".join(graph.file for graph in graphs.values()))
    return folder


def restore(saved: Checkpoint) -> tuple[Recipe, Networks, Source]:
    """The recipe and its networks as they are served: averages in the place of what they average, evaluation mode."""
    recipe, _ = config.build(saved.settings)
    source = Source(saved.source["size"], saved.source["channels"], tuple(saved.source["classes"]))
    networks = recipe.networks(source)
    for name, network in networks.items():
        network.load_state_dict(saved.averages.get(name, saved.networks[name]))
        network.eval().requires_grad_(False)
    return recipe, networks, source


def _graph(made: Export, folder: Path, classes: int) -> contract.Graph:
    """Exports one graph and holds it against torch."""
    file = f"{made.role}.onnx"
    names = [tensor.name for tensor in made.inputs]
    outputs = [tensor.name for tensor in made.outputs]
    batch = torch.export.Dim("n")
    program = torch.onnx.export(
        made.module.eval(),
        made.example,
        input_names=names,
        output_names=outputs,
        dynamic_shapes=(tuple({0: batch} for _ in names),),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    assert program is not None
    program.save(str(folder / file))
    parity.check(made, runtime.load((folder / file).read_bytes()), classes)
    return contract.Graph(file=file, inputs=made.inputs, outputs=made.outputs)


def record(folder: Path, metrics: Sequence[contract.Metric]) -> contract.Manifest:
    """Writes measured numbers into a model's manifest, over those of the same name, and draws its card again."""
    manifest = contract.read(folder)
    measured = {metric.name: metric for metric in (*manifest.metrics, *metrics)}
    manifest = manifest.model_copy(update={"metrics": tuple(measured.values())})
    return _write(folder, manifest, dict(manifest.files))


def _write(folder: Path, manifest: contract.Manifest, hashes: dict[str, str]) -> contract.Manifest:
    """Writes the card, then the manifest, last; the manifest with the hashes of all files."""
    text = card.render(manifest).encode()
    (folder / "README.md").write_bytes(text)
    manifest = manifest.model_copy(update={"files": hashes | {"README.md": contract.digest(text)}})
    contract.write(folder, manifest)
    return manifest


def _latent(graphs: dict[str, contract.Graph]) -> contract.Latent | None:
    """The latent space of the generator, or None."""
    drawn = graphs["generator"].input("latent") if "generator" in graphs else None
    return None if drawn is None else contract.Latent(size=int(drawn.shape[1]))


def _data_name(source: str) -> str:
    """What people call the data: the last name of its path, with the folder's before it where that is a split."""
    path = Path(source)
    return f"{path.parent.name}/{path.name}" if path.name == "train" and path.parent.name else path.name


def _provenance(saved: Checkpoint) -> contract.Training:
    """Where the weights come from."""
    recipe = find(saved.settings["recipe"])
    settings = {
        key: Path(value).name if value and "Path" in str(recipe.model_fields.get(key)) else value
        for key, value in saved.settings.items()
        if key not in TRANSIENT | {"recipe", "data", "seed"}
    }
    return contract.Training(
        recipe=saved.settings["recipe"],
        data=_data_name(saved.settings["data"]),
        images=saved.progress["images"],
        seed=saved.settings["seed"],
        revision=_revision(),
        device=saved.device,
        seconds=round(saved.progress["seconds"], 1),
        date=datetime.now(UTC).date().isoformat(),
        settings=settings,
    )


def _revision() -> str:
    """The commit of this code, or `unknown` outside a checkout."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    here = Path(__file__).parent
    told = subprocess.run([git, "rev-parse", "--short", "HEAD"], cwd=here, capture_output=True, text=True, check=False)  # noqa: S603
    return told.stdout.strip() or "unknown"


def _complete(folder: Path, facts: dict[str, Any]) -> None:
    """Adds golden samples, sample sheet and card, and the manifest last."""
    draft = contract.Manifest.model_construct(**facts, golden=(), files={}, metrics=())
    if "generate" in draft.tasks:
        session = runtime.load((folder / draft.graphs["generator"].file).read_bytes())
        facts["golden"] = tuple(_golden(draft, session, seed) for seed in SEEDS)
        _sheet(draft, session).save(folder / "samples.png")
    hashes = {path.name: contract.digest(path.read_bytes()) for path in sorted(folder.iterdir())}
    manifest = contract.Manifest(**facts, files=hashes)
    _write(folder, manifest, hashes)


def _draw(manifest: contract.Manifest, session: Any, seed: int, indices: range, label: int | None) -> NDArray[np.uint8]:
    image = manifest.graphs["generator"].output("image").name
    (pixels,) = session.run([image], manifest.inputs(seed, indices, label))
    drawn: NDArray[np.uint8] = pixels
    return drawn


def _golden(manifest: contract.Manifest, session: Any, seed: int) -> contract.Golden:
    label = seed % len(manifest.classes) if manifest.classes else None
    return contract.Golden.of(seed, label, _draw(manifest, session, seed, range(1), label)[0])


def _sheet(manifest: contract.Manifest, session: Any) -> Image.Image:
    """Samples of seed 0: for each class its first ten, or the first 64."""

    def row(label: str, indices: range, of: int | None) -> Panel:
        pixels = torch.from_numpy(_draw(manifest, session, 0, indices, of))
        return Panel(label, pixels.permute(0, 3, 1, 2).float() / 127.5 - 1)

    if manifest.classes:
        return journal.sheet([row(name, range(10), i) for i, name in enumerate(manifest.classes[:16])])
    return journal.sheet([row("", range(start, start + 8), None) for start in range(0, 64, 8)])


def _next_version(folder: Path) -> int:
    versions = [int(path.name) for path in folder.glob("[0-9]*") if path.name.isdigit()] if folder.exists() else []
    return max(versions, default=0) + 1
