"""What goes wrong between a call and its answer."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from starlette.responses import HTMLResponse, JSONResponse

from app.client import NoAnswerError, Sample
from app.engine import health, session
from app.settings import Settings
from tests.api.conftest import count
from tests.api.held import hold
from tests.api.process import Process
from tests.client.conftest import Connect, Prefixed, refusal, until
from tests.live import Live, listening, live


def test_a_refusal_is_a_sentence_and_a_document(client: Any) -> None:
    error = refusal(lambda: client.generate("unicorn", model="toy"))
    assert str(error) == "404 Unknown class: toy@2 has no class 'unicorn'; known: cat, dog."
    assert (error.status, error.title, error.retry_after) == (404, "Unknown class", None)
    assert error.document["classes"] == ["cat", "dog"]
    assert error.document["detail"] == error.detail


def test_a_stream_is_refused_as_any_other_request(client: Any) -> None:
    assert refusal(lambda: list(client.stream(n=0))).detail == 'n: must be an integer from 1 to 64, not "0"'


def test_a_stream_that_fails_later_raises_after_what_came(
    connect: Connect, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with live(Settings(models=models_dir, device="cpu", threads=1, max_batch=4)) as service:
        _, go = hold(service, monkeypatch, after=1, failing=True)
        samples, came = connect(service.url).stream(model="toy", n=40), []
        came.append(next(samples))
        go.set()
        error = refusal(lambda: came.extend(samples))
    assert all(isinstance(sample, Sample) for sample in came)
    assert error.document["type"] == "urn:ganymede:problem:inference-failed"


def test_a_busy_service_is_asked_again_when_it_says_so(connect: Connect, busy: Live, held: Event) -> None:
    def release() -> None:
        until(lambda: count(busy, "ganymede_requests_total", route="/generate", model="toy@2", status="429") >= 2)
        held.set()

    with ThreadPoolExecutor() as others:
        others.submit(release)
        [sample] = connect(busy.url, retries=1000).generate(model="toy", seed=1)
    assert sample.seed == 1


@pytest.mark.parametrize("retries", [0, 2])
def test_a_busy_service_is_asked_so_often_and_no_more(connect: Connect, busy: Live, held: Event, retries: int) -> None:
    error = refusal(lambda: connect(busy.url, retries=retries).generate(model="toy"))
    assert (error.status, error.title) == (429, "Overloaded")
    assert error.retry_after is not None
    assert error.retry_after > 0
    assert count(busy, "ganymede_requests_total", route="/generate", model="toy@2", status="429") == 1 + retries


def test_a_stream_is_asked_for_again_too(connect: Connect, busy: Live, held: Event) -> None:
    error = refusal(lambda: next(connect(busy.url, retries=3).stream(model="toy")))
    assert error.status == 429
    assert count(busy, "ganymede_requests_total", route="/generate", model="toy@2", status="429") == 4


def test_nobody_waits_longer_than_the_answer_is_of_use(
    connect: Connect, busy: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its failures a model rests for 30 s: it says so, and a client that has less doesn't wait at all."""
    monkeypatch.setattr(session.Session, "_run", lambda *_: 1 / 0)
    for _ in range(health.FAILURES):
        assert refusal(lambda: connect(busy.url).generate(model="toy@1")).status == 500
    began = time.monotonic()
    for error in (
        refusal(lambda: connect(busy.url, timeout=5).generate(model="toy@1")),
        refusal(lambda: connect(busy.url).generate(model="toy@1", timeout=5)),
    ):
        assert error.status == 503
        assert error.retry_after > 5
    assert time.monotonic() - began < 4


def test_a_later_try_says_how_much_time_is_left(connect: Connect, busy: Live, held: Event) -> None:
    watched = Prefixed(busy.app, "")
    with listening(watched) as url:
        assert refusal(lambda: connect(url).generate(model="toy", timeout=5)).status == 429
    asked = [float(query["timeout"]) for query in watched.queries]
    assert asked[0] == 5
    assert 5 > asked[1] > asked[2] > 4


def test_the_milliseconds_are_what_is_waited(connect: Connect, busy: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    client, run = connect(busy.url), session.Session._run
    monkeypatch.setattr(health, "COOL_DOWN", 0.3)
    monkeypatch.setattr(session.Session, "_run", lambda *_: 1 / 0)
    for _ in range(health.FAILURES):
        assert refusal(lambda: client.generate(model="toy@1")).status == 500
    began = time.monotonic()
    monkeypatch.setattr(session.Session, "_run", run)
    client.generate(model="toy@1")
    assert 0.1 < time.monotonic() - began < 1
    assert count(busy, "ganymede_requests_total", route="/generate", model="toy@1", status="503") >= 1


def test_a_service_that_is_silent_for_too_long_is_given_up(
    connect: Connect, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with live(Settings(models=models_dir, device="cpu", threads=1)) as service:
        _, go = hold(service, monkeypatch)
        with pytest.raises(NoAnswerError) as raised:
            connect(service.url, timeout=0.3).generate(model="toy")
        go.set()
    said = f"GET {service.url}/generate gave no answer within 0.3 s; ask for less, or set a longer timeout."
    assert str(raised.value) == said


def test_a_service_that_vanishes_is_told_from_one_that_was_never_there(
    connect: Connect, models_dir: Path, tmp_path: Path
) -> None:
    server = Process(models_dir, tmp_path / "log", "--max-samples", "4096")
    try:
        server.ready()
        url = f"http://127.0.0.1:{server.port}"
        client = connect(url)
        samples = client.stream(n=4096)
        assert next(samples).png
    finally:
        server.process.kill()
        server.process.wait()
    with pytest.raises(NoAnswerError) as broken:
        list(samples)
    assert str(broken.value).startswith(f"GET {url}/generate broke off before the answer was complete: ")
    with pytest.raises(NoAnswerError) as gone:
        client.generate()
    assert re.fullmatch(rf"GET {url}/generate can't be reached: .+; is the service running there\?", str(gone.value))


def test_what_is_no_ganymede_is_recognised(connect: Connect) -> None:
    for status, said in (
        (200, ", not application/json: is base_url the address of a Ganymede service?"),
        (502, ": '<h1>Bad day</h1>'."),
    ):
        with listening(HTMLResponse("<h1>Bad day</h1>", status)) as url:
            error = refusal(connect(url).generate)
        assert error.detail == f"GET {url}/generate answered with text/html{said}"
        assert (error.status, error.document) == (status, {})


def test_a_problem_of_a_gateway_may_say_little(connect: Connect) -> None:
    with listening(JSONResponse({}, 504, media_type="application/problem+json")) as url:
        assert str(refusal(connect(url).generate)) == "504 Gateway Timeout: no more is said."


@pytest.mark.parametrize("base_url", ["localhost:8000", "ftp://localhost", "http://", "/generate"])
def test_an_address_must_be_one(connect: Connect, base_url: str) -> None:
    with pytest.raises(ValueError, match="base_url must be an address such as http://localhost:8000, not "):
        connect(base_url)
