"""`python -m tests.fuzz.uploads`: pictures, sounds, films and arrays that are almost right, each read as a route would.

A process of its own reads them with what the routes read them with, so that one that crashes is seen: it is counted,
kept in a folder, and the next one begins where that one ended. One of twenty also goes to the real server, over HTTP. A
run fails on a crash, on an error that a route would answer with 500, on a file that takes too long, on an answer of
5xx, and on memory that grows.
"""

import logging
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from app import contract
from app.api.codes import transport
from app.engine import memory
from app.errors import InvalidParameter, Problem
from app.media import audio, audio_writer, bundles, clips, pictures
from app.media.frames import Limits
from app.media.provenance import RecipeError, recipe_of
from app.settings import Settings
from tests import toy
from tests.fuzz import children, over_http
from tests.fuzz.bytewise import upload

MODULE = "tests.fuzz.uploads"

PATIENCE = 20
"""Seconds after which a process hangs that is at one file."""

ROOM = 4 * 2**30
"""Bytes that it may ask for, so that a file which makes it ask for more is an error, whatever machine this is."""

LOOK = 250
"""Files between two looks at the memory."""

GROWTH = 0.05
"""By how much memory may differ between the second quarter of the files and the last."""

BAD = ("crashed", "hung", "failed", "answered 5", "no answer")
"""How outcomes begin that must not be, after what the file is read as."""

SETTINGS = Settings()


@dataclass
class Found:
    """What came of all files."""

    counts: Counter[str] = field(default_factory=Counter)
    held: list[int] = field(default_factory=list)
    """Bytes of the process that reads, again and again."""
    slowest: float = 0.0
    """Seconds of the file that took longest."""

    @property
    def growth(self) -> float:
        """By which share memory grew from the second quarter to the last; 0 of too few files to tell."""
        return growth(self.held)


def is_bad(outcome: str) -> bool:
    """Whether an outcome, which begins with what the file was read as, is one that must not be."""
    return outcome.partition(": ")[2].startswith(BAD)


def growth(held: list[int]) -> float:
    """By which share memory grew from the second quarter of the looks to the last; 0 of fewer than eight."""
    quarter = len(held) // 4
    return median(held[-quarter:]) / median(held[quarter : 2 * quarter]) - 1 if quarter > 1 else 0.0


def main() -> int:
    asked = children.parser(MODULE, __doc__, "files", 100_000, "files that must not be").parse_args()
    if asked.child:
        children.tell(outcomes(asked.seed, asked.first, asked.count))
        return 0
    began = time.monotonic()
    read = run(asked.count, asked.seed, asked.keep)
    between = time.monotonic()
    sent = over_http.run(asked.count, asked.seed)
    ended = time.monotonic()
    for outcome, count in [*sorted(read.counts.items()), *sorted(sent.counts.items())]:
        print(f"{outcome:70} {count:7,}")
    print(
        f"{read.counts.total():,} files read in {between - began:.0f} s, the slowest in {1000 * read.slowest:,.0f} ms; "
        f"memory {read.held[-1] / 1e6:.0f} MB, {read.growth:+.1%} since the second quarter"
    )
    print(
        f"{sent.counts.total():,} files sent in {ended - between:.0f} s, twice, the slowest in "
        f"{1000 * sent.slowest:,.0f} ms; memory {sent.again / 1e6:.0f} MB, {sent.growth:+.1%} the second time"
    )
    bad = [outcome for outcome in (*read.counts, *sent.counts) if is_bad(outcome)]
    return 1 if bad or max(read.growth, sent.growth) > GROWTH else 0


def run(count: int, seed: int, keep: Path | None = None) -> Found:
    """What comes of so many files that are read."""
    found = Found()
    for one in children.outcomes(MODULE, count, seed):
        if isinstance(one, children.Ended):
            hung = one.code == -signal.SIGALRM
            found.counts[f"any: hung for {PATIENCE} s" if hung else f"any: crashed with {one.code}"] += 1
            _keep(keep, seed, one.number)
            continue
        outcome, seconds, held = one.rest
        found.counts[outcome] += 1
        if is_bad(outcome):
            _keep(keep, seed, one.number)
        found.slowest = max(found.slowest, seconds)
        found.held += [held] if held else []
    return found


def _keep(folder: Path | None, seed: int, number: int) -> None:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        one = upload(seed, number)
        (folder / f"{one.kind}-{seed}-{number}").write_bytes(one.data)


def outcomes(seed: int, first: int, count: int) -> Iterator[tuple[int, str, float, int]]:
    """The number of each file, what came of it, in how many seconds, and now and then the bytes of this process."""
    logging.disable()
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (ROOM, ROOM))
    readers = those_of_the_routes()
    for number in range(first, count):
        one = upload(seed, number)
        # Ends this process, whatever it is at; its parent sees the signal's number.
        signal.alarm(PATIENCE)
        began = time.perf_counter()
        outcome = f"{one.kind}: {outcome_of(readers[one.kind], one.data)}"
        seconds = time.perf_counter() - began
        held = 0
        if number % LOOK == LOOK - 1 or number == count - 1:
            memory.release()
            held = memory.resident()
        yield number, outcome, seconds, held


def outcome_of(read: Callable[[bytes], object], data: bytes) -> str:
    """What becomes of a file, in words."""
    try:
        read(data)
    except Problem as problem:
        return f"{problem.status} {problem.title}"
    except RecipeError:
        return "409 No recipe"
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"failed, {type(error).__name__} in {Path(last.filename).name}:{last.lineno}: {error}"
    return "read"


def those_of_the_routes() -> dict[str, Callable[[bytes], object]]:
    """What reads a file, by what it is read as."""
    with tempfile.TemporaryDirectory() as scratch:
        manifest = contract.read(toy.build(Path(scratch)))
    limits = Limits(SETTINGS.upload_bytes, SETTINGS.max_frames, SETTINGS.max_pixels)

    def codes(data: bytes) -> object:
        try:
            values = bundles.from_npy(data, *transport.TYPES)
        except ValueError as error:
            raise InvalidParameter.of("latents", str(error)) from error
        return transport.settled(manifest, values, SETTINGS.max_samples)

    return {
        "picture": lambda data: pictures.decode(data, max_pixels=SETTINGS.max_pixels, max_frames=SETTINGS.max_frames),
        "recipe": recipe_of,
        "clip": lambda data: clips.read(data, limits, last=4),
        "sound": lambda data: audio_writer.form(audio.decode(data)),
        "codes": codes,
    }


if __name__ == "__main__":
    sys.exit(main())
