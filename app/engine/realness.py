"""What a model's critic says of the pictures that are served, asked only while the device has nothing else to do."""

import time
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.contract import SCORES, Manifest
from app.engine.job import Arrays
from app.engine.outputs import Run
from app.engine.rotation import Rotation
from app.errors import Draining

PERIOD = 10.0
"""Seconds between two times that pictures are judged, at least."""

PICTURES = 4
"""How many, each time."""

LATELY = 64
"""Pictures over which `Critic.lately` takes the mean."""


class Critic:
    """The critic of one model's generator.

    It is asked for one picture at a time, while all executors are idle, and past all queues: so a critic that fails, or
    hangs, does no harm to the model, and none of what it does counts as traffic. On a CPU it runs on the thread that
    asks, and a job that comes in that moment has every executor; on a GPU, where only an executor's thread can run
    anything, such a job has the other executors, or waits for one picture's score. A device that is never idle judges
    nothing.
    """

    def __init__(self, manifest: Manifest, rotation: Rotation[Any], run: Callable[[], Run | None], gpu: bool) -> None:
        """`run` says what runs the critic's graph; None while it isn't in memory."""
        self.reference: float | None = None
        """The mean for the golden samples, once they were judged."""
        self._manifest = manifest
        self._graph = manifest.graphs["critic"]
        self._rotation = rotation
        self._run = run
        self._gpu = gpu
        self._next = 0.0
        self._lock = Lock()
        self._said: deque[float] = deque(maxlen=LATELY)

    def judge(self, inputs: Arrays, pictures: NDArray[np.generic]) -> list[float]:
        """The logits of realness for the first of the pictures of a batch that was drawn of these inputs; none, or
        fewer, if it isn't time yet, or the device isn't idle.
        """
        now = time.monotonic()
        if now < self._next or not self._idle:
            return []
        self._next = now + PERIOD
        said = []
        for row in range(min(len(pictures), PICTURES)):
            given = self._given(inputs, pictures, row)
            logit = self._ask(given) if given else None
            if logit is not None:
                said.append(logit)
        with self._lock:
            self._said.extend(said)
        if self.reference is None:
            self.reference = self._golden()
        if not said or self.reference is None:
            self._next = now  # a job came in between: at the next moment that the device is idle
        return said

    def lately(self) -> list[float]:
        """The logits for the pictures that were judged last."""
        with self._lock:
            return list(self._said)

    @property
    def _idle(self) -> bool:
        """Whether nothing is on the device and nothing waits for it."""
        return self._rotation.idle == self._rotation.executors

    def _ask(self, given: Arrays) -> float | None:
        """The logit for one picture; None if it can't be judged now."""
        run = self._run()
        if run is None or not self._idle:
            return None
        try:
            outputs = self._rotation.on(0, lambda: run(given, False)) if self._gpu else run(given, False)
            return float(outputs[SCORES[0]][0])
        except Draining:
            return None

    def _given(self, inputs: Arrays, pictures: NDArray[np.generic], row: int) -> dict[str, NDArray[Any]]:
        """What the critic is given for a picture; nothing for one of several classes, of which it knows none."""
        given: dict[str, NDArray[Any]] = {self._graph.given("image").name: pictures[row : row + 1]}
        label = self._graph.input("label")
        if label is not None:
            drawn = inputs[self._manifest.graphs["generator"].given("label").name][row]
            if drawn.ndim and drawn.max() < 1:
                return {}
            given[label.name] = np.array([drawn.argmax() if drawn.ndim else drawn], np.int64)
        return given

    def _golden(self) -> float | None:
        """The mean for the golden samples; None if they can't be judged now."""
        picture = self._graph.given("image").name
        said = []
        for golden in self._manifest.golden:
            given = self._manifest.inputs(golden.seed, range(1), golden.label, role="critic")
            logit = self._ask({**given, picture: golden.array()[np.newaxis]})
            if logit is None:
                return None
            said.append(logit)
        return sum(said) / len(said)
