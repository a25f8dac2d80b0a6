"""The command `ganymede models`: looks into a folder of models, or adds to it, without serving them."""

import argparse
import sys
from pathlib import Path

from pydantic import ValidationError

from app import contract
from app.contract import ContractError, Manifest
from app.elsewhere import command
from app.settings import Settings, explain


def run(argv: list[str], purpose: str) -> int:
    """Runs the command that the arguments name; the exit code. `purpose` heads its --help."""
    parser = argparse.ArgumentParser("ganymede models", description=purpose)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--models", type=Path, metavar="DIR", help="folder of models (default: GANYMEDE_MODELS, models)"
    )
    listing = commands.add_parser("list", parents=[common], help="one line for each model")
    listing.set_defaults(run=_list)
    show = commands.add_parser("show", parents=[common], help="the manifest of one model, less its golden pixels")
    show.add_argument("name", metavar="NAME", help="name, or name@version")
    show.set_defaults(run=_show)
    check = commands.add_parser("check", parents=[common], help="verify files and hashes, load, draw golden samples")
    check.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="model folders (default: all in DIR)")
    check.set_defaults(run=_check)
    add = commands.add_parser(
        "add", parents=[common], help="add a graph that was made elsewhere, an ONNX file", description=command.PURPOSE
    )
    command.flags(add)
    add.set_defaults(run=command.run)
    arguments = parser.parse_args(argv)
    try:
        settings = Settings() if arguments.models is None else Settings(models=arguments.models)
    except ValidationError as error:
        return _failed(explain(error), 2)
    code: int = arguments.run(arguments, settings)
    return code


def _list(_: argparse.Namespace, settings: Settings) -> int:
    for folder in _folders(settings.models):
        try:
            manifest = contract.read(folder)
        except ContractError as error:
            print(f"{_reference(folder):24} broken: {error}")
        else:
            classes = f"{len(manifest.classes)} classes" if manifest.classes else "no classes"
            print(f"{manifest.reference:24} {', '.join(manifest.tasks)}; {classes}; {manifest.title}")
    return 0


def _show(arguments: argparse.Namespace, settings: Settings) -> int:
    folders = _folders(settings.models)
    fitting = [folder for folder in folders if arguments.name in (folder.parent.name, _reference(folder))]
    if not fitting:
        known = ", ".join(map(_reference, folders)) or "none"
        return _failed(f"{settings.models} has no model {arguments.name!r}; known: {known}", 1)
    try:
        manifest = contract.read(fitting[0])
    except ContractError as error:
        return _failed(str(error), 1)
    print(manifest.model_dump_json(indent=2, exclude={"golden": {"__all__": {"pixels"}}}))
    return 0


def _check(arguments: argparse.Namespace, settings: Settings) -> int:
    from app.engine import model, providers

    folders = arguments.folders or _folders(settings.models)
    if not folders:
        return _failed(f"{settings.models} holds no model folder <name>/<version>/", 1)
    try:
        device = providers.device(settings.device, providers.Cuda.of(settings))
    except providers.DeviceUnavailable as error:
        return _failed(str(error), 2)
    broken = 0
    for folder in folders:
        try:
            manifest, _ = model.prove(folder.resolve(), device, settings.max_batch)
        except Exception as error:  # whatever it is, the service would refuse this model and serve the others
            broken += 1
            reason = str(error) if isinstance(error, ContractError) else repr(error)
            print(f"{_reference(folder):24} broken: {reason}")
        else:
            print(f"{manifest.reference:24} ok: files unaltered, {_proven(manifest, device.kind)}")
    return 1 if broken else 0


def _proven(manifest: Manifest, kind: str) -> str:
    golden = len(manifest.golden)
    if not manifest.reproducible:
        return f"{golden} samples drawn on {kind}, of the right shape: the graph draws noise of its own"
    return f"{golden} golden samples drawn right on {kind}"


def _folders(models_folder: Path) -> list[Path]:
    """The folders <name>/<version>/, by name, the newest version first; hidden ones are not models."""
    folders = [folder for folder in models_folder.glob("[!.]*/[!.]*") if folder.is_dir()]
    return sorted(folders, key=lambda folder: (folder.parent.name, -_number(folder.name), folder.name))


def _number(version_name: str) -> int:
    return int(version_name) if version_name.isdecimal() else 0


def _reference(folder: Path) -> str:
    folder = folder.resolve()
    return f"{folder.parent.name}@{folder.name}"


def _failed(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code
