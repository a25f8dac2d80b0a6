"""Uploads wait for their turn to be decoded: whoever can't be answered then is told at once, and nobody else waits."""

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path
from threading import Event, Lock
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from app.api import intake, sight
from app.api.intake import Intake
from app.api.jobs import require_time
from app.errors import Overloaded, TooMuchWork
from app.metrics import Lane
from tests.api.conftest import Serve, count
from tests.api.held import post, until
from tests.api.test_encode import PICTURE, png

FILE = png(PICTURE)


class Decoder:
    """Stands in for the decoder: it waits until told to go on, and counts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go = Event()
        self.begun = self.at_once = self.most = 0
        self._lock = Lock()
        monkeypatch.setattr(sight.pictures, "decode", self.decode)

    def decode(self, *_: object, **__: object) -> np.ndarray:
        with self._lock:
            self.begun += 1
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        assert self.go.wait(10), "the test never let this upload go"
        with self._lock:
            self.at_once -= 1
        return PICTURE


@pytest.fixture
def client(serve: Serve, studio_dir: Path) -> TestClient:
    client = serve(models=studio_dir)
    client.app.state.service = replace(client.app.state.service, intake=Intake(2))
    return client


async def score(client: TestClient, query: str = "") -> tuple[int, dict[str, Any]]:
    """Status and document of the answer."""
    start, body = await post(client, f"model=judged{query}", asyncio.Event(), path="/score", content=FILE)
    return start["status"], json.loads(body["body"])


def test_so_many_are_decoded_at_once_and_the_others_in_their_order(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = Decoder(monkeypatch)

    async def story() -> list[tuple[int, dict[str, Any]]]:
        all_of_them = [asyncio.create_task(score(client)) for _ in range(6)]
        await until(lambda: decoder.begun == 2)
        await asyncio.sleep(0.05)
        assert decoder.begun == 2
        decoder.go.set()
        return await asyncio.gather(*all_of_them)

    assert {status for status, _ in asyncio.run(story())} == {200}
    assert (decoder.begun, decoder.most) == (6, 2)
    assert count(client, "ganymede_phase_seconds_count", model="judged@1", phase="decode") == 6


def test_who_could_not_be_answered_in_time_is_told_before_anything_is_decoded(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = Decoder(monkeypatch)
    client.app.state.service.catalog.get("judged").decoding = 4.0

    async def story() -> None:
        first = asyncio.create_task(score(client, "&timeout=9"))
        await until(lambda: decoder.begun == 1)
        # Four seconds each, two at once: the second is through after four, and the fourth would be after eight.
        second, third = (asyncio.create_task(score(client, "&timeout=9")) for _ in range(2))
        await until(lambda: decoder.begun == 2)
        began = time.monotonic()
        status, said = await score(client, "&timeout=7")
        assert time.monotonic() - began < 1
        assert (status, said["type"].rpartition(":")[2]) == (429, "overloaded")
        assert said["detail"].startswith("judged@1 would take 8")
        assert decoder.begun == 2
        decoder.go.set()
        assert [status for status, _ in await asyncio.gather(first, second, third)] == [200] * 3

    asyncio.run(story())
    assert count(client, "ganymede_refused_requests_total", model="judged@1", reason="deadline") == 1


def test_nothing_is_decoded_for_whose_time_ran_out_or_who_left_before_the_turn_came(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = Decoder(monkeypatch)
    left = asyncio.Event()

    async def story() -> None:
        first = [asyncio.create_task(score(client)) for _ in range(2)]
        await until(lambda: decoder.begun == 2)
        late = asyncio.create_task(score(client, "&timeout=0.05"))
        gone = asyncio.create_task(post(client, "model=judged", left, path="/score", content=FILE))
        await asyncio.sleep(0.1)
        left.set()
        decoder.go.set()
        assert [status for status, _ in await asyncio.gather(*first)] == [200, 200]
        status, said = await late
        assert (status, said["type"].rpartition(":")[2]) == (429, "deadline-exceeded")
        assert (await gone)[0]["status"] == 499

    asyncio.run(story())
    assert decoder.begun == 2
    for reason in ("deadline", "cancelled"):
        assert count(client, "ganymede_dropped_samples_total", model="judged@1", reason=reason) == 1


@pytest.mark.parametrize(("seconds", "first"), [(0.05, 20), (0.4, 10), (3.0, 10)])
def test_whom_somebody_waits_for_goes_before_bulk_until_that_has_aged(
    monkeypatch: pytest.MonkeyPatch, seconds: float, first: int
) -> None:
    """A second and ten turns: of turns that take 50 ms these are 20, of those that take 3 s, ten."""
    now = [0.0]
    monkeypatch.setattr(intake.time, "monotonic", lambda: now[0])
    order: list[str] = []
    turns = Intake(1)

    async def taken(lane: Lane) -> None:
        async with turns.turn(lane):
            order.append(lane)
            now[0] += seconds

    async def story() -> None:
        async with turns.turn("interactive"):
            lanes: list[Lane] = ["bulk"] * 2 + ["interactive"] * 50
            waiting = [asyncio.create_task(taken(lane)) for lane in lanes]
            await asyncio.sleep(0)
            waiting[-1].cancel()
            await asyncio.sleep(0)
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(story())
    assert len(order) == 51
    assert order.index("bulk") == pytest.approx(first, abs=1)
    assert order[order.index("bulk") + 1 :].index("bulk") == pytest.approx(first, abs=1)
    assert turns._free == 1


def test_who_waited_too_long_is_told_to_come_back_and_who_wants_too_much_to_want_less(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = client.app.state.service.catalog.get("judged")
    monkeypatch.setattr(live, "alone", lambda *_: 10.0)
    with pytest.raises(Overloaded, match=r"judged@1 would take 10 s; 5 s are left\.") as refused:
        require_time(live, {}, time.monotonic() + 5, waited=6)
    assert refused.value.headers["Retry-After"] == "6"
    with pytest.raises(TooMuchWork):
        require_time(live, {}, time.monotonic() + 5, waited=4)
    require_time(live, {}, time.monotonic() + 11)
