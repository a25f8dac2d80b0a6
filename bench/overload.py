"""More clients than the service can answer in time: what does it answer, whom does it send away, and does it tell the
truth about when to come back?

Each client gives its request a limit. One that is answered asks again at once. One that is refused waits as long as it
was told, and comes again. `python -m bench.overload` is the process of the clients.

`Retry-After` says when the work that is queued now will be done, or later where others were refused just before. The
clients know when it was: once the last request that was accepted before the refused one was asked has its answer. The
error is the difference of the two, as a share of the true time.
"""

import asyncio
import itertools
import json
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import accumulate
from statistics import median

import uvloop

from bench import apart
from bench.load import PATIENCE, Window
from bench.wire import HOST, Answer, Ask, Connection, percentiles

CLIENTS = 400
LIMIT = 0.5
"""Seconds in which a request must be answered."""
GENERATE = Ask()
EXPIRED = b"problem:deadline-exceeded"
"""In a 429 of another kind: the request was accepted, and is too late."""
PRECISE = b"retry-after-ms"
"""Milliseconds, as several vendors' clients read it: RFC 9110 has whole seconds only, which say little here."""


@dataclass(frozen=True)
class Overload:
    """What became of the requests. Milliseconds; `told` and `true` are seconds, one of each for every refusal."""

    images_per_second: float
    """Answered within the limit."""
    p50: float
    p99: float
    late: int
    """Accepted, and answered after the limit, or told after it that the time is up."""
    refused: int
    untold: int
    """Refusals without a `Retry-After`."""
    came_back: int
    welcome: int
    """Of those that came back when told, how many were accepted then."""
    told: list[float]
    true: list[float]
    errors: dict[str, int]

    @property
    def inaccuracy(self) -> list[float]:
        """The error of each `Retry-After`, as a share of the true time."""
        pairs = zip(self.told, self.true, strict=True)
        return [abs(told - true) / true if true else float("inf") for told, true in pairs]

    @property
    def typical_inaccuracy(self) -> float:
        """The median error; 0 if nobody was refused."""
        return median(self.inaccuracy) if self.told else 0.0


@dataclass
class Log:
    """What all clients share: seeds, when it counts, and what happened."""

    ask: Ask
    limit: float
    seeds: Iterator[int]
    begin: float
    end: float
    accepted: list[tuple[float, float]] = field(default_factory=list)
    """When asked and when answered, of all, also before counting begins."""
    refused: list[tuple[float, float, float]] = field(default_factory=list)
    """When asked, when answered, and how many seconds the client was told to wait."""
    counts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)


class Client(Connection):
    """Asks until the end, and does as it is told."""

    def __init__(self, log: Log, done: "asyncio.Future[None]") -> None:
        super().__init__(done)
        self.log = log
        self.returning = False

    def next(self) -> None:
        if time.perf_counter() > self.log.end:
            self.close()
        else:
            self.send(self.log.ask.request(next(self.log.seeds)))

    def answered(self, answer: Answer, asked: float) -> None:
        now, log = time.perf_counter(), self.log
        counts = log.begin <= now <= log.end
        expired = answer.status == 429 and EXPIRED in answer.body
        refused = answer.status == 429 and not expired
        if counts and self.returning and answer.status in (200, 429):
            log.counts["came back"] += 1
            log.counts["welcome"] += not refused
        self.returning = refused
        told, wait = None, 0.0
        if answer.status == 429:
            told = retry_after(answer)
            wait = log.limit if told is None else told
        if refused:
            if counts and told is None:
                log.counts["untold"] += 1
            elif counts:
                log.refused.append((asked, now, wait))
        elif expired:
            log.accepted.append((asked, now))
        elif flaw := log.ask.flaw(answer):
            log.errors[flaw] += 1
        else:
            log.accepted.append((asked, now))
        asyncio.get_running_loop().call_later(wait, self.next) if wait else self.next()

    def lost(self) -> None:
        self.log.errors["connection lost"] += 1


def retry_after(answer: Answer) -> float | None:
    """The seconds that a refusal asks its client to wait, as precisely as it says; None if it doesn't."""
    precise, whole = answer.header(PRECISE), answer.header(b"retry-after")
    if precise is not None:
        return float(precise) / 1000
    return None if whole is None else float(whole)


def drained(accepted: Sequence[tuple[float, float]], asked: float, refused: float) -> float:
    """Seconds from a refusal until the last of the requests that were accepted before it was asked had its answer.

    `accepted` are the times of asking and answering, by time of asking, the latter as the latest up to there.
    """
    before = bisect_right(accepted, (asked, float("inf")))
    return max(0.0, accepted[before - 1][1] - refused) if before else 0.0


def _summary(log: Log, seconds: float) -> Overload:
    counted = [answered - asked for asked, answered in log.accepted if log.begin <= answered <= log.end]
    asked, answered = zip(*sorted(log.accepted), strict=True) if log.accepted else ((), ())
    latest = list(zip(asked, accumulate(answered, max), strict=True))
    in_time = sum(one <= log.limit for one in counted)
    return Overload(
        in_time / seconds,
        *percentiles(counted),
        late=len(counted) - in_time,
        refused=len(log.refused) + log.counts["untold"],
        untold=log.counts["untold"],
        came_back=log.counts["came back"],
        welcome=log.counts["welcome"],
        told=[told for _, _, told in log.refused],
        true=[drained(latest, asked, refused) for asked, refused, _ in log.refused],
        errors=dict(log.errors),
    )


async def _overload(port: int, window: Window, first_seed: int, ask: Ask, limit: float) -> Overload:
    loop = asyncio.get_running_loop()
    begin = time.perf_counter() + window.warmup
    log = Log(ask, limit, itertools.count(first_seed), begin, begin + window.seconds)
    ends = []
    for _ in range(CLIENTS):
        ends.append(loop.create_future())
        await loop.create_connection(partial(Client, log, ends[-1]), HOST, port)
    _, hanging = await asyncio.wait(ends, timeout=window.warmup + window.seconds + PATIENCE)
    if hanging:
        log.errors["no answer"] += len(hanging)
    return _summary(log, window.seconds)


def run(port: int, window: Window, first_seed: int, ask: Ask = GENERATE, limit: float = LIMIT) -> Overload:
    """Sends `CLIENTS` to the service on `port`, each of whose requests is of no use after `limit` seconds."""
    limited = replace(ask, target=f"{ask.target}&timeout={limit}")
    task = {
        "port": port,
        "window": asdict(window),
        "first_seed": first_seed,
        "ask": asdict(limited),
        "limit": limit,
    }
    return Overload(**apart.run("bench.overload", task, window.warmup + window.seconds + 2 * PATIENCE))


if __name__ == "__main__":
    given = apart.task()
    given |= {"window": Window(**given["window"]), "ask": Ask(**given["ask"])}
    done = uvloop.run(_overload(**given))
    print(json.dumps(asdict(done)))
