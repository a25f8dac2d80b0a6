"""The console command `ganymede`. Commands are found by entry point, so that `app` never names `training`.

A command is a function of its arguments that returns an exit code. What belongs to an extra is imported by the command
that needs it, so that the others, and `--help`, work without.
"""

import argparse
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points, version
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import CliApp, SettingsConfigDict

from app import contract
from app.contract import ContractError
from app.settings import Settings, explain

GROUP = "ganymede.commands"

EXTRAS = {
    **dict.fromkeys(("torch", "torchmetrics", "onnx", "onnxscript", "sklearn", "training"), ("train",)),
    "onnxruntime": ("cpu", "gpu"),
}
"""The extras, any one of which brings a package."""


class Flags(Settings):
    """Serve models over HTTP. Every flag is a variable too: --max-batch is GANYMEDE_MAX_BATCH. A flag wins."""

    model_config = SettingsConfigDict(
        cli_prog_name="ganymede serve", cli_kebab_case=True, cli_hide_none_type=True, cli_avoid_json=True
    )


def main() -> int:
    """Runs the command that the arguments name; 2 if there is none, or if it needs an extra that isn't installed."""
    commands = {command.name: command for command in entry_points(group=GROUP)}
    name, *argv = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        print(_overview(commands))
        return 0
    if name == "--version":
        print(f"ganymede {version('ganymede')}")
        return 0
    if name not in commands:
        return _failed(f"ganymede has no command {name!r}; it has {', '.join(sorted(commands))}", 2)
    try:
        code: int = commands[name].load()(argv)
    except ImportError as error:
        extras = _extras(error)
        if not extras:
            raise
        install = " or ".join(f"pip install 'ganymede[{extra}]'" for extra in extras)
        return _failed(f"ganymede {name} needs what isn't installed: {install}", 2)
    return code


def serve(argv: list[str]) -> int:
    """Serve the models of a folder over HTTP."""
    from app import server
    from app.engine.providers import DeviceUnavailable
    from app.main import create_app

    try:
        settings = CliApp.run(Flags, argv)
        app = create_app(settings)
    except ValidationError as error:
        return _failed(explain(error), 2)
    except DeviceUnavailable as error:
        return _failed(str(error), 2)
    catalog = app.state.service.catalog
    server.run(app, settings, drain=lambda: catalog.close(settings.drain_seconds))
    return 0


def models(argv: list[str]) -> int:
    """List the models of a folder, show one, or check that all can be served."""
    parser = argparse.ArgumentParser("ganymede models", description=models.__doc__)
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
        device = providers.device(settings.device)
    except providers.DeviceUnavailable as error:
        return _failed(str(error), 2)
    broken = 0
    for folder in folders:
        try:
            manifest, *_ = model.prove(folder.resolve(), device, settings.max_batch)
        except Exception as error:  # whatever it is, the service would refuse this model and serve the others
            broken += 1
            reason = str(error) if isinstance(error, ContractError) else repr(error)
            print(f"{_reference(folder):24} broken: {reason}")
        else:
            golden = f"{len(manifest.golden)} golden samples drawn right on {device.kind}"
            print(f"{manifest.reference:24} ok: files unaltered, {golden}")
    return 1 if broken else 0


def _folders(models_folder: Path) -> list[Path]:
    """The folders <name>/<version>/, by name, the newest version first; hidden ones are not models."""
    folders = [folder for folder in models_folder.glob("[!.]*/[!.]*") if folder.is_dir()]
    return sorted(folders, key=lambda folder: (folder.parent.name, -_number(folder.name), folder.name))


def _number(version_name: str) -> int:
    return int(version_name) if version_name.isdecimal() else 0


def _reference(folder: Path) -> str:
    folder = folder.resolve()
    return f"{folder.parent.name}@{folder.name}"


def _overview(commands: Mapping[str, EntryPoint]) -> str:
    lines = ["usage: ganymede COMMAND [...]", "", "Each command has a --help of its own.", ""]
    return "\n".join(lines + [f"  {name:10} {_purpose(command)}" for name, command in sorted(commands.items())])


def _purpose(command: EntryPoint) -> str:
    """The first line of a command's docstring, or which extra it needs."""
    try:
        return (command.load().__doc__ or "").partition("\n")[0]
    except ImportError as error:
        extras = _extras(error)
        if not extras:
            raise
        return f"needs the {' or '.join(extras)} extra"


def _extras(error: BaseException | None) -> tuple[str, ...]:
    """The extras that would bring the module which an import, or one that caused it, did not find."""
    while error is not None:
        package = (getattr(error, "name", None) or "").partition(".")[0]
        if package in EXTRAS:
            return EXTRAS[package]
        error = error.__cause__
    return ()


def _failed(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code
