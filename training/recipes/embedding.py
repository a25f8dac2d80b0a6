"""Lecture 3.1: consistency of a pre-trained embedding. What a frozen network sees in a picture must stay.

The translator is free to change what the embedding does not see (Taigman et al. 2017, eq. 5): palette and brush.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field
from torch import Tensor

from training import content
from training.unpaired import CPU, GPU, SMOKE, Unpaired


class Embedding(Unpaired):
    """Direct conversion whose input and output stay close in the features of --features; without, at 8 pixels."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {**SMOKE, "images": 800},
        "cpu": {**CPU, "images": 10_000, "blocks": 4},
        "gpu": {**GPU, "images": 150_000, "blocks": 4},
    }

    keep: float = Field(4.0, ge=0, description="weight of the distance between what is seen before and after")

    def _keep(self, given: Tensor, fake: Tensor) -> dict[str, Tensor]:
        before, after = (content.codes(pictures, self.frozen) for pictures in (given, fake))
        return {"keep": self.keep * content.distances(before, after).mean()}
