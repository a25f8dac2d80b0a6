"""The same seed gives the same bytes, whoever else is served at the same time."""

import asyncio
import random
from collections.abc import Awaitable

import httpx
from starlette.testclient import TestClient

FORMATS = ["png", "jpeg", "webp", "json", "zip", "npy"]
ADDRESSES = [
    f"/generate?model=toy@{seed % 2 + 1}&seed={seed}&n={seed % 5 + 1}&format={FORMATS[seed % 6]}" for seed in range(128)
]


def test_the_same_bytes_at_concurrency_1_and_64(client: TestClient) -> None:
    alone = {address: client.get(address).content for address in ADDRESSES}
    for shuffle in range(3):
        assert asyncio.run(crowd(client, random.Random(shuffle))) == alone


async def crowd(client: TestClient, order: random.Random) -> dict[str, bytes]:
    """The answers of all addresses, asked for in random order, at random moments, up to 64 at a time."""
    places = asyncio.Semaphore(64)
    transport = httpx.ASGITransport(client.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as crowd:

        async def ask(address: str) -> tuple[str, bytes]:
            await asyncio.sleep(order.random() * 0.05)
            async with places:
                return address, (await crowd.get(address)).raise_for_status().content

        asked: list[Awaitable[tuple[str, bytes]]] = [
            ask(address) for address in order.sample(ADDRESSES, len(ADDRESSES))
        ]
        return dict(await asyncio.gather(*asked))
