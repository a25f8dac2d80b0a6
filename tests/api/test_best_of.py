"""`best_of`: more samples than asked for are drawn, and the critic chooses those that are sent."""

import asyncio
import json
import re
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from starlette.testclient import TestClient

from app.api import drawing
from app.api.drawing import Drawn
from app.classes import Class
from app.media.provenance import recipe_of
from tests import toy_parts
from tests.api import held
from tests.api.conftest import Serve, count
from tests.api.test_generate import pixels

ASKED = "/generate?model=judged@1&seed=5&class=dog"


def pool(client: TestClient, query: str, n: int) -> np.ndarray:
    return np.load(BytesIO(client.get(f"{query}&n={n}&format=npy").content))


def best(pictures: np.ndarray, label: int) -> list[int]:
    return np.argsort(-(toy_parts.realness(pictures) + toy_parts.match(pictures, label)), kind="stable").tolist()


def test_the_critic_picks_the_best_of_all_that_were_drawn(studio: TestClient) -> None:
    drawn = pool(studio, ASKED, 32)
    chosen = np.load(BytesIO(studio.get(f"{ASKED}&n=4&best_of=8&format=npy").content))
    np.testing.assert_array_equal(chosen, drawn[best(drawn, 1)[:4]])


def test_each_chosen_sample_keeps_its_own_index_and_address(studio: TestClient) -> None:
    drawn = pool(studio, f"{ASKED}&index=7", 12)
    answer = studio.get(f"{ASKED}&index=7&n=3&best_of=4&format=json").json()
    assert [sample["index"] for sample in answer["samples"]] == [7 + row for row in best(drawn, 1)[:3]]
    for sample in answer["samples"]:
        assert "best_of" not in sample["url"]
        again = studio.get(sample["url"])
        assert again.headers["x-index"] == str(sample["index"])
        np.testing.assert_array_equal(pixels(again.content), drawn[sample["index"] - 7])
        assert recipe_of(again.content).model_dump(exclude_none=True) == sample["recipe"]


def test_scores_are_in_the_answer(studio: TestClient) -> None:
    drawn = pool(studio, ASKED, 6)
    samples = studio.get(f"{ASKED}&n=6&best_of=1&format=json").json()["samples"]
    for sample in samples:
        picture = drawn[sample["index"]][None]
        assert sample["scores"]["realness"] == pytest.approx(toy_parts.realness(picture)[0], rel=1e-4)
        assert sample["scores"]["match"] == pytest.approx(toy_parts.match(picture, 1)[0], rel=1e-4)
    sums = [sum(sample["scores"].values()) for sample in samples]
    assert sums == sorted(sums, reverse=True)


def test_headers_say_which_were_chosen_and_how_they_scored(studio: TestClient) -> None:
    one = studio.get(f"{ASKED}&best_of=8")
    samples = studio.get(f"{ASKED}&best_of=8&n=2&format=json").json()["samples"]
    assert one.headers["x-index"] == str(samples[0]["index"])
    assert one.headers["x-realness"] == f"{samples[0]['scores']['realness']:g}"
    assert one.headers["x-match"] == f"{samples[0]['scores']['match']:g}"
    sheet = studio.get(f"{ASKED}&best_of=8&n=2")
    assert sheet.headers["x-index"] == ", ".join(str(sample["index"]) for sample in samples)


def test_a_single_picture_is_that_of_its_own_address(studio: TestClient) -> None:
    answer = studio.get(f"{ASKED}&best_of=8")
    alone = studio.get(f"{ASKED}&index={answer.headers['x-index']}")
    assert alone.content == answer.content
    assert "x-realness" not in alone.headers


def test_samples_that_draw_their_own_class_are_judged_by_it(studio: TestClient) -> None:
    asked = "/generate?model=judged@1&seed=11&format=json"
    drawn = studio.get(f"{asked}&n=16").json()["samples"]
    pictures = pool(studio, "/generate?model=judged@1&seed=11", 16)
    chosen = studio.get(f"{asked}&n=2&best_of=8").json()["samples"]
    for sample in chosen:
        assert sample["class"] == drawn[sample["index"]]["class"]
        label = ("cat", "dog", "owl").index(sample["class"])
        due = toy_parts.match(pictures[sample["index"]][None], label)[0]
        assert sample["scores"]["match"] == pytest.approx(due, rel=1e-4)


