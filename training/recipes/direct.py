"""Lecture 3.1: direct conversion. A translator, a discriminator of the target domain, and no constraint.

Nothing in the loss asks that the picture be the same one: only a shallow translator, which can't change much, keeps to
it (Galanti et al. 2018). `--blocks` is the depth at which that ends.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from training.unpaired import Unpaired


class Direct(Unpaired):
    """The discriminator alone says what becomes of a picture."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {"size": 32, "images": 800, "batch": 8, "width": 8, "blocks": 1, "critic_width": 16, "beta1": 0.5},
        "cpu": {"size": 64, "images": 60_000, "batch": 8, "blocks": 1, "beta1": 0.5, "mirror": True},
        "gpu": {"size": 128, "images": 1_000_000, "batch": 16, "blocks": 1, "beta1": 0.5, "mirror": True},
    }
