"""`python -m bench.swaps`: does anybody notice when a model is changed? 1 if a client got an error, or a picture that
is not of the version that it says; or if memory doesn't return to where it was.

Two versions of a model take turns while 32 clients ask without a pause: each time one is loaded, warmed, compared with
its golden samples, takes over, and the other leaves. What each version draws for each seed is asked for at the start.
Memory is looked at whenever version 1 is alone again: the median of the last third of the looks is held against that of
the first third, the first few, in which pools and buffers come to their size, left out.
"""

import argparse
import asyncio
import itertools
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from app import contract
from bench import dcgan, processes, servers
from bench.servers import Server, ServerError
from bench.wire import HOST, Answer, Ask, Connection

GROWTH = 0.05
CLIENTS = 32
SEEDS = 16
LARGEST = "4"
"""Samples of a batch: few, so that each load warms the same sizes, and holds as much, however busy the machine is."""
PATIENCE = 60
"""Seconds that a change may take."""
SETTLE = 0.5
"""Seconds that what leaves has until memory is looked at."""


@dataclass
class Seen:
    """What the clients got: pictures by version, and what came in a picture's stead."""

    right: dict[tuple[str, int], bytes]
    pictures: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    asking: bool = True


class Client(Connection):
    """Asks for one picture after the other, by the model's name, and looks whether each is what it says."""

    def __init__(self, seen: Seen, ask: Ask, first: int, done: "asyncio.Future[None]") -> None:
        super().__init__(done)
        self._seen = seen
        self._ask = ask
        self._seeds = itertools.cycle([(first + step) % SEEDS for step in range(SEEDS)])
        self._seed = 0

    def next(self) -> None:
        if self._seen.asking:
            self._seed = next(self._seeds)
            self.send(self._ask.request(self._seed))
        else:
            self.close()

    def answered(self, answer: Answer, asked: float) -> None:  # noqa: ARG002 (how long it took is no matter here)
        model = answer.header(b"x-model") or ""
        if flaw := self._ask.flaw(answer):
            self._seen.errors[flaw] += 1
        elif self._seen.right.get((model, self._seed)) != answer.body:
            self._seen.errors[f"not what {model} draws"] += 1
        else:
            self._seen.pictures[model] += 1
        self.next()

    def lost(self) -> None:
        self._seen.errors["connection lost"] += 1


def main() -> int:
    """Prints what the clients got and what memory did, and the verdict; 2 if it can't be measured."""
    parser = argparse.ArgumentParser("python -m bench.swaps", description=__doc__)
    parser.add_argument("--swaps", type=int, default=200)
    parser.add_argument(
        "--models",
        type=Path,
        metavar="DIR",
        help="folder with versions 1 and 2 of a model; default: the standard graph",
    )
    given = parser.parse_args()
    with TemporaryDirectory(prefix="ganymede-swaps-") as scratch:
        try:
            return _swaps(_laid_out(given.models, Path(scratch)), max(2, given.swaps))
        except (contract.ContractError, ServerError) as error:
            print(error, file=sys.stderr)
            return 2


def _laid_out(models: Path | None, scratch: Path) -> Path:
    """The folder of a model that may be changed."""
    if models is None:
        dcgan.build(scratch, 2)
        return dcgan.build(scratch, 1).parent
    name = contract.read(next(models.glob("*/2"))).name
    for version in (1, 2):
        manifest = contract.check(models / name / str(version))
        folder = scratch / name / str(version)
        folder.mkdir(parents=True)
        for file in manifest.files:
            (folder / file).write_bytes((models / name / str(version) / file).read_bytes())
        contract.write(folder, manifest)
    return scratch / name


def _swaps(folder: Path, swaps: int) -> int:
    name = folder.name
    with servers.running(servers.ganymede(folder.parent, name, "--admin", "--max-batch", LARGEST)) as [service]:
        _ready(service)
        ask = Ask(f"/generate?model={name}&seed={{seed}}", method="GET")
        seen = Seen(_drawn(service, name))
        _change(service, name, "unload", 2)
        seconds, memory = asyncio.run(_asked_meanwhile(service, name, ask, seen, -(-swaps // 2)))
    by_version = ", ".join(f"{count:,} of {model}" for model, count in sorted(seen.pictures.items()))
    settled = memory[len(memory) // 10 :]
    third = -(-len(settled) // 3)
    before, after = median(settled[:third]), median(settled[-third:])
    growth = after / before - 1
    reached = not seen.errors and growth < GROWTH and len(seen.pictures) == 2
    print(
        f"{len(seconds)} swaps, each in {median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f}), while "
        f"{CLIENTS} clients got {by_version}; errors: {dict(seen.errors) or 'none'}; resident, version 1 alone, median "
        f"of {third} looks each, {before:.1f} MB early and {after:.1f} MB at the end: {growth:+.1%} (all looks: "
        f"{min(memory):.1f} to {max(memory):.1f}). No error, every picture of the version that it says and growth "
        f"below {GROWTH:.0%} are required: **{'reached' if reached else 'missed'}**."
    )
    return 0 if reached else 1


async def _asked_meanwhile(
    service: Server, name: str, ask: Ask, seen: Seen, pairs: int
) -> tuple[list[float], list[float]]:
    """Seconds of each swap, there and back, which are made while the clients ask; and megabytes after each pair."""
    loop = asyncio.get_running_loop()
    ends = []
    for number in range(CLIENTS):
        end = loop.create_future()
        ends.append(end)
        await loop.create_connection(partial(Client, seen, ask, number, end), HOST, service.port)
    seconds, memory = [], []
    for _ in range(pairs):
        for coming, leaving in ((2, 1), (1, 2)):
            began = time.perf_counter()
            await asyncio.to_thread(_change, service, name, "load", coming)
            seconds.append(time.perf_counter() - began)
            await asyncio.to_thread(_change, service, name, "unload", leaving)
        await asyncio.sleep(SETTLE)
        memory.append(processes.resident(service.pid))
        print(f"{len(seconds)} swaps, {seen.pictures.total():,} pictures, {memory[-1]:.1f} MB", flush=True)
    seen.asking = False
    await asyncio.gather(*ends)
    return seconds, memory


def _drawn(service: Server, name: str) -> dict[tuple[str, int], bytes]:
    """The picture of each version for each seed, which no two versions have alike."""
    right = {}
    for version, seed in itertools.product((1, 2), range(SEEDS)):
        reference = f"{name}@{version}"
        right[reference, seed] = service.fetch("GET", f"/generate?model={reference}&seed={seed}")
    if len(set(right.values())) < len(right):
        raise ServerError(f"the versions of {name} draw the same: there is nothing to tell them apart by")
    return right


def _change(service: Server, name: str, verb: str, version: int) -> None:
    service.fetch("POST", f"/models/{name}/{verb}?version={version}")


def _ready(service: Server) -> None:
    """Waits until both versions are there."""
    end = time.monotonic() + PATIENCE
    while any(one["state"] == "loading" for one in service.json("/models")["models"]):
        if time.monotonic() > end:
            raise ServerError("the models are still loading")
        time.sleep(0.05)


if __name__ == "__main__":
    # One that is ended must end its server too: as an exit, it passes through its `finally`.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    raise SystemExit(main())
