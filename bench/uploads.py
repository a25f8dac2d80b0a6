"""What an uploaded picture costs beside its decoding, graph and encoding, whether uploads share batches, and what
becomes of more of them than can be answered in time.

`python -m bench.uploads` prints a Markdown table: the raw chain, `/translate` one at a time, many at once, and larger
ones from a crowd. The raw chain is the same work in this process, one picture after the other on one thread or on all
cores, whichever is quicker.
"""

import argparse
from functools import partial
from io import BytesIO
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from app import contract
from app.contract import Manifest
from app.engine import providers
from app.media import images, pictures
from app.media.framing import frame
from app.media.provenance import Derivation
from app.settings import Settings
from bench import conditions, load, overload, servers
from bench.limit import milliseconds
from bench.load import Group, Window
from bench.wire import Ask

MODELS = Path("models")
CONCURRENCY = 32
LARGE = 1000
"""The sides of a crowd's pictures: decoding one costs more than the model does."""
SETTLING = 8.0
"""Seconds after which a crowd has been told when to come back."""


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser("python -m bench.uploads", description=__doc__)
    parser.add_argument("--model", default="facades", help="a model that translates, in models/")
    parser.add_argument("--beside", default="fashion", help="a model that generates: the server starts with it")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement in a round")
    parser.add_argument("--limit", type=float, default=1.0, help="seconds in which an upload of a crowd is of use")
    given = parser.parse_args()
    here = conditions.now()
    folder = next((MODELS / given.model).iterdir())
    manifest = contract.read(folder)
    tensor = manifest.graphs["generator"].given("image")
    height, width, channels = tensor.usual or tensor.sample
    upload = photo(height, width, channels)
    large = Ask(
        f"/translate?model={given.model}&format=png", photo(LARGE, LARGE, channels).decode("latin-1"), kind="image/jpeg"
    )
    ask = Ask(f"/translate?model={given.model}&format=png", upload.decode("latin-1"), kind="image/jpeg")
    raw, one, many, batches = [], [], [], []
    with servers.running(servers.ganymede(MODELS, given.beside)) as [server]:
        for _ in range(given.rounds):
            raw.append(chain(folder, manifest, upload, given.seconds))
            [alone] = load.run(server.port, Window(0.5, given.seconds), 0, Group(ask, 1))
            before = _batches(server, manifest.reference)
            [crowd] = load.run(server.port, Window(0.5, given.seconds), 0, Group(ask, CONCURRENCY))
            samples, count = (
                now - then for now, then in zip(_batches(server, manifest.reference), before, strict=True)
            )
            one.append(alone)
            many.append(crowd)
            batches.append(samples / count)
        [most] = load.run(server.port, Window(1, given.seconds), 0, Group(large, CONCURRENCY))
        crowded = overload.run(server.port, Window(SETTLING, 2 * given.seconds), 0, large, given.limit)
        useful = server.json(f"/models/{given.model}")
    print(f"{here.date}, {here.processor}, {here.cores} cores, load average {here.load:.2f}, {here.ganymede}\n")
    print("| what | median of the rounds | all rounds |\n|---|---|---|")
    _row("raw chain: decode, graph, encode, ms", raw)
    _row("`/translate` at concurrency 1, p50 in ms", [done.p50 for done in one])
    _row("**more than the raw chain of its round, ms**", [done.p50 - bare for done, bare in zip(one, raw, strict=True)])
    _row(f"pictures per second at concurrency {CONCURRENCY}", [done.images_per_second for done in many])
    _row(f"pictures in a batch at concurrency {CONCURRENCY}, mean", batches)
    print(
        f"\nPictures of {LARGE}×{LARGE}: {most.images_per_second:.1f} a second at concurrency {CONCURRENCY}. From "
        f"{overload.CLIENTS} clients with {given.limit:g} s each: {crowded.images_per_second:.1f} a second in time, "
        f"{crowded.late} late, {crowded.refused} refused, errors: {crowded.errors or 'none'}."
    )
    print(f"\nErrors: {[done.errors for done in (*one, *many) if done.errors] or 'none'}.")
    print(f"Seconds by batch size: {useful['seconds_by_batch_size']}")


def photo(height: int, width: int, channels: int) -> bytes:
    """A JPEG of that size: blocks of colour, as labels and photos have, and some grain."""
    rng = np.random.Generator(np.random.Philox(key=[0, 0]))
    blocks = rng.integers(0, 240, (8, 8, channels), dtype=np.uint8).repeat(height // 8, 0).repeat(width // 8, 1)
    grain = rng.integers(0, 16, blocks.shape, dtype=np.uint8)
    file = BytesIO()
    Image.fromarray((blocks + grain).squeeze()).save(file, "JPEG")
    return file.getvalue()


def chain(folder: Path, manifest: Manifest, upload: bytes, seconds: float) -> float:
    """Median milliseconds of decode, run and encode, on one thread or on all cores: the quicker of the two."""
    graph = manifest.graphs["generator"]
    data = (folder / graph.file).read_bytes()
    given, image = graph.given("image"), graph.output("image").name
    limits = Settings()
    recipe = Derivation(
        model=manifest.name,
        version=manifest.version,
        digest="0" * 64,
        verb="translate",
        source=contract.digest(upload),
        parameters={},
    )

    def translated(session: object) -> None:
        picture = pictures.decode(upload, max_pixels=limits.max_pixels, max_frames=limits.max_frames)
        framed = frame(picture, given, at_model_scale=True)
        (drawn,) = session.run([image], {given.name: framed.samples})  # type: ignore[attr-defined]
        images.encode(framed.restored(framed.joined(drawn)), "png", recipe)

    threads = {1, providers.cores()}
    return min(
        milliseconds(partial(translated, providers.load(data, count)), seconds / len(threads)) for count in threads
    )


def _batches(server: servers.Server, model: str) -> tuple[float, float]:
    """Samples and batches so far."""
    return (
        server.count("ganymede_batch_size_sum", model=model),
        server.count("ganymede_batch_size_count", model=model),
    )


def _row(what: str, values: list[float]) -> None:
    print(f"| {what} | {median(values):.2f} | {', '.join(f'{value:.2f}' for value in values)} |")


if __name__ == "__main__":
    main()
