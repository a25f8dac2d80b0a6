"""The settings that every run has, whatever its recipe; a recipe's own hyper-parameters are its fields."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

_COUNT = {"": 1, "k": 1_000, "m": 1_000_000}
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def _scaled(value: object, units: dict[str, int], example: str) -> object:
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"([0-9]*\.?[0-9]+)\s*([a-z]?)", value.strip().lower())
    if match is None or match[2] not in units:
        raise ValueError(f"{value!r} can't be read: write it like {example}")
    return Decimal(match[1]) * units[match[2]]


def _power_of_two(value: int) -> int:
    if value & (value - 1):
        raise ValueError(f"{value} is not a power of two: the networks double and halve")
    return value


Precision = Literal["auto", "bf16", "fp32"]
PowerOfTwo = Annotated[int, AfterValidator(_power_of_two)]
# A flag's value comes as text, which no literal number equals.
Channels = Annotated[Literal[1, 3], BeforeValidator(lambda value: int(value) if value in ("1", "3") else value)]
Count = Annotated[int, BeforeValidator(lambda value: _scaled(value, _COUNT, "200k or 2M"))]
Seconds = Annotated[float, BeforeValidator(lambda value: _scaled(value, _SECONDS, "90s, 30m or 2h"))]


class RunSettings(BaseModel):
    """The settings of a run that no recipe owns. Everything is counted in real examples shown: pictures, clips."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str = Field(description="folder, zip, .npz, idx file, or `digits`")
    out: Path = Field(description="the run's folder: checkpoints, log and sample sheets")
    pretrained: Path | None = Field(
        None, description="a model folder, e.g. models/cifar10/1: its weights are the first ones, where they fit"
    )
    images: Count = Field(1_000_000, gt=0, description="budget in pictures, e.g. 200k or 2M")
    time: Seconds | None = Field(None, gt=0, description="budget in time, e.g. 30m; whichever budget ends first")
    size: PowerOfTwo = Field(
        32, ge=8, le=65536, description="pictures are brought to size×size; of sound, samples a clip"
    )
    channels: Channels = Field(3, description="1 for grey, 3 for RGB")
    mirror: bool = Field(False, description="also show pictures mirrored left to right")
    batch: int = Field(64, gt=1, description="pictures a step, over all processes")
    rate: float = Field(2e-4, gt=0, description="Adam's learning rate")
    beta1: float = Field(0.0, ge=0, lt=1, description="Adam's first decay")
    beta2: float = Field(0.99, ge=0, lt=1, description="Adam's second decay")
    decay_from: float = Field(0.5, ge=0, lt=1, description="share of the run after which the rate falls to 0")
    average: Count = Field(50_000, gt=0, description="half-life of the weights' moving average, in pictures")
    seed: int = Field(0, ge=0, lt=2**63, description="seed of everything random")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto takes CUDA where there is a GPU")
    precision: Precision = Field(
        "auto", description="of the networks, losses are always fp32; auto takes bf16 where the processor has it"
    )
    captured: bool = Field(
        False, description="capture a step as a CUDA graph and replay it: faster where networks are small"
    )
    threads: int | None = Field(None, gt=0, description="CPU threads; default: all that torch finds")
    status_every: Count = Field(10_000, gt=0, description="pictures between two status lines")
    sheet_every: Count = Field(50_000, gt=0, description="pictures between two sample sheets and measurements")
    save_every: Seconds = Field(300.0, gt=0, description="time between two checkpoints")
    resume: bool = Field(False, description="go on with the run in --out")


TRANSIENT = {"out", "resume", "threads", "captured", "status_every", "sheet_every", "save_every"}
"""Settings that do not change the weights: a resumed run may differ in them."""
