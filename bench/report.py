"""Measurements as Markdown for people, and as plain data for programs."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from app.contract import Manifest
from bench import company, footprint, overload, vanish
from bench.conditions import Conditions
from bench.protocol import Measured, Plan
from bench.verdicts import Verdict, spread


def render(
    manifest: Manifest, conditions: Conditions, plan: Plan, measured: Measured, verdicts: Sequence[Verdict]
) -> str:
    """The whole report."""
    parts = (_table, _limit, _overload, _vanished, _fairness, _mixed, _footprint)
    blocks = [_conditions(manifest, conditions, plan), *(part(measured) for part in parts)]
    return "\n\n".join([*filter(None, blocks), "\n".join(f"* {verdict}" for verdict in verdicts)])


def data(
    manifest: Manifest, conditions: Conditions, plan: Plan, measured: Measured, verdicts: Sequence[Verdict]
) -> dict[str, Any]:
    """Every figure of every round, with what it holds for."""
    rounds = [
        {"concurrency": concurrency, "server": name, "rounds": [asdict(done) for done in rounds]}
        for (concurrency, name), rounds in measured.rounds.items()
    ]
    figures: dict[str, Any] = _finite(
        {
            "model": manifest.reference,
            "conditions": asdict(conditions),
            "plan": asdict(plan),
            "measured": asdict(measured) | {"rounds": rounds},
            "verdicts": [asdict(verdict) for verdict in verdicts],
        }
    )
    return figures


def _finite(value: Any) -> Any:
    """The same with None where a figure is infinite, since nothing was answered: JSON has no infinity."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and math.isinf(value) else value


def _conditions(manifest: Manifest, conditions: Conditions, plan: Plan) -> str:
    *_, height, width, channels = manifest.graphs["generator"].output("image").shape
    packages = ", ".join(f"{package} {version}" for package, version in conditions.packages.items())
    return "\n".join(
        [
            f"* Model: {manifest.reference}, {width}×{height}, {channels} channels",
            f"* Machine: {conditions.cores} cores of {conditions.processor}; load average before: {conditions.load:g}",
            f"* Versions: ganymede {conditions.ganymede}, Python {conditions.python}, {packages}",
            f"* Date: {conditions.date}",
            f"* Protocol: closed loop; median of {plan.rounds} rounds of {plan.seconds:g} s after {plan.warmup:g} s of "
            "warm-up, servers in turn",
        ]
    )


def _table(measured: Measured) -> str:
    rows = [
        ("concurrency", "server", "images/s", "share of the limit", "p50 ms", "p99 ms", "errors", "generator's core"),
        ("--:", "---", "--:", "--:", "--:", "--:", "--:", "--:"),
    ]
    limits = [limit.in_use for limit in measured.limits]
    for (concurrency, name), rounds in measured.rounds.items():
        shares = [done.images_per_second / limit for done, limit in zip(rounds, limits, strict=True)]
        rows.append(
            (
                str(concurrency),
                name,
                f"{median(done.images_per_second for done in rounds):,.0f}",
                f"{median(shares):.2f}",
                f"{median(done.p50 for done in rounds):.2f}",
                f"{median(done.p99 for done in rounds):.1f}",
                str(sum(sum(done.errors.values()) for done in rounds)),
                f"{median(done.busy for done in rounds):.0%}",
            )
        )
    return _markdown(rows) if measured.rounds else ""


def _limit(measured: Measured) -> str:
    if not measured.limits:
        return ""
    draw, infer, pillow, encode, with_pillow, in_use, chain = (
        median(getattr(limit, part) for limit in measured.limits)
        for part in ("draw", "infer", "pillow", "encode", "with_pillow", "in_use", "chain")
    )
    return (
        f"The machine's limit, one single-threaded process per core: draw {draw:,.0f} images/s, graph {infer:,.0f}, "
        f"the encoder in use {encode:,.0f}, perfectly overlapped **{in_use:,.0f}**; with Pillow's encoder at level 1 "
        f"({pillow:,.0f}) {with_pillow:,.0f}. The raw chain, one picture after the other: p50 **{chain:.2f} ms**."
    )


