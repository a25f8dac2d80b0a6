"""The Accept header is weighed as RFC 9110 says, and `format` wins over it."""

import pytest
from starlette.testclient import TestClient

from app.api.answers import MEDIA_TYPES
from app.api.negotiation import preferred


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", "png"),
        ("*/*", "png"),
        ("image/*", "png"),
        ("image/webp", "webp"),
        ("IMAGE/WebP", "webp"),
        ("application/json", "json"),
        ("application/*", "json"),
        ("image/jpeg, image/png", "png"),
        ("image/jpeg, image/png;q=0.9", "jpeg"),
        ("image/png;q=0.1, image/*;q=0.5", "jpeg"),
        ("image/*;q=0.5, application/zip", "zip"),
        ("*/*;q=0.1, image/png;q=0", "jpeg"),
        ("image/*;q=0, */*", "json"),
        ("text/html, application/x-npy;q=0.2", "npy"),
        ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "png"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", "webp"),
        ("image/jpeg;q=x, image/webp;q=0.1", "webp"),
        ("image/jpeg;q=2, image/webp;q=0.1", "webp"),
        ("image/jpeg ; version=1 ; q=0.3 , image/webp; q=0.2", "jpeg"),
        ("image/png;q=0", None),
        ("text/html", None),
        ("image", None),
    ],
)
def test_the_client_gets_what_it_weighs_highest(accept: str, chosen: str | None) -> None:
    assert preferred(accept, MEDIA_TYPES) == chosen


@pytest.mark.parametrize(("name", "media_type"), MEDIA_TYPES.items())
def test_every_format_comes_by_accept_and_by_parameter(client: TestClient, name: str, media_type: str) -> None:
    by_accept = client.get("/generate?seed=1", headers={"accept": media_type})
    by_parameter = client.get(f"/generate?seed=1&format={name}", headers={"accept": "image/gif"})
    told = [answer.headers["content-type"].partition("; boundary=") for answer in (by_accept, by_parameter)]
    assert [kind for kind, _, _ in told] == [media_type, media_type]
    contents = [
        answer.content.replace(boundary.encode() or b"-", b"-")
        for answer, (_, _, boundary) in zip((by_accept, by_parameter), told, strict=True)
    ]
    assert contents[0] == contents[1]


def test_several_accept_headers_are_one_list(client: TestClient) -> None:
    headers = [("accept", "image/png;q=0.1"), ("accept", "image/webp")]
    assert client.get("/generate", headers=headers).headers["content-type"] == "image/webp"
