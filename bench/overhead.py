"""What a picture costs beside its draw, graph and encoding: processor time per request, by layer and as a whole.

`python -m bench.overhead` prints a Markdown table. The layers are measured in this process, one by one, with a device
that answers at once; the whole is what a real server takes per request at concurrency 32, user and system time of all
its threads, less the raw chain's. What the layers don't explain is the kernel's sockets, switches between threads, and
that code runs slower where something else ran before it.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from app import contract
from app.engine import providers
from app.media import images
from app.media.provenance import Recipe
from bench import conditions, layers, load, processes, servers
from bench.__main__ import standard
from bench.load import Group, Window

CONCURRENCY = 32


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser("python -m bench.overhead", description=__doc__)
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="model folder; default: the standard graph")
    parser.add_argument("--seconds", type=float, default=5.0, help="of load on the server")
    given = parser.parse_args()
    with TemporaryDirectory(prefix="ganymede-bench-") as scratch:
        folder = given.model or standard(Path(scratch))
        here = conditions.now()
        models, name = folder.parent.parent, folder.parent.name
        by_layer = layers.measure(models, name)
        raw = _raw(folder, given.seconds)
        whole, rate = _whole(models, name, given.seconds)
    print(f"{here.date}, {here.processor}, {here.cores} cores, load average {here.load:.2f}, {here.ganymede}\n")
    print("| layer | µs of processor time per request |\n|---|---|")
    for layer, microseconds in by_layer.items():
        print(f"| {layer} | {microseconds:.0f} |")
    print(f"| the server at concurrency {CONCURRENCY}, {rate:.0f} images/s | {whole:.0f} |")
    print(f"| the raw chain on one thread: draw, graph, encoding | {raw:.0f} |")
    print(f"| **overhead: the server less the raw chain** | **{whole - raw:.0f}** |")


def _raw(folder: Path, seconds: float) -> float:
    """Microseconds of processor time of one thread for draw, graph and encoding, while the other cores do the same."""
    cores = providers.cores()
    with ProcessPoolExecutor(cores, get_context("spawn")) as pool:
        return sum(pool.map(_chain, [folder] * cores, [seconds] * cores)) / cores


def _chain(folder: Path, seconds: float) -> float:
    manifest = contract.read(folder)
    graph = manifest.graphs["generator"]
    session = providers.load((folder / graph.file).read_bytes())
    names = [graph.output("image").name]
    cpu, end, done = time.process_time(), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        (pixels,) = session.run(names, dict(manifest.inputs(done, range(1))))
        recipe = Recipe(model=manifest.name, version=manifest.version, digest="0" * 64, seed=done)
        images.encode(pixels[0], "png", recipe)
        done += 1
    return 1e6 * (time.process_time() - cpu) / done


def _whole(models: Path, name: str, seconds: float) -> tuple[float, float]:
    """Microseconds of a real server's processor time per picture under load, and its pictures per second."""
    # No other model may load meanwhile.
    with servers.running(servers.ganymede(models, name, "--load", "first-use")) as [server]:
        load.run(server.port, Window(0, 1), 0, Group(server.ask, CONCURRENCY))
        drawn, cpu = server.count("ganymede_images_total"), processes.spent(server.pid)
        [done] = load.run(server.port, Window(0, seconds), 10**6, Group(server.ask, CONCURRENCY))
        cpu = processes.spent(server.pid) - cpu
        drawn = server.count("ganymede_images_total") - drawn
    return 1e6 * cpu / drawn, done.images_per_second


if __name__ == "__main__":
    main()
