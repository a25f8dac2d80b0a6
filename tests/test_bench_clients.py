"""The clients of the benchmark count honestly: what is no picture, who was refused, who left."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from bench import load, overload, vanish
from bench.load import Group, Round, Window
from bench.servers import Server
from bench.wire import BASE64_PNG, HOST, PNG, Answer, Ask


def test_answers_that_are_no_picture_count_as_errors_and_not_as_images() -> None:
    def run(status: int, body: bytes) -> Round:
        with _answering(lambda _: (status, {}, body)) as port:
            [done] = load.run(port, Window(0, 0.1), 0, Group(Ask(), 2))
        return done

    picture = PNG.encode("latin-1")
    refused, wrong, right = run(503, picture), run(200, b"<html>"), run(200, picture)
    assert (list(refused.errors), refused.images_per_second) == (["status 503"], 0)
    assert (list(wrong.errors), wrong.images_per_second) == (["not a PNG"], 0)
    assert not right.errors
    assert right.images_per_second > 0
    assert 0 < right.p50 <= right.p99


def test_groups_are_loaded_at_once_and_counted_apart() -> None:
    with _answering(lambda path: (200 if "odd" in path else 404, {}, PNG.encode("latin-1"))) as port:
        odd, even = load.run(port, Window(0, 0.2), 0, Group(Ask("/odd?{seed}"), 1, 0.05), Group(Ask("/even"), 1))
    assert not odd.errors
    assert 0 < odd.images_per_second <= 25
    assert list(even.errors) == ["status 404"]


def test_a_picture_inside_of_json_is_found() -> None:
    ask = Ask(body='{"seed": {seed}}', holds=BASE64_PNG)
    assert ask.request(42).endswith(b'Content-Length: 12\r\n\r\n{"seed": 42}')
    body = b'{"data": ["iVBORw0KGgoAAAAN"]}'
    assert ask.flaw(Answer(200, b"", body)) is None
    assert ask.picture(body) == b"\x89PNG\r\n\x1a\n\0\0\0\r"


def test_refused_clients_come_back_when_told_and_the_truth_is_what_they_saw() -> None:
    begun = time.perf_counter()

    def answer(path: str) -> tuple[int, dict[str, str], bytes]:
        assert "timeout=0.5" in path
        if time.perf_counter() - begun < 0.5:
            return 429, {"Retry-After": "1", "Retry-After-Ms": "200"}, b""
        return 200, {}, PNG.encode("latin-1")

    with _answering(answer) as port:
        begun = time.perf_counter()
        done = overload.run(port, Window(0, 2.0), 0)
    # How many get through in half a second is the machine's affair.
    assert done.refused > 0
    assert set(done.told) == {0.2}
    assert done.untold == 0
    assert done.welcome > 0
    assert done.came_back >= done.welcome
    assert done.images_per_second > 0
    assert not done.errors


def test_a_request_that_was_accepted_and_is_too_late_is_late_and_not_refused() -> None:
    body = b'{"type": "urn:ganymede:problem:deadline-exceeded"}'

    def answer(_: str) -> tuple[int, dict[str, str], bytes]:
        time.sleep(0.5)
        return 429, {"Retry-After-Ms": "100"}, body

    with _answering(answer) as port:
        done = overload.run(port, Window(0, 1.5), 0)
    assert done.late > 0
    assert done.refused == done.came_back == 0
    assert done.p99 >= 500
    assert done.images_per_second == 0
    assert not done.errors


def test_the_queue_is_worked_off_when_the_last_one_accepted_before_is_answered() -> None:
    latest = [(1.0, 1.5), (2.0, 3.0), (4.0, 9.0)]
    assert overload.drained(latest, asked=2.5, refused=2.6) == pytest.approx(0.4)
    assert overload.drained(latest, asked=2.5, refused=3.5) == 0
    assert overload.drained(latest, asked=0.5, refused=0.6) == 0


def test_retry_after_is_read_as_precisely_as_it_is_told() -> None:
    def told(*lines: bytes) -> float | None:
        return overload.retry_after(Answer(429, b"\r\n".join([b"http/1.1 429", *lines]), b""))

    assert told(b"retry-after: 2", b"retry-after-ms: 1234") == 1.234
    assert told(b"retry-after: 2") == 2
    assert told() is None


def test_clients_that_have_their_answer_do_not_vanish() -> None:
    with _answering(lambda _: (200, {}, PNG.encode("latin-1"))) as port:
        left = vanish.measure(Server("quick", port, Ask(), os.getpid()), 0)
    assert left.vanished < vanish.CLIENTS
    assert left.dropped is None
    assert left.wait > 0


@contextmanager
def _answering(answer: Callable[[str], tuple[int, dict[str, str], bytes]]) -> Iterator[int]:
    """The port of a server that answers a path with status, headers and body."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            status, headers, body = answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 512

        def handle_error(self, *_: object) -> None:
            pass  # clients hang up here on purpose

    server = Server((HOST, 0), Handler)
    serving = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    serving.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
