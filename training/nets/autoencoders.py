"""Encoders, from a picture to its code, and the decoder that goes the other way.

None of them normalises across the batch but for the code itself. They work at half the pictures' size and below: the
full one is read and written by a single strided layer, since that is where the time would go.
"""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.nets.blocks import conv, stages


class Encoder(nn.Module):
    """The auto-encoder's encoder: pictures [n, channels, size, size] in [-1, 1] → codes float32 [n, latent].

    Each value of a code is brought to mean 0 and deviation 1 over the data, by the batch in training and by running
    statistics, which are buffers, after it: else a random normal code would be of the wrong scale, and the decoder
    could not be asked what it draws of one.
    """

    def __init__(self, *, size: int, channels: int, width: int, latent: int) -> None:
        super().__init__()
        self.trunk = Trunk(size=size, channels=channels, width=width)
        self.code = nn.Linear(self.trunk.features, latent)
        self.standardised = nn.BatchNorm1d(latent, affine=False)

    def forward(self, pictures: Tensor) -> Tensor:
        code: Tensor = self.standardised(self.code(self.trunk(pictures)).float())
        return code


class VariationalEncoder(nn.Module):
    """The VAE's encoder (Kingma & Welling 2014, appendix C.2): a cloud of codes in the place of a point.

    pictures [n, channels, size, size] in [-1, 1] → mean and deviation, float32 [n, latent] each. The deviation is
    exp(σ), where σ is what the network answers.
    """

    def __init__(self, *, size: int, channels: int, width: int, latent: int) -> None:
        super().__init__()
        self.trunk = Trunk(size=size, channels=channels, width=width)
        self.mean = nn.Linear(self.trunk.features, latent)
        self.sigma = nn.Linear(self.trunk.features, latent)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        features = self.trunk(pictures)
        return self.mean(features).float(), self.sigma(features).float().clamp(-10, 5).exp()


class Trunk(nn.Module):
    """Strided convolutions down to 4×4: pictures [n, channels, size, size] → features [n, `features`].

    `width` is the number of channels at half size; below there are twice as many.
    """

    def __init__(self, *, size: int, channels: int, width: int) -> None:
        super().__init__()
        widths = _widths(size, width)
        self.first = nn.Conv2d(channels, width, 4, stride=2, padding=1)
        self.convs = nn.ModuleList(conv(a, b, 3, stride=2) for a, b in itertools.pairwise(widths))
        self.features = 16 * widths[-1]

    def forward(self, pictures: Tensor) -> Tensor:
        x = F.silu(self.first(pictures))
        for layer in self.convs:
            x = F.silu(layer(x))
        return x.flatten(1)


class Decoder(nn.Module):
    """codes [n, latent] → pictures [n, channels, size, size] in [-1, 1].

    `width` as in `Trunk`; a residual convolution at every size. The last layer answers each 2×2 pixels at one place of
    half the size (Shi et al. 2016, §3.2).
    """

    def __init__(self, *, latent: int, size: int, channels: int, width: int) -> None:
        super().__init__()
        widths = _widths(size, width)[::-1]
        self.widest = widths[0]
        self.first = nn.Linear(latent, 16 * self.widest)
        self.residuals = nn.ModuleList(conv(a, a, 3) for a in widths)
        self.convs = nn.ModuleList(conv(a, b, 3) for a, b in itertools.pairwise(widths))
        self.last = conv(width, 4 * channels, 3)

    def forward(self, codes: Tensor) -> Tensor:
        x = self.first(codes).unflatten(1, (self.widest, 4, 4)).contiguous(memory_format=torch.channels_last)
        for residual, layer in itertools.zip_longest(self.residuals, self.convs):
            x = F.silu(x + residual(F.silu(x)))
            if layer is not None:
                x = F.interpolate(layer(x), scale_factor=2)
        return torch.tanh(F.pixel_shuffle(self.last(x), 2).float())


def _widths(size: int, width: int) -> list[int]:
    """Channels from half of `size` down to 4 pixels; ValueError unless `size` is 8 or a larger power of two."""
    if size < 8:
        raise ValueError(f"size {size}: a power of two of at least 8 is needed")
    return [width, *[2 * width] * stages(size, 8)]
