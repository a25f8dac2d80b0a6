"""`python -m tests.fuzz.folders`: model folders that are almost right, each loaded as the service would load it.

Their bytes are changed at random, and the manifest states the hashes of what came of it, as a hostile author's would.
Half of the graphs can be read, and mean something else. A process of its own loads them, so that one that crashes is
seen: it is counted, kept in a folder, and the next one begins where that one ended.
"""

import logging
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import onnx

from app import contract
from app.contract import ContractError
from app.engine import memory, model, providers
from app.engine.model import Bounds
from tests import toy
from tests.folders import zoo
from tests.fuzz import children
from tests.fuzz.mutation import mutated, rewired
from tests.peaks import peak

MODULE = "tests.fuzz.folders"

BOUNDS = Bounds(megabytes=100, seconds=2)
"""What a graph may take here; a machine that tests has no more to spare, and no more time."""

PATIENCE = 60
"""Seconds after which a process hangs that is at one folder."""

SEEDS: list[tuple[str, onnx.ModelProto]] = [
    ("plain", toy.graph()),
    ("plain", toy.graph()),
    ("branches", zoo.nested(3)),
    ("function", zoo.harmless()),
]
"""Graphs that are right, and what of ONNX is in them; the plain one is drawn more often."""


def main() -> int:
    asked = children.parser(MODULE, __doc__, "folders", 20_000, "folders that crashed").parse_args()
    if asked.child:
        children.tell(outcomes(asked.seed, asked.first, asked.count))
        return 0
    began = time.monotonic()
    counts, held = run(asked.count, asked.seed, asked.keep)
    for outcome, count in counts.most_common():
        print(f"{outcome:60} {count:7,}")
    print(f"{asked.count:,} folders in {time.monotonic() - began:.0f} s; a process held {held / 1e6:.0f} MB at most")
    return 1 if any(outcome.startswith("crashed") for outcome in counts) else 0


def run(count: int, seed: int, keep: Path | None = None) -> tuple[Counter[str], int]:
    """How often each outcome came, and the most bytes that a process held."""
    counts: Counter[str] = Counter()
    most = 0
    for one in children.outcomes(MODULE, count, seed):
        if isinstance(one, children.Ended):
            counts[f"crashed with {one.code}"] += 1
            if keep is not None:
                write(keep / f"crashed-{seed}-{one.number}", seed, one.number)
            continue
        outcome, held = one.rest
        counts[outcome] += 1
        most = max(most, held)
    return counts, most


def outcomes(seed: int, first: int, count: int) -> Iterator[tuple[int, str, int]]:
    """The number of each folder, what came of it, and the most bytes that this process held so far."""
    logging.disable()
    device = providers.device("cpu")
    with tempfile.TemporaryDirectory() as scratch:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for number in range(first, count):
            # Ends this process, whatever it is at; its parent sees the signal's number.
            signal.alarm(PATIENCE)
            folder = write(Path(scratch), seed, number)
            yield number, outcome_of(folder, device), peak()
            shutil.rmtree(folder)
            if number % 100 == 0:
                memory.release()


def outcome_of(folder: Path, device: providers.Device) -> str:
    """What becomes of a folder, in words."""
    try:
        manifest = contract.check(folder, budget=100_000_000)
    except ContractError as error:
        return "refused by the manifest" if "is refused: " not in str(error) else "refused by the graph's bytes"
    try:
        model.prove(folder, device, 1, bounds=BOUNDS)
    except ContractError as error:
        return next((said for mark, said in MARKS.items() if mark in str(error)), "refused by the runtime, as it loads")
    except Exception as error:  # what the runtime raises in a run is of many kinds
        return f"refused by the runtime, in a run ({type(error).__name__})"
    return f"served: nothing of weight was changed ({manifest.name})"


MARKS = {
    "does not fit the manifest": "loaded, and other than the manifest says",
    "are not the exporter's": "run, and its pictures are not the golden samples",
    "draws noise": "run, and its pictures are not the golden samples",
    "have shape": "run, and its pictures are not the golden samples",
    "was given up": "given up: it does not end",
    "takes more memory": "given up: it takes too much memory",
}


def write(models: Path, seed: int, number: int) -> Path:
    """The folder of that number: graph or manifest changed, the hashes right."""
    draw = random.Random(f"{seed}-{number}")
    _, graph = draw.choice(SEEDS)
    folder = toy.build(models, "toy", classes=())
    data = graph.SerializeToString()
    what = draw.random()
    if what < 0.8:
        data = mutated(data, draw) if what < 0.4 else rewired(graph, draw).SerializeToString()
        (folder / "generator.onnx").write_bytes(data)
        toy.rewrite(folder)
    else:
        path = folder / "model.json"
        path.write_bytes(mutated(path.read_bytes(), draw))
    return folder


if __name__ == "__main__":
    sys.exit(main())
