"""Measurements as Markdown, with the machine, the date and the versions that they hold for, and the verdict."""

import platform
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

from app.contract import Manifest, processor
from app.engine import providers
from bench.protocol import OURS, PLAIN, Measured, Plan

PACKAGES = ("onnxruntime", "fastapi", "uvicorn", "uvloop", "httptools", "pillow", "numpy")


def render(manifest: Manifest, plan: Plan, measured: Measured) -> str:
    """The whole report."""
    blocks = [_conditions(manifest, plan), _table(measured), _limit(measured), _vanished(measured)]
    return "\n\n".join([*blocks, "\n".join(sentence for sentence, _ in verdicts(measured))])


def verdicts(measured: Measured) -> list[tuple[str, bool]]:
    """What is required of the service, as sentences with figures, and whether it holds."""
    said = []
    if (32, OURS) in measured.rounds:
        ratios = _ratios(measured, 32, "images_per_second")
        holds = median(ratios) >= 1
        said.append((f"Throughput at concurrency 32: {_spread(ratios)} of {PLAIN}'s; at least 1 is required", holds))
    if (1, OURS) in measured.rounds:
        ratios = _ratios(measured, 1, "p50")
        holds = median(ratios) <= 1
        said.append((f"Median latency at concurrency 1: {_spread(ratios)} of {PLAIN}'s; at most 1 is required", holds))
    errors = sum(sum(done.errors.values()) for rounds in measured.rounds.values() for done in rounds)
    said.append((f"Answers that were no picture: {errors}; none is required", errors == 0))
    return [(f"* {sentence}: **{'reached' if holds else 'missed'}**.", holds) for sentence, holds in said]


def _ratios(measured: Measured, concurrency: int, figure: str) -> list[float]:
    """Ours over plain's, round by round."""
    ours, plain = (measured.rounds[concurrency, name] for name in (OURS, PLAIN))
    return [getattr(one, figure) / getattr(other, figure) for one, other in zip(ours, plain, strict=True)]


def _spread(ratios: Sequence[float]) -> str:
    return f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def _conditions(manifest: Manifest, plan: Plan) -> str:
    *_, height, width, channels = manifest.graphs["generator"].output("image").shape
    packages = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return "\n".join(
        [
            f"* Model: {manifest.reference}, {width}×{height}, {channels} channels",
            f"* Machine: {providers.cores()} cores of {processor()}",
            f"* Versions: ganymede {_revision()}, Python {platform.python_version()}, {packages}",
            f"* Date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            f"* Protocol: closed loop; median of {plan.rounds} rounds of {plan.seconds:g} s after {plan.warmup:g} s of "
            "warm-up, servers in turn",
        ]
    )


def _table(measured: Measured) -> str:
    rows = [
        ("concurrency", "server", "images/s", "share of the limit", "p50 ms", "p99 ms", "errors", "generator's core"),
        ("--:", "---", "--:", "--:", "--:", "--:", "--:", "--:"),
    ]
    limits = [limit.both for limit in measured.limits]
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
    return _markdown(rows)


def _limit(measured: Measured) -> str:
    infer, encode, both = (
        median(getattr(limit, part) for limit in measured.limits) for part in ("infer", "encode", "both")
    )
    return (
        f"The machine's limit, one single-threaded process per core: graph {infer:,.0f} images/s, PNG encoder "
        f"{encode:,.0f}, perfectly overlapped **{both:,.0f}**."
    )


def _vanished(measured: Measured) -> str:
    waits = ", ".join(f"{name} {median(waits):,.0f} ms" for name, waits in measured.waits.items())
    return f"After 300 clients hung up, the next request waits: {waits}."


def _markdown(rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _revision() -> str:
    """Version and, in a checkout, the commit, marked where files differ from it."""
    here = Path(__file__).parent
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        commit = subprocess.run(command, cwd=here, capture_output=True, check=True, text=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return version("ganymede")
    return f"{version('ganymede')} ({commit.stdout.strip()})"
