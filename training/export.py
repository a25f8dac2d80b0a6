"""A run's weights to a model folder: torch → ONNX → the same answers as torch → manifest, samples and card.

An export whose graph does not answer as torch does is an error, and no export that fails leaves a folder behind.
"""

import logging
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from app import card, contract
from training import checkpoint, config, directions, graphs, journal, runtime, sheets
from training.checkpoint import Checkpoint
from training.parity import ExportError
from training.recipes import Networks, Recipe, Source
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
    half: bool = False,
    data: str | None = None,
) -> Path:
    """Writes `models/<name>/<version>/` from a run's `best` or `last` weights; the folder.

    `version` is the next free one by default; `half` stores weights in float16 (see `graphs.write`); `data` is where
    the run's data are now, for the sheet of a model that needs some. Raises ExportError, CheckpointError, DataError or
    ConfigError.
    """
    _require(contract.Name, name, "name: give --name, of at most 64 of a-z, 0-9, - and _, a letter or digit first")
    version = _next_version(models / name) if version is None else version
    _require(contract.Version, version, "version: give --version, from 1 to 999999999")
    saved = checkpoint.load(run / (checkpoint.BEST if weights == "best" else checkpoint.LAST))
    folder = models / name / str(version)
    if folder.exists():
        raise ExportError(f"{folder} exists: a version is never overwritten, choose another")
    recipe, networks, source = restore(saved)
    beside = folder.with_name(f".{folder.name}")
    shutil.rmtree(beside, ignore_errors=True)
    new = [parent for parent in beside.parents if not parent.exists()]
    beside.mkdir(parents=True)
    try:
        made = recipe.exports(networks)
        written = {one.role: graphs.write(one, beside, len(source.classes), half=half) for one in made}
        facts: dict[str, Any] = {
            "name": name,
            "version": int(folder.name),
            "title": title or f"{name}: {saved.settings['recipe']} on {Path(saved.settings['data']).stem}",
            "tasks": recipe.tasks,
            "graphs": written,
            "latent": _latent(written),
            "classes": source.classes,
            "styles": recipe.styles(),
            "training": _provenance(saved, run),
            "licence": licence,
            "notes": notes,
            "exporter": contract.Exporter(runtime=runtime.RUNTIME, processor=contract.processor()),
        }
        draft = contract.Manifest.model_construct(**facts, golden=(), files={}, metrics=())
        facts["golden"] = tuple(_golden(draft, beside))
        where = {"data": data} if data else {}
        sheets.draw(draft, beside, recipe, saved.settings | where).save(beside / "samples.png")
        if found := directions.find(draft, beside):
            facts["directions"] = found
            _draw_directions(draft.model_copy(update={"directions": found}), beside)
        hashes = {path.name: contract.digest(path.read_bytes()) for path in sorted(beside.iterdir())}
        _write(beside, contract.Manifest(**facts, files=hashes), hashes)
        beside.rename(folder)
        beside = folder
        contract.check(folder)
    except BaseException:
        shutil.rmtree(beside)
        # A folder in which another model lies by now stays.
        with suppress(OSError):
            for parent in new:
                parent.rmdir()
        raise
    log.info("%s: %s", folder, ", ".join(graph.file for graph in written.values()))
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


def record(folder: Path, metrics: Sequence[contract.Metric]) -> contract.Manifest:
    """Writes measured numbers into a model's manifest, over those of the same name, and draws its card again."""
    manifest = contract.read(folder)
    measured = {metric.name: metric for metric in (*manifest.metrics, *metrics)}
    manifest = manifest.model_copy(update={"metrics": tuple(measured.values())})
    return _write(folder, manifest, dict(manifest.files))


