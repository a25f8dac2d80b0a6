"""`python -m bench`: the service beside plain FastAPI and the machine's limit, as a Markdown report."""

import argparse
import signal
import sys
from pathlib import Path

from app import contract
from bench import protocol, report
from bench.protocol import Plan
from bench.servers import ServerError


def main() -> int:
    """Prints the report; 1 if the service misses what is required of it, 2 if it can't be measured."""
    usual = Plan()
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/cifar10/1"), metavar="FOLDER", help="model folder")
    parser.add_argument("--concurrency", type=int, nargs="+", default=usual.concurrencies, metavar="C")
    parser.add_argument("--rounds", type=int, default=usual.rounds)
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="of each server in each round")
    parser.add_argument("--warmup", type=float, default=usual.warmup, help="seconds before counting begins")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the report to a file too")
    given = parser.parse_args()
    plan = Plan(tuple(given.concurrency), given.rounds, given.seconds, given.warmup)
    try:
        manifest = contract.read(given.model)
        measured = protocol.measure(given.model, plan, lambda line: print(line, file=sys.stderr))
    except (contract.ContractError, ServerError) as error:
        print(error, file=sys.stderr)
        return 2
    text = report.render(manifest, plan, measured)
    print(text)
    if given.out:
        given.out.write_text(f"{text}\n", encoding="utf-8")
    return 0 if all(holds for _, holds in report.verdicts(measured)) else 1


if __name__ == "__main__":
    # A benchmark that is ended must end its servers too: as an exit, it passes through their `finally`.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    raise SystemExit(main())
