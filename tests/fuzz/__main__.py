"""`python -m tests.fuzz`, or `make fuzz`: the long run, whose result `docs/reliability.md` keeps."""

import argparse
import re
import sys
import tempfile
from pathlib import Path

from tests.fuzz.run import fuzz, serving


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=8, help="how long; default: %(default)g")
    parser.add_argument("--seed", type=int, default=1, help="another one sends other requests; default: %(default)s")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server:
        found = fuzz(server, "--max-time", str(round(60 * asked.minutes)), "--seed", str(asked.seed))
        for route, statuses in sorted(counted(server.ask("/metrics")[1].decode()).items()):
            print(f"{route:50}", ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items())))
        log = server.log.read_text()
    print(log if "Traceback" in log else "no traceback in the server's log")
    return found.returncode


def counted(metrics: str) -> dict[str, dict[str, int]]:
    """How often each route answered with each status."""
    counts: dict[str, dict[str, int]] = {}
    for labels, value in re.findall(r"(?m)^ganymede_requests_total\{(.*)\} (\S+)$", metrics):
        said = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        statuses = counts.setdefault(said["route"], {})
        statuses[said["status"]] = statuses.get(said["status"], 0) + round(float(value))
    return counts


if __name__ == "__main__":
    sys.exit(main())
