"""What both clients have in common."""

import asyncio
import inspect
import re
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.client import AsyncClient, Client, Sample
from app.client.clients import Verbs
from tests.client.conftest import ROOT, Connect, Prefixed, photo, png, refusal
from tests.live import Live, listening


def test_calls_share_a_connection_and_carry_the_headers(connect: Connect, service: Live) -> None:
    seen = Prefixed(service.app, "")
    with listening(seen) as url:
        client = connect(url, headers={"Authorization": "Bearer me"})
        for _ in range(3):
            client.generate(model="toy")
        assert len(list(client.stream(model="toy", n=3))) == 3
        assert refusal(lambda: client.model("none")).status == 404
        client.health()
    assert len(seen.peers) == 1
    assert seen.keys == {b"Bearer me"}


def test_both_clients_are_closed_with_their_block(service: Live) -> None:
    async def story() -> None:
        async with AsyncClient(service.url) as client:
            assert await client.health() == {"status": "alive"}
        with pytest.raises(RuntimeError):
            await client.health()

    asyncio.run(story())
    with Client(service.url) as client:
        assert client.health() == {"status": "alive"}
    with pytest.raises(RuntimeError):
        client.health()


def test_many_calls_of_an_async_client_are_under_way_at_once(service: Live) -> None:
    async def story() -> list[list[Sample]]:
        async with AsyncClient(service.url) as client:
            calls: list[Coroutine[Any, Any, list[Sample]]] = [client.generate(seed=seed) for seed in range(20)]
            return await asyncio.gather(*calls)

    assert [sample.seed for [sample] in asyncio.run(story())] == list(range(20))


@pytest.mark.parametrize("name", [name for name in vars(Verbs) if not name.startswith("_")])
def test_every_verb_says_what_it_does(name: str) -> None:
    assert inspect.getdoc(getattr(Client, name))
    assert inspect.getdoc(getattr(Client(), name)) == inspect.getdoc(getattr(AsyncClient(), name))


def test_the_readme_s_example_runs(service: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(png(photo()))
    exec(code.replace("Client()", f"Client({service.url!r})"), {})  # noqa: S102
    for name in ("dog.jpg", "painting.png", "walk.webp"):
        Image.open(name).verify()
