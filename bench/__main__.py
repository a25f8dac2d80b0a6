"""`python -m bench`: the service beside plain FastAPI and the machine's limit, as a Markdown report."""

import argparse
import json
import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

from app import contract
from bench import conditions, protocol, report
from bench.peers import roster
from bench.protocol import Part, Plan
from bench.servers import ServerError
from bench.verdicts import verdicts

QUICK = Plan(concurrencies=(1, 32), rounds=1, seconds=1.0, warmup=0.5, idle=2.0)


def main() -> int:
    """Prints the report; 1 if the service misses what is required of it, 2 if it can't be measured."""
    given = _arguments()
    with TemporaryDirectory(prefix="ganymede-bench-") as scratch:
        try:
            return _run(given, Path(scratch))
        except (contract.ContractError, ServerError) as error:
            print(error, file=sys.stderr)
            return 2


def _run(given: argparse.Namespace, scratch: Path) -> int:
    plan = _plan(given)
    folder = given.model or standard(scratch / "standard")
    manifest = contract.read(folder)
    others = [] if given.peers is None else [peer.command(folder, scratch) for peer in roster.chosen(given.peers)]
    here = conditions.now()
    measured = protocol.measure(folder, scratch, plan, others, lambda line: print(line, file=sys.stderr))
    judged = verdicts(measured)
    text = report.render(manifest, here, plan, measured, judged)
    print(text)
    if given.out:
        given.out.write_text(f"{text}\n", encoding="utf-8")
    if given.json:
        figures = report.data(manifest, here, plan, measured, judged)
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0 if all(verdict.reached for verdict in judged) else 1


def standard(models: Path) -> Path:
    """The folder of the standard graph, new in `models`."""
    from bench import dcgan  # needs onnx, which --model does without

    return dcgan.build(models)


def _plan(given: argparse.Namespace) -> Plan:
    usual = QUICK if given.quick else Plan()
    return Plan(
        tuple(given.concurrency or usual.concurrencies),
        usual.rounds if given.rounds is None else given.rounds,
        usual.seconds if given.seconds is None else given.seconds,
        usual.warmup if given.warmup is None else given.warmup,
        usual.idle,
        tuple(given.parts),
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="model folder; default: the standard graph")
    parser.add_argument("--parts", type=_parts, default=protocol.PARTS, help=f"of {','.join(protocol.PARTS)}")
    parser.add_argument("--peers", nargs="*", metavar="NAME", help="other servers too: these, or all in build/peers")
    parser.add_argument("--quick", action="store_true", help="one short round at concurrency 1 and 32")
    parser.add_argument("--concurrency", type=int, nargs="+", metavar="C")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of each server in each round")
    parser.add_argument("--warmup", type=float, help="seconds before counting begins")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the report to a file too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure of every round to a file")
    return parser.parse_args()


def _parts(names: str) -> list[str]:
    chosen = names.split(",")
    if unknown := [name for name in chosen if name not in get_args(Part)]:
        known = ", ".join(get_args(Part))
        raise argparse.ArgumentTypeError(f"there is no part {', '.join(unknown)!r}; known: {known}")
    return chosen


if __name__ == "__main__":
    # A benchmark that is ended must end its servers too: as an exit, it passes through their `finally`.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    raise SystemExit(main())