def test_a_critic_that_knows_no_class_judges_realness_alone(studio: TestClient) -> None:
    drawn = pool(studio, "/generate?model=codes@1&seed=3", 8)
    answer = studio.get("/generate?model=codes@1&seed=3&best_of=8&format=json").json()
    [sample] = answer["samples"]
    assert sample["index"] == int(toy_parts.realness(drawn).argmax())
    assert list(sample["scores"]) == ["realness"]


def test_it_works_in_every_form(studio: TestClient) -> None:
    indices = [one["index"] for one in studio.get(f"{ASKED}&n=2&best_of=4&format=json").json()["samples"]]
    with ZipFile(BytesIO(studio.get(f"{ASKED}&n=2&best_of=4&format=zip").content)) as bundle:
        assert bundle.namelist() == [
            "judged-1_dog_seed5" + (f"_{index}" if index else "") + ".png" for index in indices
        ]
    lines = studio.get(f"{ASKED}&n=2&best_of=4&format=ndjson").text.splitlines()
    assert [json.loads(line)["index"] for line in lines] == indices
    assert all("scores" in json.loads(line) for line in lines)
    parts = studio.get(f"{ASKED}&n=2&best_of=4&format=multipart").text
    assert re.findall(r"X-Index: (\d+)", parts) == [str(index) for index in indices]
    assert len(re.findall("X-Realness: ", parts)) == 2
    sheet = studio.get(f"{ASKED}&n=2&best_of=4")
    recipe = recipe_of(sheet.content)
    assert (recipe.best_of, recipe.n, recipe.index) == (4, 2, 0)


def test_an_address_with_best_of_lasts_as_every_other_does(studio: TestClient) -> None:
    same = {"X-Request-ID": "same"}
    first = studio.get(f"{ASKED}&best_of=4", headers=same)
    assert "best_of=4" in first.headers["content-location"]
    assert "immutable" in first.headers["cache-control"]
    before = count(studio, "ganymede_images_total", model="judged@1")
    assert studio.get(f"{ASKED}&best_of=4", headers={"if-none-match": first.headers["etag"]}).status_code == 304
    head = studio.head(f"{ASKED}&best_of=4", headers=same)
    assert dict(head.headers).items() <= dict(first.headers).items()
    assert count(studio, "ganymede_images_total", model="judged@1") == before
    assert studio.get(ASKED).headers["etag"] != first.headers["etag"]


def test_server_timing_adds_up_both_jobs(studio: TestClient) -> None:
    timing = studio.get(f"{ASKED}&best_of=4").headers["server-timing"]
    [batches] = re.findall(r'batch;desc="([\d/]+)"', timing)
    sizes = [int(size) for size in batches.split("/")]
    assert sum(sizes) == 8, "four samples were drawn, and four judged"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("model=clouds&best_of=2", "best_of: clouds@1 has no critic that could choose; leave best_of out"),
        ("n=9&best_of=8", "best_of: 8 × 9 = 72 samples would be drawn, and 64 may be; lower best_of or n"),
        ("best_of=65", 'best_of: must be an integer from 1 to 64, not "65"'),
        ("best_of=0", 'best_of: must be an integer from 1 to 64, not "0"'),
        (
            "model=judged&best_of=2&stage=1",
            "best_of: the critic of judged@1 judges pictures of its last stage; leave stage or best_of out",
        ),
        (
            "model=mixing&best_of=2&class=cat:1,dog:1",
            "best_of: the critic of mixing@1 judges by one class, not by a mixture; leave best_of out",
        ),
        (
            f"index={2**53 - 5}&n=2&best_of=3",
            f"index: must be an integer from 0 to {2**53 - 6} where n × best_of is 6",
        ),
    ],
)
def test_what_can_not_be_chosen_is_refused(studio: TestClient, query: str, message: str) -> None:
    answer = studio.get(f"/generate?{query}")
    assert (answer.status_code, answer.json()["detail"]) == (422, message)


