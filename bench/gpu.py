"""The table of a GPU: the graph alone, run plainly, bound and as a CUDA graph; then the service, next to its limit.

    python -m bench.gpu OUT [--model FOLDER] [--device cuda:0] [--seconds 4]

writes OUT/gpu.json and OUT/gpu.md. Without a folder it makes its standard graph, `bench.dcgan`, which needs `onnx`.
`--device cpu` goes the same ways on the CPU's provider: that shows that they work, and nothing about a GPU.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier

from app import contract
from app.contract import Manifest
from app.engine import providers, session
from app.engine.cuda import Bound, GpuSession
from app.engine.providers import Device
from bench import limit, load, servers
from bench.limit import Limit, milliseconds
from bench.load import Group, Round, Window
from bench.servers import Command
from bench.wire import Ask

MAX_BATCH = 32
REQUESTS = (1, 16, 64)
IN_FLIGHT = 256
"""Samples that clients have in flight together: for each of two streams, a batch that runs and some that wait."""


@dataclass(frozen=True)
class Raw:
    """Milliseconds of a batch: `plain` is the session's own `run`, `bound` with bound buffers, `graph` as a CUDA graph
    as well, where one could be captured. `lanes` are the images per second of all lanes together.
    """

    size: int
    plain: float
    bound: float
    graph: float | None
    lanes: float


@dataclass(frozen=True)
class Service:
    """What the service did for requests of `n` samples at a concurrency, and its share of the limit."""

    n: int
    concurrency: int
    images_per_second: float
    p50: float
    p99: float
    errors: dict[str, int]
    share: float


@dataclass(frozen=True)
class Table:
    """Everything that was measured. `limit` is the lesser of the GPU's rate and what all cores draw and encode."""

    model: str
    device: str
    runtime: str
    raw: Sequence[Raw]
    host: Limit
    limit: float
    service: Sequence[Service]


def measure(folder: Path, device: Device, choice: str, seconds: float, say: Callable[[str], None]) -> Table:
    """The table of a model folder; `choice` is the device as the service is told."""
    manifest = contract.read(folder)
    say(f"{manifest.reference} on {device.identity}")
    raw = [_raw(folder, manifest, device, size, seconds) for size in session.sizes(MAX_BATCH)]
    host = limit.measure(folder, seconds / 4)
    most = min(max(row.lanes for row in raw), 1 / (1 / host.draw + 1 / host.encode))
    say(f"limit: {most:,.0f} images/s")
    service = _service(folder, manifest, choice, seconds, most)
    return Table(manifest.reference, device.identity, providers.RUNTIME, raw, host, most, service)


def _raw(folder: Path, manifest: Manifest, device: Device, size: int, seconds: float) -> Raw:
    graph = manifest.graphs["generator"]
    data = contract.load(folder, manifest, graph.file)
    inputs = manifest.inputs(0, range(size))
    gpu = device.gpus[0]
    axes = {str(tensor.shape[0]) for tensor in graph.inputs}
    loaded = providers.load_fixed(data, device, gpu, size, axes)
    names = [output.name for output in graph.outputs]
    plain = milliseconds(lambda: loaded.run(names, inputs), seconds / 8)
    bound = Bound(loaded, graph, size, device, gpu)
    lone = milliseconds(lambda: bound.run(inputs), seconds / 8)
    captured = None
    if device.cuda.graphs and not device.cuda.tensorrt and providers.placement(loaded) == {providers.CUDA}:
        bound = Bound(providers.load_fixed(data, device, gpu, size, axes, graphs=True), graph, size, device, gpu)
        bound.run(inputs)
        bound.capture(inputs)
        captured = milliseconds(lambda: bound.run(inputs), seconds / 8)
    return Raw(size, plain, lone, captured, _lanes(data, manifest, device, size, seconds / 4))


