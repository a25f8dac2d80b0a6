"""The console command `ganymede`. Commands are found by entry point, so that `app` never names `training`.

A command is a function of its arguments that returns an exit code. It imports what it needs when it runs: so the
others, and `--help`, work without its extra, and a server hears a SIGTERM before its imports are done.
"""

import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points, version

from app.processes import signals

GROUP = "ganymede.commands"

EXTRAS = {
    **dict.fromkeys(("torch", "torchmetrics", "onnx", "onnxscript", "sklearn", "training"), ("train",)),
    "onnxruntime": ("cpu", "gpu"),
}
"""The extras, any one of which brings a package."""


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
    signals.end_at_once()
    from app.processes import serving

    return serving.run(argv)


def models(argv: list[str]) -> int:
    """List the models of a folder, show one, check that all can be served, or add one made elsewhere."""
    from app import inventory

    return inventory.run(argv, (models.__doc__ or "").strip())


def keys(argv: list[str]) -> int:
    """Make, list, rotate and revoke the keys that a service asks for."""
    from app.access import command

    return command.run(argv, (keys.__doc__ or "").strip())


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
