"""What forecasts of rain are held against: critical success at rates of rain, and extrapolation along the motion.

The Finnish Meteorological Institute's 8-bit composites hold reflectivity: code 0 is no echo, code v (v - 64) / 2 dBZ.
Its relation to rain is Z = 223 R^1.53 (Leinonen et al. 2012), so that 1 mm/h is 23.5 dBZ, code 111.
"""

import importlib.util
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from training.data.pictures import Pixels

FACTOR, EXPONENT = 223.0, 1.53
"""Z = FACTOR · R^EXPONENT, Z in mm⁶/m³ and R in mm/h: the institute's own, for rain."""


def code(rate: float) -> int:
    """The lowest 8-bit code that means `rate` mm/h or more."""
    reflectivity = 10 * np.log10(FACTOR * rate**EXPONENT)
    return int(np.ceil(2 * reflectivity + 64))


@dataclass
class Successes:
    """Counts of places where a forecast and what came reach a code, per step ahead."""

    steps: int
    code: int
    hits: NDArray[np.int64] = field(init=False)
    either: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.hits, self.either = (np.zeros(self.steps, np.int64) for _ in range(2))

    def add(self, forecast: Pixels, came: Pixels) -> None:
        """Counts frames uint8 [n, steps, h, w, c]."""
        said, true = forecast >= self.code, came >= self.code
        self.hits += (said & true).sum((0, 2, 3, 4))
        self.either += (said | true).sum((0, 2, 3, 4))

    def index(self) -> NDArray[np.float64]:
        """The critical success index of each step: hits over hits, misses and false alarms; 1 where it never rained."""
        return np.where(self.either == 0, 1.0, self.hits / np.maximum(self.either, 1))


def has_flow() -> bool:
    """Whether OpenCV is installed, which finds the motion."""
    return importlib.util.find_spec("cv2") is not None


def extrapolate(given: Pixels, steps: int) -> Pixels:
    """The last of `given` frames uint8 [k, h, w, c], carried on along its motion: uint8 [steps, h, w, c].

    The motion is dense optical flow between the last two frames (DIS, Kroeger et al. 2016), followed backwards from
    each place in constant steps (semi-Lagrangian, Germann & Zawadzki 2002, §3); nothing comes in from outside.
    """
    import cv2

    before, last = (np.ascontiguousarray(frame.mean(-1).round().astype(np.uint8)) for frame in given[-2:])
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    # From the last frame back to the one before: for each place, the way to where it came from.
    height, width = last.shape
    back = finder.calc(last, before, np.zeros((height, width, 2), np.float32))
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    frames = []
    for _ in range(steps):
        way = cv2.remap(back, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        x, y = x + way[..., 0], y + way[..., 1]
        carried = cv2.remap(given[-1], x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        frames.append(carried.reshape(given.shape[1:]))
    return np.stack(frames)
