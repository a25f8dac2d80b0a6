"""A recording's file again, written from what a network made of its pieces: at once, or while they come, in any order.

On top of `pieces`, which joins them, and `audio_writer`, which writes them. Everything here blocks.
"""

import numpy as np

from app.media import audio_writer
from app.media.audio import Samples
from app.media.audio_writer import Form, Writer
from app.media.pieces import Assembly, Pieces, Plan, whole


def restored(outputs: Pieces, plan: Plan, form: Form, comment: str = "") -> bytes:
    """The file of that form, of the outputs [plan.rows, plan.size] for all pieces of a recording."""
    return audio_writer.encode(whole(outputs, plan), form, comment)


class Restoration:
    """What `restored` does, for pieces that come one after the other, in any order.

    The parts of the file, put together, are its file: of a FLAC, but for what its header tells of the whole, see
    `Writer`. Holds the pieces that came before their turn, and what `Assembly` does.
    """

    def __init__(self, plan: Plan, form: Form, comment: str = "") -> None:
        self._rows = plan.rows
        self._assembly = Assembly(plan)
        self._writer = Writer(form, comment)
        self._early: dict[int, Samples] = {}
        self._next = 0

    def add(self, row: int, output: Samples) -> bytes:
        """What the output [plan.size] for that row of the pieces completes of the file: nothing before its turn, and
        all that was left if it is the last to come.
        """
        self._early[row] = output
        ready = []
        while self._next in self._early:
            ready.append(self._early.pop(self._next))
            self._next += 1
        if not ready:
            return b""
        self._writer.write(self._assembly.add(np.stack(ready)))
        if self._next == self._rows:
            self._writer.close()
        return self._writer.take()
