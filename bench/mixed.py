"""Traffic as it comes: requests of every kind that a folder's models can, some of whose clients vanish.

`python -m bench.mixed` is the process of the clients. Each keeps its connection and asks again at a random moment,
so that all together ask for so many requests a second; or at once, where the rate is None. Answers may come in chunks.
"""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile
import uvloop

from app import contract
from app.contract import Manifest, Tensor
from app.media import animation, png
from bench import apart
from bench.load import PATIENCE
from bench.wire import HOST, Ask, percentiles

VANISHING = 0.05
"""Share of the requests whose client hangs up before the answer."""
LEAVING = 0.05
"""Seconds after which it does, at most."""
LARGEST = 256
"""Pixels of a side of an uploaded picture, at most."""


@dataclass(frozen=True)
class Slice:
    """What came of so many seconds. Milliseconds to the end of an answer, of all kinds together."""

    requests_per_second: float
    p50: float
    p99: float
    vanished: int
    refused: int
    """By a 429: more was asked for than would be done in time."""
    errors: dict[str, int]


@dataclass
class Tally:
    """What the clients of a slice share."""

    port: int
    asks: list[Ask]
    pause: float
    """Seconds from one request of a client to its next, in the mean."""
    end: float
    seconds: list[float] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)


def asks(models: Path) -> list[Ask]:
    """Requests of every kind for the models of a folder; `ContractError` if one can't be read."""
    manifests = [contract.read(folder.parent) for folder in sorted(models.glob("*/*/model.json"))]
    return [ask for manifest in manifests for ask in _of(manifest)]


def _of(manifest: Manifest) -> Iterator[Ask]:
    model = f"model={manifest.reference}"
    generator = manifest.graphs["generator"]
    if "generate" in manifest.tasks:
        # The usual request more often than what is more work.
        yield from 3 * [Ask(f"/generate?{model}&seed={{seed}}")]
        yield Ask(f"/generate?{model}&seed={{seed}}&n=4&grid=2&format=webp", holds="WEBP")
        yield Ask(f"/generate?{model}&seed={{seed}}&n=8&format=ndjson", holds="{")
        yield Ask(f"/generate?{model}&seed={{seed}}&n=8&format=multipart", holds="--")
        classed = f"&class={manifest.classes[0]}" if manifest.classes else ""
        yield Ask(f"/interpolate?{model}{classed}&from={{seed}}&to=1&steps=8&format=gif", holds="GIF89a")
    if "reconstruct" in manifest.tasks:
        yield _upload(f"/reconstruct?{model}", _picture(manifest.graphs["encoder"].given("image")), "image/png")
    for verb in ("translate", "style"):
        if verb in manifest.tasks:
            yield _upload(f"/{verb}?{model}", _picture(generator.given("image")), "image/png")
    if "enhance" in manifest.tasks:
        yield _upload(f"/enhance?{model}", _sound(), "audio/wav", "RIFF")
    if "predict" in manifest.tasks:
        clip = animation.encode(_noise(*generator.given("frames").usual or (4, 64, 64, 1)), "gif", rate=10)
        yield _upload(f"/predict?{model}&steps=3", clip, "image/gif", "GIF89a")


def _upload(target: str, file: bytes, kind: str, holds: str = Ask.holds) -> Ask:
    return Ask(target, file.decode("latin-1"), holds=holds, kind=kind)


def _picture(taken: Tensor) -> bytes:
    height, width = (min(side, LARGEST) for side in (taken.usual or taken.sample)[:2])
    return png.encode(_noise(1, height, width, 3)[0], {})


def _noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def _sound(rate: int = 16_000) -> bytes:
    """A second of noise."""
    out = BytesIO()
    soundfile.write(out, np.random.default_rng(0).uniform(-0.5, 0.5, rate), rate, format="WAV")
    return out.getvalue()


async def _client(tally: Tally, draw: random.Random, seeds: random.Random) -> None:
    reader: asyncio.StreamReader | None = None
    while time.perf_counter() < tally.end:
        # The server closes what has been idle for long.
        if reader is None or reader.at_eof():
            reader, writer = await asyncio.open_connection(HOST, tally.port)
        ask, began = draw.choice(tally.asks), time.perf_counter()
        writer.write(ask.request(seeds.getrandbits(31)))
        if draw.random() < VANISHING:
            await asyncio.sleep(draw.uniform(0, LEAVING))
            writer.transport.abort()
            reader = None
            tally.counts["vanished"] += 1
        else:
            try:
                status, body = await _answer(reader)
            except (OSError, EOFError):
                tally.errors["connection lost"] += 1
                reader = None
                continue
            taken = time.perf_counter() - began
            if status == 200 and ask.holds.encode("latin-1") in body[:1024]:
                tally.seconds.append(taken)
            elif status == 429:
                tally.counts["refused"] += 1
            else:
                tally.errors[f"status {status} of {ask.target.partition('?')[0]}"] += 1
        if tally.pause:
            due = began + draw.expovariate(1 / tally.pause)
            await asyncio.sleep(max(0, due - time.perf_counter()))
    if reader is not None:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of an answer; an answer that ends early is an `EOFError`."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head[9:12])
    _, found, length = head.partition(b"\r\ncontent-length:")
    if found:
        return status, await reader.readexactly(int(length.partition(b"\r\n")[0]))
    parts = []
    while size := int(await reader.readline(), 16):
        parts.append((await reader.readexactly(size + 2))[:-2])
    await reader.readexactly(2)
    return status, b"".join(parts)


async def _traffic(
    port: int, models: str, clients: int, seconds: float, rate: float | None, seed: int
) -> dict[str, object]:
    pause = clients / rate if rate else 0.0
    tally = Tally(port, asks(Path(models)), pause, time.perf_counter() + seconds)
    # Whatever the seed, a client asks for the same kinds at the same moments.
    draws = [(random.Random(one), random.Random(f"{seed}-{one}")) for one in range(clients)]
    asking = [asyncio.create_task(_client(tally, *both)) for both in draws]
    _, hanging = await asyncio.wait(asking, timeout=seconds + PATIENCE)
    if hanging:
        tally.errors["no answer"] += len(hanging)
    for one in asking:
        if one.done():
            one.result()
    counts = tally.counts
    per_second = (len(tally.seconds) + counts["vanished"]) / seconds
    p50, p99 = percentiles(tally.seconds)
    return asdict(Slice(per_second, p50, p99, counts["vanished"], counts["refused"], dict(tally.errors)))


def run(port: int, models: Path, clients: int, seconds: float, *, rate: float | None, seed: int) -> Slice:
    """So many seconds of traffic of the models in a folder, which the server on `port` has; pictures of that seed."""
    task = {"port": port, "models": str(models), "clients": clients, "seconds": seconds, "rate": rate, "seed": seed}
    return Slice(**apart.run("bench.mixed", task, seconds + 3 * PATIENCE))


if __name__ == "__main__":
    print(json.dumps(uvloop.run(_traffic(**apart.task()))))
