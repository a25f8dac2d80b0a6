"""Lecture 3.1: direct conversion. A translator, a discriminator of the target domain, and no constraint.

Nothing in the loss asks that the picture be the same one: only a shallow translator, which can't change much, keeps to
it (Galanti et al. 2018). `--blocks` is the depth at which that ends.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from training.unpaired import CPU, GPU, SMOKE, Unpaired


class Direct(Unpaired):
    """The discriminator alone says what becomes of a picture."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {**SMOKE, "images": 800},
        "cpu": {**CPU, "images": 10_000, "blocks": 1, "r1": 0.005},
        "gpu": {**GPU, "images": 150_000, "blocks": 1, "r1": 0.005},
    }
