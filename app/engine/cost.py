"""What a batch of n samples costs in seconds: measured at warm-up, kept fresh by the batches that are served.

Admission, deadlines and batch sizes are all decided by it. Work is counted in samples of the usual size: a picture of
twice the pixels is work of 2. Knows neither devices nor queues.
"""

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np

USEFUL = 1.08
"""A batch size is as good as the best one if a sample in it costs at most 8 % more: larger ones add delay, and little
else. A GPU gains many times that, a CPU next to nothing."""

MODEST = 1.2
"""As above, for the batches of a job that has the queue to itself: whoever comes next waits for one that is on its way,
and the only one who would gain by larger ones is the job that keeps them waiting."""

AMPLE = 1.02
"""As above, for a crowd, in which everyone waits for several batches anyway: 4 to 8 % more pictures a second than with
useful ones where 64 to 400 clients want them. Twice the useful size at most, since whoever wants another model waits
for such a batch, too."""

HANDLING = 0.0005
"""Seconds that a batch takes besides its run: to wake a thread, get the interpreter's lock and hand the outputs out. On
two cores, 32×32 pictures that take 0.73 ms each: 1,060 a second in batches of two, 1,300 in batches of four."""

FRESH = 0.1
"""Weight of the newest measurement in an average: nine tenths of a change are learnt in 22 of them."""

OUTLIER = 4.0
"""A batch counts as at most this many times slower or faster than the pace, so that one hiccup shuts no door."""

PERIOD, TRIAL, SETTLING = 2048, 16, 4
"""After `PERIOD` runs, `TRIAL` in a row go the way that was slower, since that may have changed. The first `SETTLING`
of them don't count: threads that slept take their time to wake."""


def fit(samples: int, sizes: Sequence[int]) -> int:
    """The smallest of the ascending `sizes` that holds that many samples; the largest if none does."""
    return sizes[min(bisect_left(sizes, samples), len(sizes) - 1)]


class Cost:
    """The cost curve of one model on one device.

    `measured` holds seconds by batch size. Between sizes the curve is a straight line; where the device has `fixed`
    sizes only, it is a staircase, since a smaller batch is padded. So many executors, or `streams`, share one device.

    The shape of the curve is that of the warm-up; its height follows the batches served, by one pace for all sizes.
    An average for each size would not do: a size that was unlucky once would look dear, would not be chosen again,
    and so would never be measured again.
    """

    def __init__(self, measured: Mapping[int, float], *, fixed: bool = False, streams: int = 1) -> None:
        self._sizes = sorted(measured)
        self._fixed = fixed
        self._streams = streams
        largest = self._sizes[-1]
        curve = np.interp(range(largest + 1), [0, *self._sizes], [0.0, *(measured[size] for size in self._sizes)])
        self._seconds = [float(curve[self.size(n)]) for n in range(largest + 1)]
        self._pace = 1.0
        each = {size: (measured[size] + HANDLING) / size for size in self._sizes}
        best = min(each.values())
        self.modest, self.useful, self.ample = (
            next(size for size in self._sizes if each[size] <= best * worse) for worse in (MODEST, USEFUL, AMPLE)
        )
        self.ample = min(self.ample, 2 * self.useful)

    def size(self, samples: int) -> int:
        """How many samples the device computes for a batch of `samples`: more where it has fixed sizes."""
        return fit(samples, self._sizes) if self._fixed and samples else samples

    def seconds(self, work: float) -> float:
        """Predicted seconds for one batch of that much work; more than was measured takes proportionally longer."""
        return self._pace * self._measured(work)

    def queued(self, work: float, size: int | None = None) -> float:
        """Predicted seconds in which one executor works off so much work in batches of that size, else useful ones."""
        size = size or self.useful
        batches = work // size
        return self._pace * (batches * self._seconds[size] + self._measured(work - batches * size))

    def batch(self, waiting: float, executors: int = 1, most: int | None = None) -> int:
        """How much of the work that waits goes into the next batch: `most` at most, which is what is useful unless it
        is given, and no more than a fair share where several devices are idle: two halves on one GPU, side by side,
        take longer than the whole.

        Where sizes are fixed and two smaller batches cost less than one padded one, only the first of the two.
        """
        devices = -(-executors // self._streams)
        samples = min(math.ceil(waiting / devices), most or self.useful)
        if self.size(samples) == samples:
            return samples
        first = self._sizes[bisect_left(self._sizes, samples) - 1]
        apart = self.seconds(first) + self.seconds(samples - first)
        return first if apart < self.seconds(samples) else samples

    def observe(self, work: float, seconds: float) -> None:
        """Takes in what a batch really cost. Called by several executors: a lost update costs a little freshness."""
        ratio = seconds / self._measured(work)
        self._pace += FRESH * (min(max(ratio, self._pace / OUTLIER), self._pace * OUTLIER) - self._pace)

    def snapshot(self) -> dict[int, float]:
        """Seconds by batch size, as predicted now."""
        return {size: self.seconds(size) for size in self._sizes}

    def _measured(self, work: float) -> float:
        """Seconds for that much work at the warm-up's pace."""
        whole, largest = math.ceil(work), self._sizes[-1]
        return self._seconds[whole] if whole <= largest else self._seconds[largest] * work / largest


class Ways:
    """Which of two ways to run a sample is the quicker, by what each took lately.

    Decided in service and not at warm-up: on how many threads a small graph is quickest depends on what else the
    cores have to do, which a start, with everything loading at once, does not show.
    """

    def __init__(self) -> None:
        self._seconds = [deque([0.0], maxlen=TRIAL - SETTLING) for _ in range(2)]
        self._quicker = 0
        self._trying = False
        self._runs = self._streak = 0
        self._until = TRIAL

    def choose(self) -> int:
        """0 or 1: the quicker one, and now and then the other: often at first, later every `PERIOD` runs."""
        if self._runs == self._until:
            if self._trying:
                self._quicker = int(median(self._seconds[1]) < median(self._seconds[0]))
            self._trying = not self._trying
            self._until += TRIAL if self._trying else min(self._runs, PERIOD)
            self._streak = 0
        self._runs += 1
        self._streak += 1
        return 1 - self._quicker if self._trying else self._quicker

    def observe(self, way: int, seconds: float) -> None:
        """Takes in what a sample took."""
        if self._streak > SETTLING:
            self._seconds[way].append(seconds)
