"""What a type checker sees of the clients: `mypy` proves each line here, and nothing runs it.

Both clients take their methods from one description of each verb; their types must survive that.
"""

from collections.abc import AsyncIterator, Iterator
from typing import assert_type

from PIL import Image

from app.client import AsyncClient, Client, Code, Edited, Frame, Model, Sample, Score, Stop


def waited_for(client: Client) -> None:
    assert_type(client.generate("dog", n=2), list[Sample])
    assert_type(client.stream("dog", n=2), Iterator[Sample])
    assert_type(client.translate(b"", scale="original"), Image.Image)
    assert_type(client.enhance("speech.wav", format="flac"), bytes)
    assert_type(client.generate({"dog": 0.7, "cat": 0.3}, best_of=4, stage=1), list[Sample])
    assert_type(client.interpolate([1, Stop(seed=2, class_="dog")], loop=True), list[Frame])
    assert_type(client.animate([1, 2], format="mp4"), bytes)
    assert_type(client.edit({"hue": 2, "age": (-1.5, 1.5)}, "dog", seed=1), list[Edited])
    assert_type(client.encode("photo.jpg"), Code)
    assert_type(client.decode([[0.5, 1]], model="fashion-ae"), list[Image.Image])
    assert_type(client.reconstruct(b""), Image.Image)
    assert_type(client.map("fashion-ae", dimensions=(0, 1)), Image.Image)
    assert_type(client.predict(["1.png", "2.png"], context=True), list[Image.Image])
    assert_type(client.score(b"", "dog"), Score)
    assert_type(client.reproduce("dog.png"), Image.Image)
    assert_type(client.model("cifar10"), Model)
    client.generate(sede=1)  # type: ignore[call-arg]
    client.generate(seed="1")  # type: ignore[arg-type]
    client.reproduce(Image.new("L", (1, 1)))  # type: ignore[arg-type]


async def awaited(client: AsyncClient) -> None:
    assert_type(await client.generate("dog", n=2), list[Sample])
    assert_type(client.stream("dog", n=2), AsyncIterator[Sample])
    assert_type(await client.translate(b"", scale="original"), Image.Image)
    assert_type(await client.enhance("speech.wav", format="flac"), bytes)
    assert_type(await client.generate({"dog": 0.7, "cat": 0.3}, best_of=4, stage=1), list[Sample])
    assert_type(await client.interpolate([1, Stop(seed=2, class_="dog")], loop=True), list[Frame])
    assert_type(await client.animate([1, 2], format="mp4"), bytes)
    assert_type(await client.edit({"hue": 2}, picture=b""), list[Edited])
    assert_type(await client.encode("photo.jpg"), Code)
    assert_type(await client.decode([[0.5, 1]], model="fashion-ae"), list[Image.Image])
    assert_type(await client.reconstruct(b""), Image.Image)
    assert_type(await client.map("fashion-ae", dimensions=(0, 1)), Image.Image)
    assert_type(await client.predict(["1.png", "2.png"], context=True), list[Image.Image])
    assert_type(await client.score(b"", "dog"), Score)
    assert_type(await client.reproduce("dog.png"), Image.Image)
    assert_type(await client.model("cifar10"), Model)
    await client.generate(sede=1)  # type: ignore[call-arg]
    await client.generate(seed="1")  # type: ignore[arg-type]
