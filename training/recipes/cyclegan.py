"""Lecture 3.1: CycleGAN (Zhu et al. 2017). Two translators, each of which must undo the other.

What a translator throws away the way back can't restore, so it keeps the content: **the cycle** is the constraint that
pairs would have been. A picture that is of the target domain already is to stay as it is: the identity term.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field
from torch import Tensor

from training.nets.pool import Pool
from training.recipes import Batch, Networks, Source
from training.unpaired import CPU, GPU, SMOKE, TwoWays, l1


class CycleGan(TwoWays):
    """A translator each way, a discriminator of each domain, and pools of what these have judged before."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {**SMOKE, "images": 400},
        "cpu": {**CPU, "images": 10_000, "blocks": 4},
        "gpu": {**GPU, "images": 150_000, "blocks": 4},
    }

    cycle: float = Field(10.0, ge=0, description="weight of the L1 distance after there and back")
    identity: float = Field(5.0, ge=0, description="weight of the L1 distance of what is in the target domain already")
    pool: int = Field(50, gt=0, description="generated pictures kept for each discriminator")

    def networks(self, source: Source) -> Networks:
        pools = {name: Pool(self.pool, source.channels, source.size) for name in ("pool", "inverse_pool")}
        return {**super().networks(source), **pools}

    def terms(self, phase: str, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        there, back = networks["generator"], networks["inverse"]
        given, real = batch.condition(), batch.real
        fake, inverse = there(given), back(real)
        if phase == "critic":
            return self._tell_both(networks, batch, networks["pool"](fake), networks["inverse_pool"](inverse))
        terms = self._fool_both(networks, batch, fake, inverse)
        terms["cycle"] = self.cycle * (l1(back(fake), given) + l1(there(inverse), real))
        if self.identity:
            terms["identity"] = self.identity * (l1(there(real), real) + l1(back(given), given))
        return terms
