"""The simulation accounts for every request, and more replicas are never worse; a real server is asked as it says."""

import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from starlette.testclient import TestClient

from app.engine import batching
from app.engine.cost import HANDLING
from app.main import create_app
from app.settings import Settings
from bench import arrivals, curve, farm, simulate, sleeper
from bench.curve import Curve
from bench.farm import Limits, Traffic
from bench.load import Window
from bench.wire import PNG, Ask

CURVE = Curve("toy@1", "nowhere", "2026-11-30", 2, 2, {1: 0.2, 2: 0.3, 4: 0.5, 8: 1.0}, encode=0.01, beside=0.03)
"""16 pictures a second, less what a batch takes besides."""


@pytest.mark.parametrize(
    ("traffic", "limits"),
    [
        (Traffic(8, seconds=40), Limits()),
        (Traffic(25, seconds=40), Limits(queue_seconds=2)),
        (Traffic(25, seconds=40), Limits(request_timeout=3)),
        (Traffic(3, seconds=40, pictures=8, balance="two"), Limits(queue_seconds=0.5, request_timeout=1)),
        (Traffic(4, seconds=40, pictures=8), Limits(request_timeout=2)),
    ],
)
def test_every_request_is_answered_refused_or_expired(traffic: Traffic, limits: Limits) -> None:
    done = farm.simulate(CURVE, 2 if traffic.balance == "two" else 1, traffic, limits)
    assert done.asked == done.answered + done.refused + done.expired
    assert done.asked == pytest.approx(traffic.rate * traffic.seconds, rel=0.25)
    assert (done.refused + done.expired > 0) == (limits != Limits())
    assert done.p99 >= done.p50 > 1000 * CURVE.beside


def test_more_replicas_refuse_fewer_and_answer_sooner() -> None:
    traffic = Traffic(45, seconds=15)
    one, two, four, eight = (farm.simulate(CURVE, n, traffic, Limits(queue_seconds=2)) for n in (1, 2, 4, 8))
    assert one.refused > two.refused > four.refused == eight.refused == 0
    assert one.p99 > four.p99 > eight.p99
    assert one.queue > four.queue > eight.queue
    assert one.answered < two.answered < four.answered


def test_more_load_takes_longer_and_no_request_takes_less_than_its_picture() -> None:
    shares = [farm.simulate(CURVE, 1, Traffic(rate, seconds=60)) for rate in (0.3, 8, 14.5)]
    assert shares[0].p99 < shares[1].p99 < shares[2].p99
    alone = CURVE.seconds[1] + HANDLING + CURVE.encode + CURVE.beside
    assert shares[0].p50 == pytest.approx(1000 * alone)


def test_a_replica_can_do_what_its_executors_can() -> None:
    size, seconds = 4, CURVE.seconds[4]
    assert farm.capacity(CURVE) == pytest.approx(CURVE.executors * size / (seconds + HANDLING), rel=0.02)


def test_the_encoders_may_be_the_slower_stage() -> None:
    slow = replace(CURVE, encode=0.4)
    # An executor that finds nothing to do encodes a picture, too.
    assert 1 <= farm.capacity(slow) * slow.encode / CURVE.encoders < 2


def test_there_are_as_many_replicas_as_are_needed_and_no_more() -> None:
    replicas, done = farm.enough(CURVE, 40, p99=1500)
    assert done.p99 <= 1500
    assert done.answered == done.asked
    fewer = farm.simulate(CURVE, replicas - 1, Traffic(40))
    assert fewer.p99 > 1500 or fewer.answered < fewer.asked


def test_a_cache_is_asked_first_for_what_repeats() -> None:
    shares = [farm.missed(20_000, repeated, 500, 1.0) for repeated in (0, 0.5, 0.9)]
    assert shares[0] == 1
    assert shares == sorted(shares, reverse=True)
    for repeated, share in zip((0, 0.5, 0.9), shares, strict=True):
        assert 0 <= round(20_000 * (share - (1 - repeated))) <= 500