def _lanes(data: bytes, manifest: Manifest, device: Device, size: int, seconds: float) -> float:
    """Images per second of all lanes together, each on a thread of its own."""
    lanes = GpuSession(data, manifest.graphs["generator"], device, size)
    inputs = manifest.inputs(0, range(size))
    ready = Barrier(lanes.lanes)

    def lane(number: int) -> int:
        # One after the other, as at a warm-up.
        for turn in range(lanes.lanes):
            if turn == number:
                lanes.prepare(number, inputs)
            ready.wait()
        batches, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            lanes.run(inputs)
            batches += 1
        return batches

    with ThreadPoolExecutor(lanes.lanes) as pool:
        return sum(pool.map(lane, range(lanes.lanes))) * size / seconds


def _service(folder: Path, manifest: Manifest, choice: str, seconds: float, most: float) -> list[Service]:
    start = "from app.cli import main; raise SystemExit(main())"
    flags = {
        "models": str(folder.parent.parent.resolve()),
        "default-model": manifest.reference,
        "device": choice,
        "max-batch": str(MAX_BATCH),
        "max-samples": str(max(REQUESTS)),
        "log-level": "warning",
    }
    arguments = [part for flag, value in flags.items() for part in (f"--{flag}", value)]
    rows: list[Service] = []
    with servers.running(Command("ganymede", ("-c", start, "serve", *arguments))) as (ours,):
        for n in REQUESTS:
            ask = Ask() if n == 1 else Ask(f"/generate?seed={{seed}}&n={n}&format=zip", holds="PK\x03\x04")
            for concurrency in (1, IN_FLIGHT // n):
                window = Window(min(1, seconds / 4), seconds)
                (done,) = load.run(ours.port, window, 1_000_000 * len(rows), Group(ask, concurrency))
                rows.append(_row(n, concurrency, done, most))
    return rows


def _row(n: int, concurrency: int, done: Round, most: float) -> Service:
    rate = done.images_per_second * n  # the load generator counts answers
    return Service(n, concurrency, rate, done.p50, done.p99, done.errors, rate / most)


def markdown(table: Table) -> str:
    """The table for people."""
    host = table.host
    lines = [
        f"# {table.model} on {table.device}",
        "",
        "| batch | plain, ms | bound, ms | CUDA graph, ms | all lanes, images/s |",
        "|---|---|---|---|---|",
        *(
            f"| {row.size} | {row.plain:.3f} | {row.bound:.3f} | {'–' if row.graph is None else f'{row.graph:.3f}'} "
            f"| {row.lanes:,.0f} |"
            for row in table.raw
        ),
        "",
        f"All cores draw {host.draw:,.0f} and encode {host.encode:,.0f} images/s. The limit, if all of it overlapped "
        f"perfectly: **{table.limit:,.0f} images/s**.",
        "",
        "| n | concurrency | images/s | share of the limit | p50, ms | p99, ms | errors |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {row.n} | {row.concurrency} | {row.images_per_second:,.0f} | {row.share:.2f} | {row.p50:.1f} "
            f"| {row.p99:.1f} | {row.errors or 'none'} |"
            for row in table.service
        ),
    ]
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str]) -> int:
    """Measures, writes, prints; 1 if the service failed to answer, 2 if the device can't be used."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder for gpu.json and gpu.md")
    parser.add_argument("--model", type=Path, help="a model folder; default: the standard graph")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=4.0, help="seconds of each round of the service")
    asked = parser.parse_args(argv)
    try:
        device = providers.device(asked.device)
    except providers.DeviceUnavailable as error:
        print(error, file=sys.stderr)
        return 2
    if not device.gpus:
        device = replace(device, gpus=(0,))
    with TemporaryDirectory() as scratch:
        folder = asked.model or _standard(Path(scratch))
        table = measure(folder.resolve(), device, asked.device, asked.seconds, partial(print, file=sys.stderr))
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "gpu.json").write_text(json.dumps(asdict(table), indent=1) + "\n", encoding="utf-8")
    (asked.out / "gpu.md").write_text(markdown(table), encoding="utf-8")
    print(markdown(table))
    return int(any(row.errors for row in table.service))


def _standard(models: Path) -> Path:
    from bench import dcgan  # only here, since it needs onnx

    return dcgan.build(models)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