def _overload(measured: Measured) -> str:
    done = measured.overloads
    if not done:
        return ""
    inaccuracy = sorted(error for one in done for error in one.inaccuracy)
    lines = [
        f"Overload, {overload.CLIENTS} clients with a limit of {1000 * overload.LIMIT:g} ms: "
        f"{spread([one.images_per_second for one in done], 0)} images/s in time beside a peak of "
        f"{spread(measured.peaks, 0)}; accepted: p50 {spread([one.p50 for one in done], 0)} ms, p99 "
        f"{spread([one.p99 for one in done], 0)} ms, {sum(one.late for one in done)} late; "
        f"{sum(one.refused for one in done)} refused, {_count([one.errors for one in done])} other errors."
    ]
    if inaccuracy:
        told, true = (median(value for one in done for value in getattr(one, what)) for what in ("told", "true"))
        close = sum(error <= 0.3 for error in inaccuracy) / len(inaccuracy)
        came_back = sum(one.came_back for one in done)
        welcome = sum(one.welcome for one in done)
        lines.append(
            f"Retry-After said {told:.2f} s, in truth the queue was worked off after {true:.2f} s (medians); "
            f"{close:.0%} of the refusals were right within 30 %. Of {came_back} clients that came back when told "
            f"{welcome} were accepted."
        )
    return " ".join(lines)


def _vanished(measured: Measured) -> str:
    waits = ", ".join(f"{name} {spread([one.wait for one in done], 0)} ms" for name, done in measured.vanished.items())
    return f"After {vanish.CLIENTS} clients hung up, the next request waits: {waits}." if waits else ""


def _fairness(measured: Measured) -> str:
    done = measured.fairness
    if not done:
        return ""
    idle, p50, p99, bound, batch = (
        spread(figures)
        for figures in (
            [one.idle.p50 for one in done],
            [one.beside.p50 for one in done],
            [one.beside.p99 for one in done],
            [one.bound for one in done],
            [one.batch for one in done],
        )
    )
    return (
        f"Beside a request of {company.MANY} samples, one of 1 takes p50 {p50} ms, p99 {p99} ms; idle p50 {idle} ms, "
        f"one batch {batch} ms, three idle medians and one batch {bound} ms. Errors: "
        f"{_count([errors for one in done for errors in (one.idle.errors, one.beside.errors, one.many.errors)])}."
    )


def _mixed(measured: Measured) -> str:
    done = measured.mixed
    if not done:
        return ""
    return (
        f"Beside a model that {company.CROWD} clients want ({spread([one.hot.images_per_second for one in done], 0)} "
        f"images/s), one client of another model waits p50 {spread([one.cold.p50 for one in done])} ms, p99 "
        f"{spread([one.cold.p99 for one in done])} ms; idle p50 {spread([one.idle.p50 for one in done])} ms. Errors: "
        f"{_count([errors for one in done for errors in (one.idle.errors, one.cold.errors, one.hot.errors)])}."
    )


def _footprint(measured: Measured) -> str:
    taken = measured.footprint
    if taken is None:
        return ""
    return (
        f"Resident (PSS): {taken.one:,.0f} MB with one model, {taken.one_loaded:,.0f} after the load; "
        f"{taken.many:,.0f} with {footprint.MODELS}, {taken.many_loaded:,.0f} after the load. Idle: "
        f"{taken.idle:.2%} of a core. `/healthz` at concurrency {footprint.CLIENTS}: p50 {taken.health.p50:.1f} ms, "
        f"p99 {taken.health.p99:.1f} ms."
    )


def _count(errors: Iterable[dict[str, int]]) -> int:
    return sum(sum(counts.values()) for counts in errors)


def _markdown(rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
