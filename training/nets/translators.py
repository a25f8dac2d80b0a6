"""Translators: a picture of one domain to a picture of another, of any size in multiples of `MULTIPLE`."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.nets.blocks import conv

MULTIPLE = 4
"""Sides must be multiples of it: a picture is halved twice and doubled twice."""


class InstanceNorm(nn.Module):
    """Instance normalisation with a gain and a bias for each channel (Ulyanov et al. 2016), x [n, channels, h, w].

    Statistics are each picture's own, in training and in service, and float32 under autocast. Written out, because
    torch's own gives up channels-last memory, for which every convolution after it pays.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        mean = wide.mean((2, 3), keepdim=True)
        gain = self.gain * torch.rsqrt((wide - mean).square().mean((2, 3), keepdim=True) + 1e-5)
        return x * gain.to(x.dtype) + (self.bias - mean * gain).to(x.dtype)


class ResidualBlock(nn.Module):
    """Two convolutions around what passes by: x [n, channels, h, w] → the same shape (Johnson et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = conv(channels, channels, 3), conv(channels, channels, 3)
        self.norm1, self.norm2 = InstanceNorm(channels), InstanceNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = x + self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return added


class Down(nn.Module):
    """Pictures [n, channels, h, w] → codes [n, 4·width, h/4, w/4]."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 2 * width, 6, stride=2, padding=2, padding_mode="reflect")
        self.conv2 = nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1)
        self.norm = InstanceNorm(4 * width)

    def forward(self, pictures: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv2(F.relu(self.conv1(pictures)))))


class Up(nn.Module):
    """Codes [n, 4·width, h, w] → pictures [n, channels, 4h, 4w] in [-1, 1].

    Each pixel is repeated and then convolved: a transposed convolution would leave its grid. The last one also sees
    `beside`, a picture of the final size, where there is one.
    """

    def __init__(self, channels: int, width: int, beside: int = 0) -> None:
        super().__init__()
        self.conv1, self.conv2 = conv(4 * width, 2 * width, 3), conv(2 * width, width, 3)
        self.norm = InstanceNorm(2 * width)
        self.last = nn.Conv2d(width + beside, channels, 5, padding=2, padding_mode="reflect")

    def forward(self, codes: Tensor, beside: Tensor | None = None) -> Tensor:
        x = F.relu(self.norm(self.conv1(F.interpolate(codes, scale_factor=2))))
        x = F.relu(self.conv2(F.interpolate(x, scale_factor=2)))
        return torch.tanh(self.last(x if beside is None else torch.cat([x, beside], dim=1)))


class Translator(nn.Module):
    """Residual translator (after Johnson et al. 2016; Zhu et al. 2017, appendix 7.2), fully convolutional.

    pictures [n, channels, h, w] in [-1, 1], h and w multiples of `MULTIPLE` → the same shape and range. `blocks` is its
    depth: how many residual blocks think between picture and picture.
    """

    def __init__(self, *, channels: int, width: int, blocks: int) -> None:
        super().__init__()
        self.channels = channels
        self.down = Down(channels, width)
        self.blocks = nn.Sequential(*(ResidualBlock(4 * width) for _ in range(blocks)))
        self.up = Up(channels, width, beside=channels)

    def forward(self, pictures: Tensor) -> Tensor:
        translated: Tensor = self.up(self.blocks(self.down(pictures)), pictures)
        return translated


class Couple(nn.Module):
    """Two VAEs whose codes mean the same (UNIT, Liu et al. 2017, §3): for domain 0 and for domain 1.

    pictures [n, channels, h, w] in [-1, 1], h and w multiples of `MULTIPLE` ↔ codes [n, 4·width, h/4, w/4], of which an
    encoder answers the mean; the deviation is 1. With `sharing`, the last block of both encoders is one and the same
    module, and so is the first of both decoders. Each encoder and decoder has `blocks` of its own besides.
    """

    def __init__(self, *, channels: int, width: int, blocks: int, sharing: bool) -> None:
        super().__init__()
        self.channels = channels

        def think(count: int) -> nn.Sequential:
            return nn.Sequential(*(ResidualBlock(4 * width) for _ in range(count)))

        inner = 1 if sharing else 2
        self.downs = nn.ModuleList(nn.Sequential(Down(channels, width), think(blocks)) for _ in range(2))
        self.last_encoders = nn.ModuleList(think(1) for _ in range(inner))
        self.first_decoders = nn.ModuleList(think(1) for _ in range(inner))
        self.ups = nn.ModuleList(nn.Sequential(think(blocks), Up(channels, width)) for _ in range(2))

    def encode(self, domain: int, pictures: Tensor) -> Tensor:
        """The mean of the code of pictures of a domain."""
        codes: Tensor = self.last_encoders[domain % len(self.last_encoders)](self.downs[domain](pictures))
        return codes

    def decode(self, domain: int, codes: Tensor) -> Tensor:
        """Codes, of whichever domain, as pictures of this one."""
        pictures: Tensor = self.ups[domain](self.first_decoders[domain % len(self.first_decoders)](codes))
        return pictures

    def forward(self, pictures: Tensor, start: int = 0) -> Tensor:
        """Pictures of the domain `start` as pictures of the other."""
        return self.decode(1 - start, self.encode(start, pictures))


class Crossing(nn.Module):
    """The way of a `Couple` that starts at one of its domains, as a translator: pictures → pictures."""

    def __init__(self, couple: Couple, start: int) -> None:
        super().__init__()
        self.couple, self.start, self.channels = couple, start, couple.channels

    def forward(self, pictures: Tensor) -> Tensor:
        crossed: Tensor = self.couple(pictures, self.start)
        return crossed
