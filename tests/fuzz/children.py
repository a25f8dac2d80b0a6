"""A process of its own for what may crash it: what it tells, and how it ended before it was through.

Its command line is that of the module that starts it, which tells a line of JSON of each number.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple


class Told(NamedTuple):
    """What a child told of a number."""

    number: int
    rest: tuple[Any, ...]


class Ended(NamedTuple):
    """The number that a child was at when it ended, and its exit code, negative for a signal."""

    number: int
    code: int


def parser(module: str, description: str | None, what: str, count: int, kept: str) -> argparse.ArgumentParser:
    """The command line of a module that tries so many of something."""
    made = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    made.add_argument("--count", type=int, default=count, help=f"{what}; default: %(default)s")
    made.add_argument("--seed", type=int, default=1, help=f"another one makes other {what}; default: %(default)s")
    made.add_argument("--keep", type=Path, help=f"where {kept} are kept; default: nowhere")
    made.add_argument("--from", type=int, default=0, dest="first", help=argparse.SUPPRESS)
    made.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return made


def tell(outcomes: Iterable[tuple[Any, ...]]) -> None:
    """What a child does: a line for each outcome, which begins with its number."""
    for outcome in outcomes:
        print(json.dumps(outcome), flush=True)


def outcomes(module: str, count: int, seed: int) -> Iterator[Told | Ended]:
    """What becomes of each number, told by one child, or by as many as it takes: the next begins behind the one that
    the last ended at.
    """
    first = 0
    while first < count:
        command = (sys.executable, "-m", module, "--child", "--seed", str(seed), "--from", str(first))
        with subprocess.Popen(
            (*command, "--count", str(count)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as child:
            assert child.stdout is not None
            for line in child.stdout:
                if not line.startswith("["):  # a library's own words
                    continue
                number, *rest = json.loads(line)
                yield Told(number, tuple(rest))
                first = number + 1
            code = child.wait()
        if first < count:
            yield Ended(first, code)
            first += 1
