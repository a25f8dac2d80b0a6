"""Clients that take their time: each costs a connection, for as long as the settings say, and the service nothing."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.api.process import Process
from tests.fuzz import wire
from tests.fuzz.hostile import CHUNKED, GET, JSON

GOOD = GET + b"\r\n"
DRAWN = b"POST /generate?model=toy&n=2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
STREAM = b"GET /generate?model=toy&seed=1&n=2048&format=ndjson HTTP/1.1\r\nHost: localhost\r\n\r\n"
CROWD, MOST = 200, 250
GIVEN = 1.5
LIMITS = [f"--{what}-seconds={GIVEN}" for what in ("head", "body", "stall")]
LATE = GIVEN + 3
"""Seconds after which a client has been cut off: the service looks once a second, and is given two to come to it."""


@pytest.fixture(scope="module")
def server(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    log = tmp_path_factory.mktemp("slow") / "log"
    process = Process(
        models_dir,
        log,
        "--threads",
        "1",
        "--encode-threads",
        "1",
        "--max-samples",
        "4096",
        *LIMITS,
        f"--max-connections={MOST}",
    )
    try:
        process.ready()
        yield process
        assert "Traceback" not in log.read_text()
        assert process.stop() == 0
    finally:
        process.process.kill()
        process.process.wait()


def closed(server: Process, reason: str) -> int:
    told = server.ask("/metrics")[1].decode()
    return int(float(re.findall(rf'ganymede_closed_connections_total{{reason="{reason}"}} (\S+)', told)[0]))


def test_two_hundred_that_dribble_do_not_delay_a_request(server: Process) -> None:
    with ExitStack() as open_ones:
        crowd = [open_ones.enter_context(wire.dial(server.port)) for _ in range(CROWD)]
        for number, one in enumerate(crowd):
            one.sendall(
                (GET + b"X: ", JSON + b"Content-Length: 100\r\n\r\n{", JSON + CHUNKED + b"ff\r\n", b"")[number % 4]
            )
        took = []
        for round_ in range(4):
            began = time.monotonic()
            assert wire.status(wire.ask(server.port, DRAWN)) == 200
            took.append(time.monotonic() - began)
            time.sleep(0.3)
            for one in crowd[round_ % 4 :: 4]:
                one.sendall(b"a")
        assert sorted(took)[1] < 0.5
        assert "ganymede_connections 2" in server.ask("/metrics")[1].decode()
        end = time.monotonic() + LATE
        told = []
        for one in crowd:
            one.settimeout(max(0.1, end - time.monotonic()))
            told.append(wire.status(one.recv(1000)))
    assert told.count(408) >= CROWD // 2
    assert set(told) <= {408, 400, None}  # what trickled into the crowd's first lines is no HTTP
    server.until(lambda: "ganymede_connections 1.0" in server.ask("/metrics")[1].decode(), "some were kept")


DRIBBLES = [
    (b"", GET + b"X: ", b"a", "head"),
    (b"", GET, b"X: a\r\n", "head"),
    (GOOD, b"\r\n", b"\r\n", "head"),
    (b"", JSON + b"Content-Length: 9999\r\n\r\n", b" ", "body"),
    (b"", JSON + CHUNKED, b"1\r\n \r\n", "body"),
]
"""A request that is answered, what begins the next one, what follows drop by drop, and what of it comes too slowly."""


def test_who_dribbles_is_heard_for_no_longer_than_the_limit(server: Process) -> None:
    before = {reason: closed(server, reason) for reason in ("head", "body")}
    with ThreadPoolExecutor(len(DRIBBLES)) as clients:
        dribbles = list(clients.map(lambda one: dribble(server, *one[:3]), DRIBBLES))
    for (_, begun, _, reason), (seconds, told) in zip(DRIBBLES, dribbles, strict=True):
        assert GIVEN - 0.1 < seconds < LATE, begun
        if begun != b"\r\n":  # of a request, nothing was there yet
            assert wire.status(told) == 408
            assert (b"must be there within 1.5 s" if reason == "head" else b"less than 1,500 bytes in 1.5 s") in told
    assert {reason: closed(server, reason) - before[reason] for reason in before} == {"head": 3, "body": 2}


def dribble(server: Process, good: bytes, begun: bytes, drop: bytes) -> tuple[float, bytes]:
    """How long a client is heard that sends four drops a second, and what it is told then."""
    with wire.dial(server.port) as one:
        if good:
            one.sendall(good)
            assert wire.status(wire.hear(one)) == 200
        began = time.monotonic()
        one.sendall(begun)
        one.settimeout(0.25)
        while time.monotonic() - began < 2 * LATE:
            with suppress(TimeoutError):
                return time.monotonic() - began, one.recv(1000)
            one.sendall(drop)
    return time.monotonic() - began, b""


def test_who_is_slow_and_goes_on_is_served_to_the_end(server: Process) -> None:
    with ThreadPoolExecutor(2) as clients:
        sent, read = clients.submit(send_slowly, server), clients.submit(read_slowly, server)
        assert sent.result() == 404  # there is no class "no", which is all at the end of the body
        assert read.result()


def send_slowly(server: Process) -> int | None:
    """The status of a request whose body takes longer than the limit."""
    body = b" " * 12_000 + b'{"class":"no"}'
    with wire.dial(server.port) as one:
        one.sendall(JSON + b"Content-Length: %d\r\n\r\n" % len(body))
        for start in range(0, len(body), 1000):
            time.sleep(0.25)
            one.sendall(body[start : start + 1000])
        return wire.status(wire.hear(one))


def read_slowly(server: Process) -> bool:
    """Whether an answer that is read for longer than the limit is the one that is read at once."""
    asked = STREAM.replace(b"ndjson", b"zip")
    whole = wire.ask(server.port, asked)
    with wire.dial(server.port, buffer=20_000) as one:
        one.sendall(asked)
        heard = b""
        for _ in range(12):
            time.sleep(0.25)
            heard += one.recv(20_000)
        assert len(heard) < len(whole) / 2
        heard = wire.hear(one, heard)
    return heard.partition(b"\r\n\r\n")[2] == whole.partition(b"\r\n\r\n")[2]


def test_who_never_reads_is_cut_off_and_takes_along_what_is_left(server: Process) -> None:
    before, held = closed(server, "unread"), memory(server)
    with ExitStack() as open_ones:
        for _ in range(2):
            open_ones.enter_context(wire.dial(server.port, buffer=2000)).sendall(STREAM)
        server.until(lambda: closed(server, "unread") == before + 2, "they were kept")
        assert memory(server) < held + 60_000_000
        server.until(lambda: server.log.read_text().count("ended=cancelled") >= 2, "somebody still works for them")


def test_more_connections_than_there_may_be_are_told_so_and_those_that_say_nothing_make_room(server: Process) -> None:
    with ExitStack() as open_ones:
        for _ in range(MOST):
            open_ones.enter_context(wire.dial(server.port))
        with wire.dial(server.port) as one:
            heard = one.recv(1000)
        assert wire.status(heard) == 503
        assert b"as many connections as it may have" in heard
        began = time.monotonic()
        server.until(lambda: wire.status(wire.ask(server.port, GOOD)) == 200, "nobody made room")
        assert time.monotonic() - began < LATE
    assert closed(server, "full") >= 1


def memory(server: Process) -> int:
    """Bytes that the process holds."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return 1024 * int(re.findall(r"VmRSS:\s+(\d+)", status)[0])
