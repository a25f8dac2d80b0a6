"""What an answer, and each part of a streamed one, says of itself in headers."""

from collections.abc import Mapping
from urllib.parse import quote

from app.api import caching
from app.api.answers import Pictured
from app.api.derived import Derived
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


def of_answer(asked: GenerateParameters, drawing: Drawing, method: str, prefix: str) -> dict[str, str]:
    """Everything that can be said of an answer before it is drawn. `prefix` is what a proxy added to paths.

    A stream has neither address nor tag, and isn't kept: its pictures come in another order each time, and it may end
    in an error. Nor has what a graph draws that makes noise of its own: it won't come again.
    """
    headers = {
        "X-Model": drawing.manifest.reference,
        "X-Seed": str(drawing.seed),
    }
    if drawing.best_of is None:
        headers["X-Index"] = str(drawing.index)
    if name := drawing.class_name:
        headers["X-Class"] = ascii_text(name)
    if asked.format is None:
        headers["Vary"] = "Accept"
    if drawing.streamed:
        headers["Cache-Control"] = caching.NEVER
        return headers
    headers["Content-Disposition"] = disposition(drawing)
    if not drawing.lasting:
        headers["Cache-Control"] = caching.NEVER
        return headers
    headers["Content-Location"] = prefix + drawing.address()
    if method == "POST" or asked.seed is None:
        headers["Cache-Control"] = caching.NEVER
    else:
        headers["ETag"] = drawing.tag()
        pinned = asked.model == drawing.manifest.reference
        headers["Cache-Control"] = caching.FOREVER if pinned else caching.REVALIDATE
    return headers


def of_derived(pictures: Derived, *, varies: bool) -> dict[str, str]:
    """What an answer says that was drawn for one request; `varies` tells that the Accept header chose its form."""
    headers = {
        "X-Model": pictures.live.manifest.reference,
        "Cache-Control": caching.NEVER,
        "Content-Disposition": disposition(pictures),
    }
    return headers | {"Vary": "Accept"} if varies else headers


def disposition(pictures: Pictured) -> str:
    """Whether the answer is to be shown or kept, and under which name."""
    return f'{"attachment" if pictures.format in ("zip", "npy") else "inline"}; filename="{pictures.file_name()}"'


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
