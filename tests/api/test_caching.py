"""Addresses: what may be kept for how long, and answers that cost nothing because the client has them already."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app.api import caching
from app.api.caching import entity_tag, still_fresh
from tests import toy
from tests.api.conftest import Serve, count

PINNED = "/generate?model=toy@1&class=dog&seed=42"


def test_a_pinned_address_may_be_kept_for_ever(client: TestClient) -> None:
    answer = client.get(PINNED)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["etag"].startswith('"')


def test_an_address_without_version_is_asked_for_again_and_names_the_pinned_one(client: TestClient) -> None:
    answer = client.get("/generate?model=toy&class=1&seed=42&truncation=0.5&n=4&index=3")
    assert answer.headers["cache-control"] == "public, no-cache"
    location = answer.headers["content-location"]
    assert location == "/generate?model=toy@2&class=dog&n=4&seed=42&index=3&truncation=0.5&format=png&grid=2"
    pinned = client.get(location)
    assert pinned.content == answer.content
    assert pinned.headers["etag"] == answer.headers["etag"]
    assert "immutable" in pinned.headers["cache-control"]


@pytest.mark.parametrize(("method", "query"), [("GET", "model=toy@1"), ("POST", "model=toy@1&seed=42")])
def test_what_was_drawn_for_one_request_is_not_stored_but_has_an_address(
    client: TestClient, method: str, query: str
) -> None:
    answer = client.request(method, f"/generate?{query}")
    assert answer.headers["cache-control"] == "no-store"
    assert "etag" not in answer.headers
    assert client.get(answer.headers["content-location"]).content == answer.content


def test_a_copy_that_still_holds_is_answered_without_touching_the_device(client: TestClient) -> None:
    first = client.get(PINNED)
    drawn = count(client, "ganymede_images_total", model="toy@1")
    for condition in (first.headers["etag"], f"W/{first.headers['etag']}", f'"x", {first.headers["etag"]}', "*"):
        answer = client.get(PINNED, headers={"if-none-match": condition})
        assert (answer.status_code, answer.content) == (304, b"")
        for header in ("etag", "cache-control", "content-location", "vary"):
            assert answer.headers[header] == first.headers[header]
    assert count(client, "ganymede_images_total", model="toy@1") == drawn


def test_another_copy_is_replaced(client: TestClient) -> None:
    assert client.get(PINNED, headers={"if-none-match": '"another"'}).status_code == 200


def test_a_post_has_no_condition(client: TestClient) -> None:
    assert client.post(PINNED, headers={"if-none-match": "*"}).status_code == 200


@pytest.mark.parametrize(
    "change",
    ["&n=2", "&index=1", "&truncation=0.9", "&format=jpeg", "&format=zip", "&n=2&grid=1", "&n=2&grid=1&format=webp"],
)
def test_every_parameter_has_a_tag_of_its_own(client: TestClient, change: str) -> None:
    assert client.head(PINNED + change).headers["etag"] != client.head(PINNED).headers["etag"]


def test_ways_to_say_the_same_share_a_tag(client: TestClient) -> None:
    same = ["", "&n=1", "&index=0", "&truncation=1.0", "&format=png", "&timeout=3", "&grid=2"]
    assert len({client.head(PINNED + way).headers["etag"] for way in same}) == 1


def test_a_tag_holds_across_restarts_and_not_across_weights(serve: Serve, tmp_path: Path) -> None:
    toy.build(tmp_path / "a", "toy")
    toy.build(tmp_path / "b", "toy", seed=9)
    tags = [serve(models=tmp_path / models).head(PINNED).headers["etag"] for models in ("a", "a", "b")]
    assert tags[0] == tags[1] != tags[2]


def test_another_version_of_the_software_which_stands_in_the_file_has_another_tag(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = client.head(PINNED).headers["etag"]
    monkeypatch.setattr(caching, "SOFTWARE", "Ganymede 99")
    assert client.head(PINNED).headers["etag"] != before


def test_head_says_what_get_would_and_draws_nothing(client: TestClient) -> None:
    drawn = count(client, "ganymede_images_total", model="toy@1")
    same = {"X-Request-ID": "same"}
    head = client.head(PINNED, headers=same)
    assert (head.status_code, head.content) == (200, b"")
    assert count(client, "ganymede_images_total", model="toy@1") == drawn
    assert dict(head.headers).items() <= dict(client.get(PINNED, headers=same).headers).items()


def test_the_answer_varies_with_accept_only_where_accept_decides(client: TestClient) -> None:
    assert client.head(PINNED).headers["vary"] == "Accept"
    assert "vary" not in client.head(f"{PINNED}&format=png").headers


def test_an_address_keeps_the_prefix_that_a_proxy_added(models_dir: Path, client: TestClient) -> None:
    with_prefix = TestClient(client.app, root_path="/pictures")
    assert with_prefix.head("/generate?seed=1").headers["content-location"].startswith("/pictures/generate?model=")


@pytest.mark.parametrize(
    ("header", "fresh"),
    [
        (None, False),
        ("", False),
        ("*", True),
        ('"a"', True),
        ('W/"a"', True),
        ('"b", "a"', True),
        ('"b","a,"', False),
        ('"b"', False),
        ("a", False),
    ],
)
def test_if_none_match_is_compared_weakly(header: str | None, fresh: bool) -> None:
    assert still_fresh(header, '"a"') is fresh


def test_tags_tell_parts_apart() -> None:
    assert entity_tag(["ab", "c"]) != entity_tag(["a", "bc"])
