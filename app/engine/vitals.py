"""What a graph has drawn lately: a few of the pictures that are served, measured off the threads that serve them.

A sample of the traffic is enough to see that a model has collapsed, and costs next to nothing. `Watch` is the thread
that looks; `Vitals` is what it knows of one graph. Told to Prometheus, and to `/models/{name}`.
"""

import logging
import time
from collections import OrderedDict, deque
from dataclasses import dataclass
from itertools import combinations
from threading import Condition, Lock, Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.contract import Graph, Manifest, Tensor
from app.engine import likeness
from app.engine.job import Arrays
from app.engine.likeness import Floats, Likeness
from app.engine.outputs import Run
from app.engine.realness import Critic
from app.metrics import Metrics
from app.output_metrics import TWINS, Measure

log = logging.getLogger(__name__)

PERIOD, SHARE = 0.5, 0.005
"""A graph is looked at every half a second at most, and for that share of a core's time at most."""

ROWS = 8
"""Pictures of a batch that are looked at."""

KEPT = 64
"""Classes of which the picture that came last is kept, to compare the next one with."""

LATELY = 256
"""Pictures, and pairs of them, over which `Vitals.lately` takes the mean."""

BEHIND = 0.02
"""Seconds that a look waits: whoever asked for the pictures has them by then."""


@dataclass(frozen=True)
class Seen:
    """A picture, and what it was made of: a picture, or a latent."""

    drawn: Likeness
    given: Likeness | Floats


class Vitals:
    """What the outputs of one graph look like, as measured on golden samples and in service.

    Two pictures are compared that came one after the other in the sample, of one class and size, and of inputs that are
    far apart: a client who asks for the same seed again and again, or for a slow walk, says nothing of the model.
    """

    def __init__(self, manifest: Manifest, role: str, metrics: Metrics, watch: "Watch", critic: Critic | None) -> None:
        """Of a graph that draws, see `drawn`; the `critic` judges what it draws."""
        graph = manifest.graphs[role]
        self._graph = graph
        self._output = graph.outputs[0]
        self._given = next((one for one in graph.inputs if one.meaning in ("image", "frames", "audio")), None)
        self._watch = watch
        self._next = 0.0
        self._previous: OrderedDict[tuple[int, bytes], Seen] = OrderedDict()
        self._lock = Lock()
        self._pictures: deque[tuple[float, float, float]] = deque(maxlen=LATELY)
        self._pairs: deque[float] = deque(maxlen=LATELY)
        self._critic = critic
        self._metrics = metrics.outputs.graph(manifest.reference, role, judged=critic is not None)
        self._reference: dict[Measure, float] = {}
        if role == "generator":
            for measure, value in _golden(manifest, self._output, given=self._given is not None).items():
                self._refer(measure, value)

    def watched(self, run: Run) -> Run:
        """`run`, of which some outputs are looked at, later and elsewhere."""

        def run_watched(inputs: Arrays, alone: bool) -> Arrays:
            outputs = run(inputs, alone)
            if time.monotonic() >= self._next:
                self._watch.offer(self, inputs, outputs)
            return outputs

        return run_watched

    def look(self, inputs: Arrays, outputs: Arrays) -> None:
        """Measures pictures of a batch. Called by one thread at a time."""
        began = time.thread_time()
        # Here as well, for a look that fails.
        self._next = time.monotonic() + PERIOD
        count = len(outputs[self._output.name])
        rows = np.linspace(0, count - 1, min(count, ROWS)).astype(np.intp)
        drawn = likeness.measured(likeness.thumbnails(self._output, outputs[self._output.name][rows]))
        seen = map(Seen, drawn, self._inputs(inputs, rows))
        compared = map(self._compare, seen, self._labels(inputs, rows))
        pairs = [pair for pair in compared if pair is not None]
        for one in drawn:
            self._metrics.mean.observe(one.mean)
            self._metrics.variance.observe(one.variance)
            self._metrics.saturation.observe(one.saturation)
        for pair in pairs:
            self._metrics.diversity.observe(pair)
        with self._lock:
            self._pictures.extend((one.mean, one.variance, one.saturation) for one in drawn)
            self._pairs.extend(pairs)
        self._next = time.monotonic() + max(PERIOD, (time.thread_time() - began) / SHARE)
        if self._critic is not None and self._metrics.score is not None:
            for logit in self._critic.judge(inputs, outputs[self._output.name]):
                self._metrics.score.observe(logit)
            if self._critic.reference is not None:
                self._refer("critic_score", self._critic.reference)

    def lately(self) -> dict[str, Any]:
        """The means of the pictures and pairs that were looked at last, None before there were any, and the same of
        the golden samples.
        """
        with self._lock:
            pictures, pairs = list(self._pictures), list(self._pairs)
        measures: dict[str, Any] = {
            "pictures": len(pictures),
            "mean": _mean([mean for mean, _, _ in pictures]),
            "variance": _mean([variance for _, variance, _ in pictures]),
            "saturation_ratio": _mean([saturation for _, _, saturation in pictures]),
            "pairs": len(pairs),
            "diversity": _mean(pairs),
            "twins": _mean([pair < TWINS for pair in pairs]),
        }
        if self._critic is not None:
            measures["critic_score"] = _mean(self._critic.lately())
        return measures | {"reference": {name: round(value, 6) for name, value in self._reference.items()}}

    def _refer(self, measure: Measure, value: float) -> None:
        """Notes what a measure is on the golden samples."""
        self._reference = {**self._reference, measure: value}
        self._metrics.refer(measure, value)

    def _labels(self, inputs: Arrays, rows: NDArray[np.intp]) -> list[bytes]:
        label = self._graph.input("label")
        return [b""] * len(rows) if label is None else [inputs[label.name][row].tobytes() for row in rows]

    def _inputs(self, inputs: Arrays, rows: NDArray[np.intp]) -> list[Likeness] | list[Floats]:
        if self._given is not None:
            return likeness.measured(likeness.thumbnails(self._given, inputs[self._given.name][rows]))
        return [inputs[self._graph.given("latent").name][row].copy() for row in rows]

    def _compare(self, seen: Seen, label: bytes) -> float | None:
        """How unlike the last picture of its class a picture is; None if there is none, or nothing follows from it."""
        place = len(seen.drawn.values), label
        last = self._previous.pop(place, None)
        self._previous[place] = seen
        if len(self._previous) > KEPT:
            self._previous.popitem(last=False)
        if last is None or not _apart(last.given, seen.given):
            return None
        return likeness.diversity(last.drawn, seen.drawn)


