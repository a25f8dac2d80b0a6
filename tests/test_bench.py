"""The benchmark measures what it says: one command, honest counts of errors, and a verdict that can be missed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from bench import __main__ as command
from bench import load, report, servers
from bench.limit import Limit
from bench.load import Round
from bench.protocol import OURS, PLAIN, Measured

ROUND = Round(images_per_second=100, p50=2, p99=3, errors={}, busy=0.1)


def test_one_command_compares_the_service_with_plain_fastapi_and_the_limit(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--concurrency", "1", "4", "--rounds", "1", "--seconds", "0.2", "--warmup", "0.1"]
    monkeypatch.setattr("sys.argv", ["bench", "--model", str(models_dir / "toy" / "1"), *flags])
    assert command.main() in (0, 1)
    said = capsys.readouterr().out
    assert "Model: toy@1, 16×16, 3 channels" in said
    for row in ("| 1 | ganymede |", "| 1 | plain FastAPI |", "| 4 | ganymede |", "| 4 | plain FastAPI |"):
        assert row in said
    assert "Answers that were no picture: 0; none is required: **reached**." in said
    assert "perfectly overlapped **" in said


def test_a_model_that_is_not_there_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["bench", "--model", str(tmp_path / "toy" / "1")])
    assert command.main() == 2
    assert "model.json can't be read" in capsys.readouterr().err


def test_a_server_that_does_not_start_is_told_with_what_it_wrote(tmp_path: Path) -> None:
    said = r"(?s)plain FastAPI did not start.*model\.json can't be read"
    with pytest.raises(servers.ServerError, match=said), servers.running(servers.plain(tmp_path)):
        pass


def test_answers_that_are_no_picture_count_as_errors_and_not_as_images() -> None:
    with _answering(503, load.PNG) as port:
        refused = load.run(port, 2, 0, 0.1, 0)
    with _answering(200, b"<html>") as port:
        wrong = load.run(port, 2, 0, 0.1, 0)
    with _answering(200, load.PNG) as port:
        right = load.run(port, 2, 0, 0.1, 0)
    assert (list(refused.errors), refused.images_per_second) == (["status 503"], 0)
    assert (list(wrong.errors), wrong.images_per_second) == (["not a PNG"], 0)
    assert not right.errors
    assert right.images_per_second > 0
    assert 0 < right.p50 <= right.p99


def test_the_verdict_compares_round_by_round() -> None:
    plain = [replace(ROUND, images_per_second=speed, p50=100 / speed) for speed in (50, 100, 200)]
    ours = [replace(ROUND, images_per_second=speed, p50=100 / speed) for speed in (55, 101, 190)]
    assert _verdict({(32, OURS): ours, (32, PLAIN): plain})[0].endswith(
        "32: 1.01 (0.95 to 1.10) of plain FastAPI's; at least 1 is required: **reached**."
    )
    assert _verdict({(1, OURS): plain, (1, PLAIN): ours})[0].endswith(
        "1: 1.01 (0.95 to 1.10) of plain FastAPI's; at most 1 is required: **missed**."
    )
    failing = [replace(ROUND, errors={"status 500": 2})]
    assert _verdict({(4, OURS): failing, (4, PLAIN): [ROUND]}) == [
        "* Answers that were no picture: 2; none is required: **missed**."
    ]


def test_at_the_limit_a_picture_costs_the_sum_of_both_stages() -> None:
    assert Limit(infer=1000, encode=4000).both == pytest.approx(800)


def _verdict(rounds: dict[tuple[int, str], list[Round]]) -> list[str]:
    return [sentence for sentence, _ in report.verdicts(Measured(rounds=rounds))]


@contextmanager
def _answering(status: int, body: bytes) -> Iterator[int]:
    """The port of a server that gives every request the same answer."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((load.HOST, 0), Handler)
    serving = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    serving.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
