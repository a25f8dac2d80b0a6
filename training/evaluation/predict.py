"""How well a model sees what comes next: step by step, each frame made from those it made before, as it is served.

Beside it stand the last frame given, copied, and where OpenCV is installed the last frame carried on along its motion.
"""

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchmetrics.functional.image import structural_similarity_index_measure

from app import contract
from training import batches
from training.data import Examples, clips
from training.data.clips import Clips
from training.data.pictures import Pixels
from training.evaluation import nowcast
from training.evaluation.request import EvaluationError, Request
from training.nets.video import roll_out

log = logging.getLogger("ganymede.evaluate")

STEPS = 10
BATCH = 50
COPY, MOTION = "copy of the last frame", "motion extrapolated"
FAINTEST = 1e-10
"""The least squared error that a PSNR is taken of: 100 dB, where a forecast is exact."""
Forecaster: TypeAlias = Callable[[Pixels], Pixels]
"""Frames given, uint8 [n, k, h, w, c], to the `STEPS` that follow, uint8 [n, STEPS, h, w, c]."""


def measure(request: Request) -> tuple[contract.Metric, ...]:
    """Squared error, SSIM and PSNR at each of ten steps on the test split, and how much rain comes true, if asked.

    The option `rain` lists rates in mm/h, as in "0.1,1,2.5": the frames are then radar composites (see `nowcast`).
    Films are taken whole, every window of them; single pictures bounce in frames of the size in training. Raises
    `EvaluationError` and `DataError`.
    """
    frames = request.graph().graph.input("frames")
    if frames is None:
        raise EvaluationError(f"{request.manifest.reference} takes no frames: there is nothing to predict from")
    given, size, _, channels = frames.sample
    rates = _rates(request.options.get("rain", ""))
    examples = clips.load(request.data, size=size, channels=channels, given=given, ahead=STEPS, split="test")
    forecasters: dict[str, Forecaster] = {"": partial(_roll_out, request.graph()), COPY: _copy}
    if nowcast.has_flow() and given > 1:
        forecasters[MOTION] = _carry_on
    elif given > 1:
        log.warning("without OpenCV nothing is extrapolated to compare with: pip install 'ganymede[motion]'")
    tallies = {name: Tally(rates) for name in forecasters}
    count, shape = 0, ""
    for batch in _batches(examples, frames, request.samples):
        for name, forecast in forecasters.items():
            tallies[name].add(forecast(batch[:, :given]), batch[:, given:])
        count, shape = count + len(batch), f"{batch.shape[3]}×{batch.shape[2]} px"
    protocol = (
        f"{count:,} clips of {shape} from {examples.source}: {given} frames given, the next {STEPS} made one from the "
        f"other; means over frames, values in [0, 1]"
    )
    return tuple(_metrics(tallies, protocol))


class Tally:
    """What one forecaster scores at each step, summed over clips."""

    def __init__(self, rates: tuple[float, ...]) -> None:
        self.count = 0
        self.sums = {name: np.zeros(STEPS) for name in ("squared error", "SSIM", "PSNR")}
        self.successes = {rate: nowcast.Successes(STEPS, nowcast.code(rate)) for rate in rates}

    def add(self, forecast: Pixels, came: Pixels) -> None:
        """Scores frames uint8 [n, STEPS, h, w, c]."""
        ours, theirs = (torch.from_numpy(np.moveaxis(frames, -1, -3) / np.float32(255)) for frames in (forecast, came))
        errors = (ours - theirs).square().mean((2, 3, 4))
        self.count += len(forecast)
        self.sums["squared error"] += errors.sum(0).numpy()
        self.sums["PSNR"] += (-10 * errors.clamp(min=FAINTEST).log10()).sum(0).numpy()
        self.sums["SSIM"] += [_ssim(ours[:, step], theirs[:, step]) * len(forecast) for step in range(STEPS)]
        for success in self.successes.values():
            success.add(forecast, came)

    def curves(self) -> dict[str, NDArray[np.float64]]:
        """The means by name, [STEPS] each."""
        means = {name: total / self.count for name, total in self.sums.items()}
        return means | {f"critical success at {rate:g} mm/h": s.index() for rate, s in self.successes.items()}


def _ssim(ours: Tensor, theirs: Tensor) -> float:
    similarity = structural_similarity_index_measure(ours, theirs, data_range=1.0)
    assert isinstance(similarity, Tensor)
    return float(similarity)


def _metrics(tallies: dict[str, Tally], protocol: str) -> Iterator[contract.Metric]:
    """One metric for each measure and step, with the other forecasters beside the model."""
    curves = {name: tally.curves() for name, tally in tallies.items()}
    for measured, values in curves[""].items():
        for step, value in enumerate(values.tolist()):
            others = {name: _rounded(theirs[measured][step]) for name, theirs in curves.items() if name}
            name = f"{measured}, step {step + 1}"
            yield contract.Metric(name=name, value=_rounded(value), others=others, protocol=protocol)


def _rounded(value: float) -> float:
    """Four digits: further ones are noise."""
    return float(f"{value:.4g}")


def _rates(option: str) -> tuple[float, ...]:
    try:
        rates = tuple(float(rate) for rate in option.split(",") if rate)
    except ValueError as error:
        raise EvaluationError(f"rain={option}: expected rates in mm/h, as in 0.1,1,2.5") from error
    if not all(0 < rate < float("inf") for rate in rates):
        raise EvaluationError(f"rain={option}: rates of rain are above 0, and finite")
    return rates


def _batches(examples: Examples, frames: contract.Tensor, samples: int) -> Iterator[Pixels]:
    """Clips uint8 [n, k + STEPS, h, w, c] of one size; whole films, where the graph takes any size."""
    if isinstance(examples, Clips) and not all(isinstance(side, int) for side in frames.shape[2:4]):
        windows = list(examples.windows())
        for index in batches.fixed(windows, samples):
            window = windows[index]
            height, width = (side // frames.multiple * frames.multiple for side in window.shape[1:3])
            yield window[None, :, :height, :width]
        return
    chosen = batches.fixed(examples, samples)
    for start in range(0, len(chosen), BATCH):
        drawn = examples.draw(chosen[start : start + BATCH], None)
        assert drawn.given is not None
        yield np.concatenate([drawn.given, drawn.real], axis=1)


def _roll_out(generator: nn.Module, given: Pixels) -> Pixels:
    """The model's forecast: its frames are rounded to what travels before they are given back to it."""
    channels = given.shape[-1]
    made = roll_out(generator, batches.tensor(given), STEPS)
    pixels: Pixels = torch.round(made * 127.5 + 127.5).to(torch.uint8).numpy()
    return np.moveaxis(pixels.reshape(len(pixels), STEPS, channels, *pixels.shape[2:]), 2, -1)


def _copy(given: Pixels) -> Pixels:
    return given[:, -1:].repeat(STEPS, axis=1)


def _carry_on(given: Pixels) -> Pixels:
    return np.stack([nowcast.extrapolate(film, STEPS) for film in given])