class Watch:
    """The thread that looks at outputs. Holds one batch of each graph at most, the first one that it was offered."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._offered: dict[Vitals, tuple[Arrays, Arrays]] = {}
        self._closed = False
        self._thread = Thread(target=self._serve, name="ganymede-vitals", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def close(self) -> None:
        """Ends the thread after what it is at."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def join(self, seconds: float) -> None:
        """Waits for the thread's end, at most that long."""
        self._thread.join(seconds)

    def offer(self, vitals: Vitals, inputs: Arrays, outputs: Arrays) -> None:
        """Has the outputs of a batch looked at. Doesn't wait."""
        with self._changed:
            if vitals not in self._offered:
                self._offered[vitals] = inputs, outputs
                self._changed.notify()

    def _serve(self) -> None:
        while self._wait():
            self._look()

    def _wait(self) -> bool:
        """Waits for something to look at; False at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._offered)
            self._changed.wait_for(lambda: self._closed, BEHIND)
            return not self._closed

    def _look(self) -> None:
        """Apart from `_serve`, which waits: there a variable would keep a batch alive."""
        with self._changed:
            offered, self._offered = self._offered, {}
        for vitals, (inputs, outputs) in offered.items():
            try:
                vitals.look(inputs, outputs)
            except Exception:  # whatever it is, pictures are served
                log.exception("What a model has drawn could not be measured.")


def drawn(graph: Graph) -> bool:
    """Whether what a graph computes can be looked at: pictures or sound, of something that can be compared."""
    given = any(one.meaning in ("latent", "image", "frames", "audio") for one in graph.inputs)
    return given and graph.outputs[0].meaning in ("image", "audio")


def _golden(manifest: Manifest, output: Tensor, *, given: bool) -> dict[Measure, float]:
    """The measures of the golden samples; where something was `given`, the diversity alone: that were patchworks, or
    noise, and nobody sends those.

    They are few, and of any class: good for saying that a model has a quarter of it, not for more.
    """
    form = output.sample, output.dtype
    if any((golden.shape, golden.dtype) != form for golden in manifest.golden):
        return {}  # the warm-up says so, and refuses the model
    values = np.stack([golden.array() for golden in manifest.golden])
    seen = likeness.measured(likeness.thumbnails(output, values))
    pairs = [likeness.diversity(one, other) for one, other in combinations(seen, 2)]
    measures: dict[Measure, list[float]] = {"diversity": pairs}
    if not given:
        measures["mean"] = [one.mean for one in seen]
        measures["variance"] = [one.variance for one in seen]
        measures["saturation_ratio"] = [one.saturation for one in seen]
    return {measure: sum(values) / len(values) for measure, values in measures.items() if values}


def _apart(one: Likeness | Floats, other: Likeness | Floats) -> bool:
    if isinstance(one, Likeness) and isinstance(other, Likeness):
        return likeness.far_apart(one, other)
    return likeness.drawn_apart(np.asarray(one), np.asarray(other))


def _mean(values: list[Any]) -> float | None:
    return round(sum(values) / len(values), 6) if values else None
