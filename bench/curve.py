"""What a model costs on a device, measured: all that a simulation must know of either."""

import json
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeVar
from urllib.request import urlopen

from app import contract
from app.engine import providers
from bench import conditions, load
from bench.load import Group, Window
from bench.servers import Server
from bench.wire import HOST, Ask

T = TypeVar("T")

ALONE = 300
"""Requests, one after the other, that tell what one takes beside the device."""
PERIOD = 0.2
"""Seconds between two looks at a curve."""


@dataclass(frozen=True)
class Curve:
    """`seconds` by batch size, as the service predicts them after a load, and what comes on top of them.

    `encode` is what one thread takes for a picture, `beside` what a request takes beside queue, device and encoder, as
    its client sees it. `fixed` says that smaller batches are padded to these sizes.
    """

    model: str
    machine: str
    date: str
    executors: int
    encoders: int
    seconds: dict[int, float]
    encode: float
    beside: float
    fixed: bool = False


def read(source: str) -> Curve:
    """The curve of a file that `write` wrote."""
    said = json.loads(Path(source).read_text(encoding="utf-8"))
    return Curve(**{**said, "seconds": {int(size): seconds for size, seconds in said["seconds"].items()}})


def write(curve: Curve, file: Path) -> None:
    file.write_text(json.dumps(asdict(curve), indent=1) + "\n", encoding="utf-8")


def of_service(address: str, like: Curve) -> Curve:
    """The curve that a running service tells at its address of a model, such as http://localhost:8000/models/cifar10,
    with what it does not tell, its threads and what encoding takes, as in another curve.
    """
    if not address.startswith(("http://", "https://")):
        raise ValueError(f"{address} is no address of a model, such as http://localhost:8000/models/cifar10")
    with urlopen(address, timeout=10) as answer:  # noqa: S310 (http, see above)
        return told(json.load(answer), like)


def told(said: dict[str, Any], like: Curve) -> Curve:
    """The curve in what `/models/NAME` says; `ValueError` before the model has run."""
    if "generator" not in said.get("seconds_by_batch_size", {}):
        raise ValueError(f"{said['model']} tells no cost yet: it is {said['state']}; draw a picture with it first")
    seconds = {int(size): one for size, one in said["seconds_by_batch_size"]["generator"].items()}
    return replace(
        like,
        model=said["model"],
        machine=said["runtime"],
        date=conditions.now().date,
        seconds=seconds,
        fixed=" cpu " not in said["runtime"],
    )


def measure(server: Server, folder: Path, ask: Ask, window: Window, first_seed: int) -> tuple[Curve, float]:
    """The curve of the model of a folder that a server serves, and the pictures per second that it gave 64 clients.

    The load comes first: the service keeps its curve fresh by the batches that it runs, so it tells what they cost
    while event loop and encoders want the cores, too.
    """
    encode, beside = _alone(server, ask, first_seed)
    manifest = contract.read(folder)
    act = partial(load.run, server.port, window, first_seed + ALONE, Group(ask, 64))
    [busy], seconds = watched(server, manifest.reference, act, window)
    here = conditions.now()
    curve = Curve(
        model=manifest.reference,
        machine=f"{here.cores} cores, {here.processor}",
        date=here.date,
        executors=providers.cores(),
        encoders=providers.cores(),
        seconds=seconds,
        encode=encode,
        beside=beside,
    )
    return curve, busy.images_per_second


def watched(server: Server, model: str, act: Callable[[], T], window: Window) -> tuple[T, dict[int, float]]:
    """What a load comes to, and seconds by batch size as the server told them meanwhile: the mean of what it told, as
    it follows the last few batches, which may have been unlucky.
    """
    told: list[dict[str, float]] = []
    with ThreadPoolExecutor(1) as apart:
        loading = apart.submit(act)
        time.sleep(window.warmup)
        while not told or not loading.done():
            told.append(server.json(f"/models/{model}")["seconds_by_batch_size"]["generator"])
            time.sleep(PERIOD)
    return loading.result(), {int(size): statistics.fmean(one[size] for one in told) for size in told[0]}


def _alone(server: Server, ask: Ask, first_seed: int) -> tuple[float, float]:
    """Median seconds that encoding a picture takes, and all that is neither queue nor device nor encoder."""
    encode, beside = [], []
    connection = HTTPConnection(HOST, server.port, timeout=30)
    for seed in range(first_seed, first_seed + ALONE):
        began = time.perf_counter()
        connection.request(ask.method, ask.target.replace("{seed}", str(seed)))
        answer = connection.getresponse()
        answer.read()
        took = time.perf_counter() - began
        phases = dict(
            part.strip().split(";dur=") for part in answer.headers["Server-Timing"].split(",") if "dur=" in part
        )
        encode.append(float(phases["encode"]) / 1000)
        beside.append(took - sum(float(phases[name]) for name in ("queue", "infer", "encode")) / 1000)
    connection.close()
    return statistics.median(encode), statistics.median(beside)
