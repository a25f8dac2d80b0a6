"""Writes that go out together."""

import asyncio
from typing import Any

import pytest

from app.processes.gathering import MOST, Gathering


class Wire(asyncio.Transport):
    """A transport that notes what it is told to do."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Any] = []
        self.closing = False

    def writelines(self, list_of_data: Any) -> None:
        self.told.append(list(list_of_data))

    def write_eof(self) -> None:
        self.told.append("eof")

    def close(self) -> None:
        self.told.append("close")

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return 7


def written(*data: bytes, then: str | None = None, gone: bool = False) -> tuple[list[Any], list[Any]]:
    """What a wire is told by these writes, and a call after them, in one turn of the loop, and until the next one."""

    async def one_turn() -> tuple[list[Any], list[Any]]:
        wire = Wire()
        gathering = Gathering(wire, asyncio.get_running_loop())
        for piece in data:
            gathering.write(piece)
        if then is not None:
            getattr(gathering, then)()
        wire.closing = gone
        at_once = list(wire.told)
        await asyncio.sleep(0)
        return at_once, wire.told

    return asyncio.run(one_turn())


def test_a_head_waits_for_the_body_and_goes_out_with_it_at_once() -> None:
    both = [[b"head", b"body"]]
    assert written(b"head", b"body") == (both, both)


def test_a_head_that_stands_alone_goes_out_in_the_next_turn() -> None:
    assert written(b"head") == ([], [[b"head"]])


def test_nothing_goes_out_twice_or_late() -> None:
    async def two_turns() -> list[Any]:
        wire = Wire()
        gathering = Gathering(wire, asyncio.get_running_loop())
        for data in (b"one", b"two"):
            gathering.write(data)
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        return wire.told

    assert asyncio.run(two_turns()) == [[b"one"], [b"two"]]


@pytest.mark.parametrize(("call", "told"), [("close", "close"), ("write_eof", "eof")])
def test_an_end_comes_after_what_was_written(call: str, told: str) -> None:
    at_once, later = written(b"head", b"body", then=call)
    assert at_once == later == [[b"head", b"body"], told]


def test_much_goes_out_at_once() -> None:
    large = bytes(MOST)
    at_once, later = written(b"head", large, b"rest")
    assert at_once == [[b"head", large]]
    assert later == [[b"head", large], [b"rest"]]


def test_nobody_is_written_to_who_is_gone() -> None:
    assert written(b"head", gone=True) == ([], [])


def test_what_is_held_counts_as_unsent() -> None:
    async def sizes() -> list[int]:
        gathering = Gathering(Wire(), asyncio.get_running_loop())
        before = gathering.get_write_buffer_size()
        gathering.write(b"head")
        held = gathering.get_write_buffer_size()
        await asyncio.sleep(0)
        return [before, held, gathering.get_write_buffer_size()]

    assert asyncio.run(sizes()) == [7, 11, 7]
