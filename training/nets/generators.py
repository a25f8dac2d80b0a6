"""Generators: from a latent, and a class where there are any, to a picture."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.nets.blocks import ClassEmbedding, ConditionalNorm, UpBlock, conv, stages


class ResidualGenerator(nn.Module):
    """Residual generator with conditional normalisation in every block (after BigGAN, Brock et al. 2019).

    latent [n, latent] float32 and, if `classes`, label [n] int64 or [n, classes] float32 (see `ClassEmbedding`) →
    pictures [n, channels, size, size] in [-1, 1].
    `width` is the number of channels at full size; it doubles with each halving, up to eightfold.
    """

    def __init__(self, *, latent: int, size: int, channels: int, width: int, classes: int = 0) -> None:
        super().__init__()
        widths = [width * min(8, 2**level) for level in range(stages(size), -1, -1)]
        self.widest = widths[0]
        self.classes = classes
        self.embedding = ClassEmbedding(classes, 64) if classes else None
        if self.embedding is not None:
            # Small, as in BigGAN: with unit variance the class outweighs the latent from the first step on, and every
            # class collapses to one picture.
            nn.init.normal_(self.embedding.weight, std=0.02)
        code = latent + (64 if classes else 0)
        self.first = nn.Linear(code, 16 * self.widest)
        self.blocks = nn.ModuleList(UpBlock(a, b, code) for a, b in itertools.pairwise(widths))
        self.norm = ConditionalNorm(widths[-1], code)
        self.last = conv(widths[-1], channels, 3)

    def forward(self, latent: Tensor, label: Tensor | None = None) -> Tensor:
        code = latent
        if self.embedding is not None:
            if label is None:
                raise ValueError("this generator is conditional: it needs a label")
            code = torch.cat([latent, self.embedding(label)], dim=1)
        x = self.first(code).unflatten(1, (self.widest, 4, 4)).contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            x = block(x, code)
        return torch.tanh(self.last(F.relu(self.norm(x, code))))