def test_the_engine_s_own_threads_take_about_as_long() -> None:
    quick = replace(CURVE, seconds={1: 0.05, 2: 0.08}, beside=0)
    traffic = Traffic(10, seconds=1, warmup=0)
    p50, _ = sleeper.in_real_time(quick, traffic)
    assert 0.9 * farm.simulate(quick, 1, traffic).p50 < p50 < 1000


def test_the_engine_s_clock_is_the_real_one_again() -> None:
    farm.simulate(CURVE, 1, Traffic(5, seconds=1, warmup=0))
    assert batching.time is time


def test_the_command_prints_tables_of_a_curve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    curve.write(CURVE, tmp_path / "toy.json")
    assert curve.read(str(tmp_path / "toy.json")) == CURVE
    monkeypatch.setattr(simulate, "SHARES", (0.5,))
    monkeypatch.setattr(simulate, "REPEATED", (0.9,))
    arguments = ["--curve", str(tmp_path / "toy.json"), "--pictures-per-hour", "20000", "--p99", "2500", "--times", "2"]
    monkeypatch.setattr("sys.argv", ["simulate", *arguments])
    assert simulate.main() == 0
    said = capsys.readouterr().out
    assert said.startswith("toy@1, if it took 2 times as long, measured 2026-11-30 on nowhere; simulated ")
    assert "For 20,000 pictures an hour, 99 of 100 in 2500 ms, balanced by random, replicas: 1." in said
    assert "| 90% | " in said


def test_a_curve_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["simulate", "--curve", "/nowhere.json"])
    assert simulate.main() == 2
    assert "/nowhere.json" in capsys.readouterr().err


def test_a_running_service_tells_its_curve(settings: Settings) -> None:
    with TestClient(create_app(settings)) as client:
        while client.get("/readyz").status_code != 200:
            time.sleep(0.01)
        said = client.get("/models/toy").json()
    told = curve.told(said, CURVE)
    assert (told.model, told.machine, told.fixed) == (said["model"], said["runtime"], False)
    assert told.seconds.keys() >= {1, 2, 4}
    assert (told.executors, told.encode) == (CURVE.executors, CURVE.encode)


def test_a_curve_that_nobody_tells_is_said() -> None:
    with pytest.raises(ValueError, match="toy@2 tells no cost yet: it is loading; draw a picture with it first"):
        curve.told({"model": "toy@2", "state": "loading"}, CURVE)
    with pytest.raises(ValueError, match="localhost/models/toy is no address of a model, such as http://"):
        curve.of_service("localhost/models/toy", CURVE)


@pytest.fixture
def server() -> Iterator[int]:
    """A server that draws every second picture and refuses the others; its port."""
    asked: list[str] = []

    class Stand(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append(self.path)
            body = PNG.encode("latin-1")
            self.send_response(200 if len(asked) % 2 else 429)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Stand) as stand:
        Thread(target=stand.serve_forever, daemon=True).start()
        yield stand.server_port
        stand.shutdown()
    assert len(set(asked)) == len(asked)


def test_requests_come_when_they_are_due_whatever_becomes_of_them(server: int) -> None:
    done = arrivals.run(server, Ask("/generate?seed={seed}", method="GET"), 100, Window(0.1, 0.5), 1)
    assert done.errors == {}
    assert done.asked == done.answered + done.refused
    assert 20 < done.asked < 100
    assert abs(done.answered - done.refused) < 10
    assert 0 < done.p50 <= done.p99


def test_what_no_number_of_replicas_can_do_is_said_and_not_sought_for_ever() -> None:
    with pytest.raises(
        ValueError, match=r"^99 of 100 in 200 ms: no replica is as quick; one that is idle takes \d+ ms$"
    ):
        farm.enough(CURVE, 3, 200)