def find_directions(folder: Path, keep: Mapping[str, str] | None = None) -> contract.Manifest:
    """Finds the directions of a folder's model, and writes them into its manifest and its card, with a sheet of them.

    Its graphs and its golden samples stay as they are. `keep` are those to keep, in that order, each with the name that
    it shall have; default: all, as they are found. Raises ContractError, or ExportError if there are none or not these.
    """
    manifest = contract.check(folder)
    found = {direction.name: direction for direction in directions.find(manifest, folder)}
    if not found:
        raise ExportError(
            f"{manifest.reference} has no directions: it draws no pictures of a latent, or no way through the latent "
            "space changes them more than any other"
        )
    keep = keep or {name: name for name in found}
    if unknown := [name for name in keep if name not in found]:
        raise ExportError(f"{manifest.reference} has no direction {', '.join(unknown)}: it has {', '.join(found)}")
    if len(set(keep.values())) < len(keep):
        raise ExportError(f"two directions can't have one name: {', '.join(keep.values())}")
    kept = tuple(found[old].model_copy(update={"name": new}) for old, new in keep.items())
    manifest = manifest.model_copy(update={"directions": kept})
    _draw_directions(manifest, folder)
    sheet = contract.digest((folder / card.DIRECTIONS).read_bytes())
    return _write(folder, manifest, manifest.files | {card.DIRECTIONS: sheet})


def _draw_directions(manifest: contract.Manifest, folder: Path) -> None:
    sheets.directions(manifest, folder).save(folder / card.DIRECTIONS, optimize=True)


def _write(folder: Path, manifest: contract.Manifest, hashes: dict[str, str]) -> contract.Manifest:
    """Writes the card, then the manifest, last; the manifest with the hashes of all files."""
    text = card.render(manifest).encode()
    (folder / "README.md").write_bytes(text)
    manifest = manifest.model_copy(update={"files": hashes | {"README.md": contract.digest(text)}})
    contract.write(folder, manifest)
    return manifest


def _latent(written: dict[str, contract.Graph]) -> contract.Latent | None:
    """The latent space of the generator, or None."""
    drawn = written["generator"].input("latent")
    return None if drawn is None else contract.Latent(size=int(drawn.shape[1]))


def _data_name(source: str) -> str:
    """What people call the data: the last name of its path, with the folder's before it where that is a split."""
    path = Path(source)
    return f"{path.parent.name}/{path.name}" if path.name == "train" and path.parent.name else path.name


def _provenance(saved: Checkpoint, run: Path) -> contract.Training:
    """Where the weights come from, and how the run went that left them."""
    recipe, shared = config.build(saved.settings)
    names = {key: value.name for key, value in vars(recipe).items() if isinstance(value, Path)}
    if shared.pretrained is not None:
        names["pretrained"] = "/".join(shared.pretrained.parts[-2:])
    settings = {
        key: value for key, value in saved.settings.items() if key not in TRANSIENT | {"recipe", "data", "seed"}
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
        settings=settings | names,
        curve=journal.curve(run),
    )


def _revision() -> str:
    """The commit of this code, or `unknown` outside a checkout."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    here = Path(__file__).parent
    told = subprocess.run([git, "rev-parse", "--short", "HEAD"], cwd=here, capture_output=True, text=True, check=False)  # noqa: S603
    return told.stdout.strip() or "unknown"


def _golden(draft: contract.Manifest, folder: Path) -> Iterator[contract.Golden]:
    """What the generator answers for a few seeds, each alone."""
    graph = draft.graphs["generator"]
    session = runtime.load((folder / graph.file).read_bytes())
    for seed in SEEDS if draft.latent else SEEDS[:2]:
        label = seed % len(draft.classes) if draft.classes else None
        (values, *_) = session.run([graph.outputs[0].name], draft.inputs(seed, range(1), label))
        yield contract.Golden.of(seed, label, values[0])


def _require(kind: Any, value: object, what: str) -> None:
    """ExportError unless the contract allows the value."""
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise ExportError(f"{value!r} is no model's {what}") from error


def _next_version(folder: Path) -> int:
    versions = [int(path.name) for path in folder.glob("[0-9]*") if path.name.isdigit()] if folder.exists() else []
    return max(versions, default=0) + 1
