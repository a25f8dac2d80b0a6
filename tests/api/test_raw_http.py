"""Bytes on a socket that are no good HTTP: each gets the answer that it is due, and the next client gets his."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.api.process import Process
from tests.fuzz import hostile, wire
from tests.fuzz.hostile import CHUNKED, GET, JSON
from tests.fuzz.run import serving

GOOD = GET + b"\r\n"
DRAWN = b"GET /generate?model=cifar10&seed=1&n=64&format=zip HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with serving(tmp_path_factory.mktemp("raw")) as process:
        yield process
        log = process.log.read_text()
        assert "Traceback" not in log, log
        assert not re.search("Exception in ASGI| ERROR ", log), log


@pytest.mark.parametrize("name", [*hostile.LINES, *hostile.HEADERS, *hostile.BODIES])
def test_a_request_that_is_wrong_or_strange_is_told_so(server: Process, name: str) -> None:
    status, data = (hostile.LINES | hostile.HEADERS | hostile.BODIES)[name]
    heard = wire.ask(server.port, data)
    assert wire.status(heard) == status, heard
    if status >= 400:
        assert b"content-type: application/problem+json" in heard
    assert wire.status(wire.ask(server.port, GOOD)) == 200


@pytest.mark.parametrize("name", hostile.UNFINISHED)
def test_who_leaves_in_the_midst_of_a_request_disturbs_nobody(server: Process, name: str) -> None:
    with wire.dial(server.port) as one:
        one.sendall(hostile.UNFINISHED[name])
    assert wire.status(wire.ask(server.port, GOOD)) == 200


def test_a_refused_client_is_cut_off_after_it_was_told_why(server: Process) -> None:
    with wire.dial(server.port) as one:
        one.sendall(GET + b"nothing\r\n\r\n" + GOOD)
        heard = wire.hear(one)
        assert wire.status(heard) == 400
        assert b"connection: close" in heard
        assert one.recv(100) == b"", "what came after it was answered, though nobody knows where it began"


def test_requests_that_come_at_once_are_answered_in_their_order(server: Process) -> None:
    with wire.dial(server.port) as one:
        one.sendall(DRAWN + GOOD + GET.replace(b"healthz", b"nothing") + b"\r\n")
        heard = b""
        while heard.count(b"HTTP/1.1 ") < 3 or not heard.endswith(b"}"):
            heard += one.recv(65_536)
    assert re.findall(rb"HTTP/1\.1 (\d+) ", heard) == [b"200", b"200", b"404"]


def test_what_follows_a_good_request_does_not_spoil_its_answer(server: Process) -> None:
    whole = wire.ask(server.port, DRAWN)
    with wire.dial(server.port) as one:
        one.sendall(DRAWN + b"\0\0\0")
        heard = wire.hear(one)
        assert heard.partition(b"\r\n\r\n")[2] == whole.partition(b"\r\n\r\n")[2]
        assert one.recv(100) == b""


def test_who_leaves_with_more_than_one_request_open_is_missed_by_the_first(server: Process) -> None:
    """Uvicorn alone tells the last one, so that the first goes on for nobody, and then fails."""
    with wire.dial(server.port) as one:
        one.sendall(DRAWN.replace(b"n=64", b"n=63") + GOOD)
    server.line(r"GET /generate (499) .*ended=cancelled model=cifar10@1")


def test_an_upgrade_to_what_is_not_spoken_loses_nothing_of_what_follows(server: Process) -> None:
    with wire.dial(server.port) as one:
        one.sendall((GET + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n") * 2 + GOOD)
        heard = b""
        while heard.count(b'{"status":"alive"}') < 3:
            heard += one.recv(65_536)
        assert re.findall(rb"HTTP/1\.1 (\d+) ", heard) == [b"200"] * 3


def test_a_trailer_is_no_header(server: Process) -> None:
    trailer = b'e\r\n{"class":"no"}\r\n0\r\nX-Request-ID: forged\r\n\r\n'
    heard = wire.ask(server.port, JSON + CHUNKED + trailer)
    assert wire.status(heard) == 404
    assert b"forged" not in heard


def test_a_client_that_waits_for_it_is_told_to_go_on(server: Process) -> None:
    with wire.dial(server.port) as one:
        one.sendall(JSON + b"Expect: 100-continue\r\nContent-Length: 14\r\n\r\n")
        assert one.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        one.sendall(b'{"class":"no"}')
        assert wire.status(wire.hear(one)) == 404


def test_a_flood_of_requests_on_one_connection_is_not_kept(server: Process) -> None:
    """Uvicorn alone made 10 MB of them 400 MB of memory, and went on."""
    before = memory(server)
    with wire.dial(server.port) as one, suppress(ConnectionError):
        for _ in range(400):
            one.sendall(GOOD * 5000)
    assert memory(server) < before + 20_000_000
    assert closed(server, "pipeline") == 1


def test_refusals_are_counted_and_leave_a_line(server: Process) -> None:
    before = closed(server, "url")
    wire.ask(server.port, hostile.LINES["an address of 20 kB"][1])
    assert closed(server, "url") == before + 1
    assert "Connection closed: url client=127.0.0.1 reason=url" in server.log.read_text()


def closed(server: Process, reason: str) -> int:
    told = server.ask("/metrics")[1].decode()
    return int(float(re.findall(rf'ganymede_closed_connections_total{{reason="{reason}"}} (\S+)', told)[0]))


def memory(server: Process) -> int:
    """Bytes that the process holds."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return 1024 * int(re.findall(r"VmRSS:\s+(\d+)", status)[0])
