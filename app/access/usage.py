"""How much each key has used, over all workers of a service: counters in memory that the workers share.

Each worker writes into a region of its own and sums over all of them, so there is no lock that a worker could die or
hang with, and one that is started again finds what its predecessor counted. A limit holds nevertheless: whoever counts
first and looks at the sum then, and takes back where that is too much, may refuse one too many at the same moment, but
never lets one too many in.
"""

import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self

NAME = 64
"""Bytes of a name; see `keys.Name`."""
RECORD = 16
"""Words of a key's record in a region: eight for the name, a pair for each counter, one for the requests in flight."""
NAMES = 1024
"""Names of which a region holds the counts: more than the keys of a file, since revoked ones stay."""
WORD = 8
REGION = NAMES * RECORD

Counter = Literal["requests", "pictures", "device_seconds"]
PLACES: dict[Counter, int] = {"requests": 8, "pictures": 10, "device_seconds": 12}
"""Where the window of a counter stands in a record, by its number since 1970; the amount in it follows."""
IN_FLIGHT = 14


class FullError(Exception):
    """More names than there is room for."""


class Usage:
    """The counters of all keys, as worker `index` of `count` sees them. Used on one thread."""

    def __init__(self, memory: mmap.mmap, index: int = 0, count: int = 1) -> None:
        self._memory = memory
        self._words = memoryview(memory).cast("d")
        self._index = index
        self._count = count
        self._places: list[dict[str, int]] = [{} for _ in range(count)]
        self._seen = [0] * count
        """Records of each region that `_places` knows."""
        self._read(index)
        # What a predecessor had in flight died with it.
        for place in self._places[index].values():
            self._words[place + IN_FLIGHT] = 0

    @classmethod
    def alone(cls) -> Self:
        """Those of a service of one process, for as long as it runs."""
        return cls(mmap.mmap(-1, REGION * WORD))

    @classmethod
    def shared(cls, folder: Path, index: int, count: int) -> Self:
        """Those of worker `index` of `count`, in the service's private folder. `OSError` if there is no room."""
        file = os.open(folder / "usage", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = count * REGION * WORD
            # Taken now: a page for which the disk has no room later would be a SIGBUS, not an error.
            os.posix_fallocate(file, 0, size) if hasattr(os, "posix_fallocate") else os.ftruncate(file, size)
            return cls(mmap.mmap(file, size), index, count)
        finally:
            os.close(file)

    def add(self, name: str, counter: Counter, window: int, amount: float) -> None:
        """Counts so much, in the window of that number. `FullError` if there is no room for another name."""
        place = self._own(name) + PLACES[counter]
        words = self._words
        if words[place] != window:
            # In this order, so that no other worker ever sees the old amount in the new window.
            words[place + 1] = 0
            words[place] = window
        words[place + 1] += amount

    def total(self, name: str, counter: Counter, window: int) -> float:
        """How much all workers have counted in that window."""
        offset = PLACES[counter]
        words = self._words
        return sum(words[place + offset + 1] for place in self._all(name) if words[place + offset] == window)

    def enter(self, name: str) -> None:
        """Counts one more request in flight."""
        self._words[self._own(name) + IN_FLIGHT] += 1

    def leave(self, name: str) -> None:
        """Counts one less."""
        self._words[self._own(name) + IN_FLIGHT] -= 1

    def in_flight(self, name: str) -> int:
        """The requests in flight, of all workers."""
        return int(sum(self._words[place + IN_FLIGHT] for place in self._all(name)))

    def _own(self, name: str) -> int:
        """Where this worker's record of a name stands; made if there is none."""
        place = self._places[self._index].get(name)
        if place is None:
            number = self._seen[self._index]
            if number == NAMES:
                raise FullError
            place = self._index * REGION + number * RECORD
            at, padded = place * WORD, name.encode("ascii").ljust(NAME, b"\0")
            # The beginning last: by that others know that a record is there.
            self._memory[at + WORD : at + NAME] = padded[WORD:]
            self._memory[at : at + WORD] = padded[:WORD]
            self._places[self._index][name] = place
            self._seen[self._index] = number + 1
        return place

    def _all(self, name: str) -> Iterator[int]:
        """Where the records of a name stand, in all regions that have one."""
        for region, places in enumerate(self._places):
            if name not in places:
                self._read(region)
            if name in places:
                yield places[name]

    def _read(self, region: int) -> None:
        """Takes in the names that a worker has added since the last time."""
        number = self._seen[region]
        while number < NAMES:
            place = region * REGION + number * RECORD
            at = place * WORD
            if not self._memory[at]:
                break
            self._places[region][self._memory[at : at + NAME].rstrip(b"\0").decode("ascii")] = place
            number += 1
        self._seen[region] = number
