"""Discriminators: a picture, or a picture and its class, to how real it is and how well the two match.

Every discriminator answers with `Scores`; what the numbers are pushed towards is the losses' affair.
"""

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from training.features import Features
from training.nets.blocks import Pair, spectral_conv, stages


class Scores(NamedTuple):
    """Logits, float32: `realness` [n, places], `match` [n, places], or [n, places, k] for k classes asked about.

    A place is where the discriminator judges from. `match` is None where no class was asked about.
    """

    realness: Tensor
    match: Tensor | None

    def asked(self, question: int) -> "Scores":
        """The scores for one of the k classes."""
        assert self.match is not None
        return Scores(self.realness, self.match[..., question])

    @property
    def joint(self) -> Tensor:
        """One score for both questions, as in the projection discriminator (Miyato & Koyama 2018, eq. 3)."""
        return self.realness if self.match is None else self.realness + self.match


class Head(nn.Module):
    """Two scores from a feature map x [n, channels, h, w]: realness, and the match with a class by projection.

    Both are sums over the map: means of spectrally normalised values would be too small to win by.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.realness = spectral_conv(channels, 1, 1)
        self.embedding = spectral_norm(nn.Embedding(classes, channels)) if classes else None

    def forward(self, x: Tensor, condition: Tensor | None) -> Scores:
        """Scores of one place."""
        realness = self.realness(x).float().sum((2, 3))
        if self.embedding is None or condition is None:
            return Scores(realness, None)
        asked = self.embedding(condition.unsqueeze(1)).float()  # [n, 1, channels] or [n, 1, k, channels]
        return Scores(realness, torch.einsum("nc,n...c->n...", x.float().sum((2, 3)), asked))


class ConvolutionalDiscriminator(nn.Module):
    """Spectrally normalised DCGAN discriminator (Radford et al. 2016; Miyato et al. 2018, table 3), from nothing.

    pictures [n, channels, size, size] → `Scores` of one place. `width` is the number of channels at full size.
    """

    def __init__(self, *, size: int, channels: int, width: int, classes: int = 0) -> None:
        super().__init__()
        widths = [width * min(8, 2**level) for level in range(stages(size) + 1)]
        layers: list[nn.Module] = [spectral_conv(channels, width, 3), nn.LeakyReLU(0.1)]
        for a, b in itertools.pairwise(widths):
            layers += [spectral_conv(a, b, 4, stride=2), nn.LeakyReLU(0.1)]
        self.trunk = nn.Sequential(*layers)
        self.head = Head(widths[-1], classes)

    def forward(self, pictures: Tensor | Pair) -> Scores:
        candidate, condition = pictures if isinstance(pictures, Pair) else (pictures, None)
        scores: Scores = self.head(self.trunk(candidate), condition)
        return scores


class ProjectedDiscriminator(nn.Module):
    """Small trained heads on the stages of a frozen, pre-trained network (Projected GAN, Sauer et al. 2021).

    pictures [n, 1 or 3, size, size] in [-1, 1] → `Scores` [n, stages]. The frozen network is not a part of the
    module's parameters or state: a checkpoint names it, and does not hold it. Each stage is brought to unit scale: the
    raw maps of SqueezeNet go into the hundreds, and so steep a discriminator teaches noise.
    """

    scales: Tensor

    def __init__(self, features: Features, *, width: int = 64, classes: int = 0) -> None:
        super().__init__()
        self._features = [features]  # in a list, so that torch does not register it
        self.register_buffer("scales", _scales(features))
        self.trunks = nn.ModuleList(
            nn.Sequential(
                # The two shallow maps are large and see little: strides save most of the time there. The deep ones
                # have seen the whole neighbourhood already: mixing their channels is enough.
                spectral_conv(channels, width, 3, stride=2) if shallow else spectral_conv(channels, width, 1),
                nn.LeakyReLU(0.2),
                spectral_conv(width, width, 3, stride=2 if shallow else 1),
                nn.LeakyReLU(0.2),
            )
            for channels, shallow in zip(features.channels, (True, True, False, False), strict=True)
        )
        self.heads = nn.ModuleList(Head(width, classes) for _ in features.channels)

    def forward(self, pictures: Tensor | Pair) -> Scores:
        candidate, condition = pictures if isinstance(pictures, Pair) else (pictures, None)
        maps = self._features[0](candidate)
        scores = [
            head(trunk(x / scale), condition)
            for trunk, head, x, scale in zip(self.trunks, self.heads, maps, self.scales, strict=True)
        ]
        realness = torch.cat([score.realness for score in scores], dim=1)
        matches = [score.match for score in scores if score.match is not None]
        return Scores(realness, torch.cat(matches, dim=1) if matches else None)


@torch.no_grad()
def _scales(features: Features) -> Tensor:
    """The root mean square of each stage on smooth noise, [stages]: within half of that on photographs."""
    smooth = torch.randn(64, 3, 8, 8, generator=torch.Generator().manual_seed(0)) / 2
    maps = features(F.interpolate(smooth, size=32, mode="bilinear"))
    return torch.stack([x.square().mean().sqrt() for x in maps])
