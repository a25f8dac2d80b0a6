"""`python -m tests.fuzz.raw`: requests whose bytes are changed at random, on bare sockets, to the real server.

It begins with requests that are right and those of `hostile`, changes each as `mutation` does, joins some, and sends
them whole or in pieces. A run fails on an answer of 5xx, on bytes that are no HTTP, on a connection that is neither
answered nor closed, and if the server is not well in between and at the end.
"""

import argparse
import random
import re
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path

from tests.api.process import Process
from tests.fuzz import hostile, wire
from tests.fuzz.hostile import CHUNKED, FORM, GET, JSON, sized
from tests.fuzz.mutation import mutated
from tests.fuzz.requests import PICTURES
from tests.fuzz.run import serving

CLIENTS = 48
"""Connections at a time."""
SHARE = 500
"""Requests between two looks at how the server is."""
LIMITS = ("--head-seconds=1", "--body-seconds=1")
"""Of the server, since many wait for what never comes."""
LONGEST = 10_000
"""Bytes of the requests of `hostile` that are changed here: of the larger ones hardly a change would matter."""

UPLOAD = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n%s\r\n--b--\r\n' % PICTURES[0]
GOOD: list[bytes] = [
    GET + b"\r\n",
    b"GET /generate?model=cifar10&class=dog&seed=7&n=3&format=json HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n",
    b"GET /generate?model=cifar10&seed=7&n=4&format=multipart HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\n\r\n",
    b"GET /models/cifar10 HTTP/1.1\r\nHost: a\r\nX-Request-ID: a1\r\ntraceparent: 00-0af7-b7ad-01\r\n\r\n",
    sized(JSON, b'{"model":"cifar10","class":"dog","n":2}'),
    JSON + CHUNKED + b'10\r\n{"model":"cifar1\r\n2;a=b\r\n0"\r\n1\r\n}\r\n0\r\nA: b\r\n\r\n',
    sized(JSON + b"Expect: 100-continue\r\n", b'{"n":2}'),
    sized(FORM.replace(b"/translate", b"/translate?model=facades"), UPLOAD),
    sized(b"POST /translate?model=facades HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\n", PICTURES[0]),
]  # fmt: skip
"""Requests that are answered with what they ask for."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.raw", description=__doc__)
    parser.add_argument("--count", type=int, default=50_000, help="requests; default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="another one sends other requests; default: %(default)s")
    asked = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), *LIMITS) as server:
        counts, flaws = run(server, asked.count, asked.seed)
        log = server.log.read_text()
    for outcome, count in counts.most_common():
        print(f"{outcome:30} {count:7,}")
    print(f"{asked.count:,} requests in {time.monotonic() - began:.0f} s; {len(flaws)} were answered as none may be")
    for flaw in flaws[:5]:
        print(flaw)
    traced = re.search(r"(?s)Traceback.{,3000}", log)
    print(traced[0] if traced else "no traceback in the server's log")
    return 1 if flaws or traced else 0


def run(server: Process, count: int, seed: int) -> tuple[Counter[str], list[str]]:
    """How often each outcome came, and what no client may see."""
    counts: Counter[str] = Counter()
    flaws: list[str] = []
    made = requests(seed)
    with ThreadPoolExecutor(CLIENTS) as clients:
        for _ in range(0, count, SHARE):
            sent = list(islice(made, min(SHARE, count - counts.total())))
            for pieces, outcome in zip(
                sent, clients.map(lambda pieces: outcome_of(server.port, pieces), sent), strict=True
            ):
                counts[outcome] += 1
                if outcome.startswith(("5", "no HTTP", "left open")):
                    flaws.append(f"{outcome}: {pieces}")
            assert server.ask("/healthz")[0] == 200
    return counts, flaws


def requests(seed: int) -> Iterator[list[bytes]]:
    """Without end: what is sent on one connection, in pieces."""
    draw = random.Random(seed)
    seeds = [*GOOD * 30, *(request for request in hostile.every() if request and len(request) < LONGEST)]
    while True:
        data = b"".join(mutated(draw.choice(seeds), draw) for _ in range(draw.choice((1, 1, 1, 2, 3))))
        cuts = sorted(draw.randrange(len(data) + 1) for _ in range(draw.choice((0, 0, 1, 3))))
        yield [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def outcome_of(port: int, pieces: list[bytes]) -> str:
    """The status of the first answer, or what came in its place."""
    with wire.dial(port) as one:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(ConnectionError):
            for piece in pieces:
                one.sendall(piece)
        try:
            heard = wire.hear(one)
        except TimeoutError:
            return "left open"
    status = wire.status(heard)
    if status is None:
        return "no HTTP" if heard else "closed without a word"
    return f"{status}" if wire.whole(heard) else f"{status}, cut off"


if __name__ == "__main__":
    sys.exit(main())
