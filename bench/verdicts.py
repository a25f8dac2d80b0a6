"""What is required of the service, and whether what was measured reaches it. Bounds stand here and nowhere else."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from bench.overload import LIMIT
from bench.protocol import OURS, PLAIN, Measured

SHARE_OF_LIMIT = 0.85
TIMES_PLAIN = 1.6
TIMES_CHAIN = 1.3
SHARE_OF_PEAK = 0.95
RETRY_ERROR = 0.3
WAIT_MS = 50
RESIDENT_MB = 600
IDLE_SHARE = 0.005
LAG_MS = 10


@dataclass(frozen=True)
class Verdict:
    """One requirement: a sentence with the figures, and whether it is reached."""

    sentence: str
    reached: bool

    def __str__(self) -> str:
        return f"{self.sentence}: **{'reached' if self.reached else 'missed'}**."


def verdicts(measured: Measured) -> list[Verdict]:
    """One for each requirement of the parts that were measured."""
    return [*_load(measured), *_overload(measured), *_vanished(measured), *_fairness(measured), *_footprint(measured)]


def spread(figures: Sequence[float], digits: int = 2) -> str:
    """The median, and the smallest and the largest beside it."""
    if len(figures) == 1:
        return f"{figures[0]:,.{digits}f}"
    return f"{median(figures):,.{digits}f} ({min(figures):,.{digits}f} to {max(figures):,.{digits}f})"


def _load(measured: Measured) -> Iterator[Verdict]:
    rounds, limits = measured.rounds, measured.limits
    if (32, OURS) in rounds:
        rates = [done.images_per_second for done in rounds[32, OURS]]
        yield _at_least(
            "Concurrency 32, share of the limit", _ratios(rates, [limit.in_use for limit in limits]), SHARE_OF_LIMIT
        )
        plain = [done.images_per_second for done in rounds[32, PLAIN]]
        yield _at_least(f"Concurrency 32, times {PLAIN}'s rate", _ratios(rates, plain), TIMES_PLAIN)
    if (1, OURS) in rounds:
        medians = [done.p50 for done in rounds[1, OURS]]
        chain = _ratios(medians, [limit.chain for limit in limits])
        yield _at_most("Concurrency 1, median over the raw chain's", chain, TIMES_CHAIN)
        plain = [done.p50 for done in rounds[1, PLAIN]]
        yield _at_most(f"Concurrency 1, median over {PLAIN}'s", _ratios(medians, plain), 1)
    if rounds:
        errors = sum(sum(done.errors.values()) for rounds in measured.rounds.values() for done in rounds)
        yield Verdict(f"Answers that were no picture: {errors}; 0 are required", errors == 0)


def _overload(measured: Measured) -> Iterator[Verdict]:
    done = measured.overloads
    if not done:
        return
    share = _ratios([one.images_per_second for one in done], measured.peaks)
    yield _at_least("Overload, answered in time over the peak rate", share, SHARE_OF_PEAK)
    yield _at_most("Overload, p99 of the accepted in ms", [one.p99 for one in done], 1000 * LIMIT)
    refused, untold = (sum(getattr(one, what) for one in done) for what in ("refused", "untold"))
    yield Verdict(f"Overload, refusals without Retry-After: {untold} of {refused}; 0 are required", untold == 0)
    errors = [one.typical_inaccuracy for one in done if one.told]
    if errors:
        yield _at_most("Overload, median error of Retry-After", errors, RETRY_ERROR)


def _vanished(measured: Measured) -> Iterator[Verdict]:
    done = measured.vanished.get(OURS, [])
    if not done:
        return
    yield _at_most("Clients vanished, wait of the next request in ms", [one.wait for one in done], WAIT_MS)
    counts = ", ".join(f"{one.dropped} of {one.vanished}" for one in done)
    exact = all(one.dropped == one.vanished for one in done)
    yield Verdict(f"Clients vanished, as the service counted them: {counts}; all are required", exact)


def _fairness(measured: Measured) -> Iterator[Verdict]:
    if measured.fairness:
        shares = [one.beside.p99 / one.bound for one in measured.fairness]
        yield _at_most("Fairness, p99 beside a request of 256 over three idle medians and one batch", shares, 1)


def _footprint(measured: Measured) -> Iterator[Verdict]:
    if (taken := measured.footprint) is None:
        return
    yield _at_most("Memory, MB resident with 12 models after the load", [taken.many_loaded], RESIDENT_MB, digits=0)
    yield _at_most("Idle, % of a core", [100 * taken.idle], 100 * IDLE_SHARE)
    yield _at_most("Event loop, upper bound of the lag's p99 at concurrency 32 in ms", [taken.health.p99], LAG_MS, 1)


def _ratios(ours: Iterable[float], others: Iterable[float]) -> list[float]:
    """Ours over the others', round by round."""
    return [one / other for one, other in zip(ours, others, strict=True)]


def _at_least(what: str, figures: Sequence[float], bound: float, digits: int = 2) -> Verdict:
    said = f"{what}: {spread(figures, digits)}; at least {bound:g} is required"
    return Verdict(said, median(figures) >= bound)


def _at_most(what: str, figures: Sequence[float], bound: float, digits: int = 2) -> Verdict:
    said = f"{what}: {spread(figures, digits)}; at most {bound:g} is required"
    return Verdict(said, median(figures) <= bound)
