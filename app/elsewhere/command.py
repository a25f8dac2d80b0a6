"""The command `ganymede models add`: its flags, and what it says."""

import argparse
import sys
from pathlib import Path
from typing import get_args

from app.contract import Manifest
from app.elsewhere.wishes import MEANT, RANGES, MissingError, RefusedError, Wishes
from app.foreign import Layout
from app.settings import Settings

TASKS = ("generate", "translate", "style")

PURPOSE = """Add a graph that was made elsewhere: an ONNX file that draws pictures from latents, or of pictures.
What can be seen of the graph is seen: it is loaded, run, and run again. What can't be is asked for by naming the flag.
Nothing is written before the model is proven as `ganymede models check` proves it."""


def flags(parser: argparse.ArgumentParser) -> None:
    """Gives a parser the flags of the command."""
    parser.add_argument("file", type=Path, metavar="FILE.onnx", help="the graph, weights and all")
    parser.add_argument("--name", help="the model's name (default: the file's)")
    parser.add_argument("--title", help="its name for people (default: its name)")
    parser.add_argument("--task", choices=TASKS, help="what it is for (default: generate, or translate for pictures)")
    parser.add_argument(
        "--style", metavar="NAME", help="what the style is called that it draws; its task is style then"
    )
    parser.add_argument(
        "--classes", type=_names, default=(), metavar="NAMES", help="cat,dog or a file with a name on each line"
    )
    parser.add_argument("--licence", metavar="TEXT", help="under which the weights may be used")
    parser.add_argument("--data", metavar="TEXT", help="what it was trained on, and under which licence")
    parser.add_argument("--source", default="", metavar="TEXT", help="where it was got, for the card")
    parser.add_argument("--notes", default="", metavar="TEXT", help="what the card should say besides, in Markdown")
    parser.add_argument("--latent", metavar="INPUT", help="which input is the latent")
    parser.add_argument("--label", metavar="INPUT", help="which input is the class")
    parser.add_argument("--output", metavar="OUTPUT", help="which output is the picture")
    parser.add_argument("--layout", choices=get_args(Layout), help="how pictures lie, where both can be")
    parser.add_argument("--range", choices=tuple(RANGES), help=f"what black and white are in its output: {MEANT}")
    parser.add_argument("--input-range", choices=tuple(RANGES), help="the same of the pictures that it takes")
    parser.add_argument("--size", type=int, metavar="PIXELS", help="side of pictures to try it with, where any will do")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Adds the graph that the arguments name; the exit code: 1 if it can't be served, 2 if more must be said."""
    from app.elsewhere import folder
    from app.engine import providers

    wishes = Wishes(**{name: getattr(arguments, name) for name in Wishes.__dataclass_fields__})
    try:
        device = providers.device(settings.device, providers.Cuda.of(settings))
        added = folder.add(arguments.file, wishes, settings.models, device, settings.max_batch)
    except (MissingError, providers.DeviceUnavailable) as error:
        return _failed(str(error), 2)
    except RefusedError as error:
        return _failed(str(error), 1)
    print("\n".join(_told(added.manifest)))
    for remark in added.remarks:
        print(f"  note: {remark}")
    print(f"{added.folder}: proven on {device.kind}")
    return 0


def _told(manifest: Manifest) -> list[str]:
    """What became of the graph, a line for the model and for each tensor."""
    graph = manifest.graphs["generator"]
    classes = f"; {len(manifest.classes)} classes" if manifest.classes else ""
    batch = f"; {graph.batch} at a time" if graph.batch else ""
    lines = [f"{manifest.reference}: {', '.join(manifest.tasks)}{classes}{batch}"]
    for way, tensors in (("takes", graph.inputs), ("gives", graph.outputs)):
        for tensor in tensors:
            held = tensor.foreign or tensor
            span = f" in [{held.range[0]:g}, {held.range[1]:g}]" if tensor.foreign and held.range else ""
            shape = ", ".join(map(str, held.shape))
            sides = f", sides in multiples of {tensor.multiple}" if tensor.multiple > 1 else ""
            how = f"{held.dtype} [{shape}] {held.layout or ''}{span}{sides}".rstrip()
            lines.append(f"  {way} {tensor.meaning} {tensor.name}: {how}")
    if graph.unread:
        lines.append(f"  leaves unread {', '.join(graph.unread)}")
    return lines


def _names(text: str) -> tuple[str, ...]:
    """Class names, from a file with one on each line or from a list with commas."""
    listed = "," in text or not Path(text).is_file()
    lines = text.split(",") if listed else Path(text).read_text(encoding="utf-8").splitlines()
    names = tuple(name for line in lines if (name := line.strip()))
    if len(set(names)) < len(names) or not names:
        raise argparse.ArgumentTypeError(f"{len(names)} names, {len(set(names))} of them different: each class has one")
    return names


def _failed(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code