def test_nothing_is_made_for_samples_that_are_more_than_may_be_drawn(
    studio: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def sample(index: int, label: Class | None) -> Drawn:
        made.append(index)
        return Drawn(index, label)

    monkeypatch.setattr(drawing, "Drawn", sample)
    assert studio.get(f"{ASKED}&n=64&best_of=64").status_code == 422
    assert not made
    assert studio.get(f"{ASKED}&n=3&best_of=2").status_code == 200
    assert len(made) == 6


@pytest.mark.parametrize("best_of", [1, 2])
def test_a_critic_that_has_too_much_to_do_refuses(
    studio: TestClient, monkeypatch: pytest.MonkeyPatch, best_of: int
) -> None:
    door = studio.app.state.service.catalog.get("judged").queues["critic"].door
    monkeypatch.setitem(door.waiting, "interactive", 1e9)
    answer = studio.get(f"{ASKED}&best_of={best_of}")
    assert answer.status_code == 429
    assert "s of work wait for judged@1" in answer.json()["detail"]


def test_without_a_model_the_first_that_has_a_critic_chooses(studio: TestClient) -> None:
    assert studio.get("/generate?best_of=2").headers["x-model"] == "codes@1"
    assert studio.get("/generate?best_of=2&class=owl").headers["x-model"] == "judged@1"


def test_where_no_model_has_a_critic_none_can_choose(client: TestClient) -> None:
    answer = client.get("/generate?best_of=2")
    assert (answer.status_code, answer.json()["detail"]) == (422, "model: no model has a graph 'critic'")


@pytest.mark.parametrize("graph", ["generator", "critic"])
def test_who_hangs_up_takes_either_job_along(
    serve: Serve, studio_dir: Path, monkeypatch: pytest.MonkeyPatch, graph: str
) -> None:
    client = serve(models=studio_dir, max_batch=16)
    blocked, free = held.hold(client, monkeypatch, model="judged")
    _, go = held.hold(client, monkeypatch, model="judged", graph="critic")

    def queued() -> float:
        return count(client, "ganymede_queue_samples", model="judged@1")

    async def story() -> None:
        stays, leaves = asyncio.Event(), asyncio.Event()
        blocker = asyncio.create_task(held.post(client, "model=judged", stays))
        await held.until(blocked.is_set)
        first, second = (
            asyncio.create_task(held.post(client, "model=judged&best_of=8&n=2", event)) for event in (stays, leaves)
        )
        await held.until(lambda: queued() == 32)
        if graph == "critic":
            free.set()
            await blocker
            # The critic holds a batch of 16, and as many wait for it.
            await held.until(lambda: queued() == 16 and count(client, "ganymede_images_total", model="judged@1") == 33)
        leaves.set()
        assert (await second)[0]["status"] == 499
        assert queued() <= 16
        free.set()
        go.set()
        assert (await first)[0]["status"] == 200

    asyncio.run(story())
    assert count(client, "ganymede_dropped_samples_total", model="judged@1", reason="cancelled") == 16


def test_both_jobs_share_one_deadline(serve: Serve, studio_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = serve(models=studio_dir)
    entered, go = held.hold(client, monkeypatch, model="judged", graph="critic")

    async def story() -> None:
        never = asyncio.Event()
        first = asyncio.create_task(held.post(client, "model=judged&best_of=2", never))
        await held.until(entered.is_set)
        second = asyncio.create_task(held.post(client, "model=judged&best_of=2&timeout=0.3", never))
        await asyncio.sleep(0.5)
        go.set()
        assert (await first)[0]["status"] == 200
        start, answer = await second
        assert start["status"] == 429
        assert b"deadline" in answer["body"]

    asyncio.run(story())
