"""What an answer, and each part of a streamed one, says of itself in headers."""

from collections.abc import Mapping
from typing import Protocol
from urllib.parse import quote

from app.api import caching
from app.api.drawing import Drawing
from app.api.schemas import GenerateParameters
from app.engine.job import Timing

LISTED = 64
"""Samples of which headers say each one's index and scores: a header must stay short."""

MEANINGS = {
    "X-Model": "name@version",
    "X-Seed": "the seed, drawn or given",
    "X-Index": "index of the first sample; with best_of, of each, up to 64",
    "X-Class": "the class, percent-encoded, when all samples have the same",
    "X-Realness": "with best_of: how real the critic takes each sample to be, in their order, up to 64",
    "X-Match": "with best_of: how well each sample matches its class",
    "Content-Location": "where this very answer lies for ever; of a stream, only its pictures have such an address",
    "Server-Timing": "milliseconds in the queue, on the device and encoding, and the batch size; not of a stream",
}


WORKED = {name: MEANINGS[name] for name in ("X-Model", "Server-Timing")}
"""Those of a verb that draws no samples of a seed."""

MAPPED = {name: MEANINGS[name] for name in ("X-Model", "X-Class", "Content-Location", "Server-Timing")}
"""Those of a map."""


def of_answer(asked: GenerateParameters, drawing: Drawing, method: str, prefix: str) -> dict[str, str]:
    """Everything that can be said of an answer before it is drawn. `prefix` is what a proxy added to paths.

    A stream has neither address nor tag, and isn't kept: its pictures come in another order each time, and it may end
    in an error. Nor has what a graph draws that makes noise of its own: it won't come again.
    """
    headers = of_drawing(drawing)
    if asked.format is None:
        headers["Vary"] = "Accept"
    if drawing.streamed:
        headers["Cache-Control"] = caching.NEVER
        return headers
    kept = method != "POST" and asked.seed is not None
    pinned = asked.model == drawing.manifest.reference
    return headers | of_address(drawing, prefix, pinned=pinned if kept else None)


class Addressed(Protocol):
    """What has an address at which it lies for ever."""

    @property
    def lasting(self) -> bool:
        """Whether its address gives the same again."""
        ...

    def address(self) -> str:
        """The path and query."""
        ...

    def tag(self) -> str:
        """The strong entity tag."""
        ...

    def file_name(self) -> str: ...


def of_address(addressed: Addressed, prefix: str, *, pinned: bool | None) -> dict[str, str]:
    """Where an answer lies and for how long it may be kept: for ever if the request had `pinned` the version, until
    it's asked for again if not, and not at all where that is None: it was drawn for one request alone.
    """
    headers = {"Content-Disposition": disposition(addressed.file_name()), "Cache-Control": caching.NEVER}
    if not addressed.lasting:
        return headers
    headers["Content-Location"] = prefix + addressed.address()
    if pinned is not None:
        headers["ETag"] = addressed.tag()
        headers["Cache-Control"] = caching.FOREVER if pinned else caching.REVALIDATE
    return headers


def of_drawing(drawing: Drawing) -> dict[str, str]:
    """What every answer says of what it holds."""
    headers = {"X-Model": drawing.manifest.reference, "X-Seed": str(drawing.seed)}
    if drawing.best_of is None:
        headers["X-Index"] = str(drawing.index)
    if name := drawing.class_name:
        headers["X-Class"] = ascii_text(name)
    return headers


def of_work(model: str, file: str, *, varies: bool) -> dict[str, str]:
    """What an answer says that is made for one request alone; `varies` tells that the Accept header chose its form."""
    headers = {"X-Model": model, "Cache-Control": caching.NEVER, "Content-Disposition": disposition(file)}
    return headers | {"Vary": "Accept"} if varies else headers


def disposition(file: str) -> str:
    """Whether an answer is to be shown or kept, by the name of its file."""
    return f'{"attachment" if file.endswith((".zip", ".npy")) else "inline"}; filename="{file}"'


def of_samples(drawing: Drawing) -> dict[str, str]:
    """What can be said only once the samples are known: their class, and which of them the critic chose."""
    headers = {}
    if name := drawing.class_name:
        headers["X-Class"] = ascii_text(name)
    if drawing.best_of is not None and drawing.n <= LISTED:
        headers["X-Index"] = ", ".join(str(sample.index) for sample in drawing.samples)
        headers |= _scores(drawing)
    return headers


def of_part(single: Drawing, prefix: str) -> dict[str, str]:
    """What one picture of a stream says, beside its type and length."""
    headers = {
        "Content-Disposition": f'inline; filename="{single.file_name()}"',
        "X-Index": str(single.index),
    }
    if single.lasting:
        headers["Content-Location"] = prefix + single.address()
    if name := single.class_name:
        headers["X-Class"] = ascii_text(name)
    return headers | _scores(single)


def _scores(drawing: Drawing) -> dict[str, str]:
    """A header for each of the critic's outputs, if it was asked: the values of the samples."""
    given = [sample.scores for sample in drawing.samples if sample.scores is not None]
    names = given[0] if given else ()
    return {f"X-{name.capitalize()}": ", ".join(f"{scores[name]:g}" for scores in given) for name in names}


def ascii_text(name: str) -> str:
    """A class name as a header can hold it: what isn't printable ASCII is percent-encoded, and `%` itself."""
    return quote(name, safe=" !\"#$&'()*+,/:;<=>?@[\\]^`{|}")


def server_timing(timing: Timing, total: float, **before: float) -> str:
    """`Server-Timing`: where the time of a request went, in milliseconds; `total` and `before` in seconds."""
    phases: Mapping[str, float] = {
        "queue": timing.queue,
        **before,
        "infer": timing.infer,
        "encode": timing.encode,
        "total": total,
    }
    parts = [f"{name};dur={seconds * 1000:.2f}" for name, seconds in phases.items()]
    rides = timing.batches
    # A header must stay short, however many batches a large request rode in.
    sizes = "/".join(map(str, rides)) if len(rides) <= 8 else f"{len(rides)} batches of up to {max(rides)}"
    return ", ".join([parts[0], f'batch;desc="{sizes}"', *parts[1:]])
