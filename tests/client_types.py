"""What a type checker sees of the clients: `mypy` proves each line here, and nothing runs it.

Both clients take their methods from one description of each verb; their types must survive that.
"""

from collections.abc import AsyncIterator, Iterator
from typing import assert_type

from PIL import Image

from app.client import AsyncClient, Client, Model, Sample


def waited_for(client: Client) -> None:
    assert_type(client.generate("dog", n=2), list[Sample])
    assert_type(client.stream("dog", n=2), Iterator[Sample])
    assert_type(client.translate(b"", scale="original"), Image.Image)
    assert_type(client.enhance("speech.wav", format="flac"), bytes)
    assert_type(client.model("cifar10"), Model)
    client.generate(sede=1)  # type: ignore[call-arg]
    client.generate(seed="1")  # type: ignore[arg-type]


async def awaited(client: AsyncClient) -> None:
    assert_type(await client.generate("dog", n=2), list[Sample])
    assert_type(client.stream("dog", n=2), AsyncIterator[Sample])
    assert_type(await client.translate(b"", scale="original"), Image.Image)
    assert_type(await client.enhance("speech.wav", format="flac"), bytes)
    assert_type(await client.model("cifar10"), Model)
    await client.generate(sede=1)  # type: ignore[call-arg]
    await client.generate(seed="1")  # type: ignore[arg-type]
