"""Translators: a picture of one domain to a picture of another, of any size in multiples of `MULTIPLE`."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.nets.blocks import conv

MULTIPLE = 4
"""Sides must be multiples of it: a picture is halved twice at most, and doubled as often."""


class ResidualBlock(nn.Module):
    """Two convolutions around what passes by, after EDSR (Lim et al. 2017, fig. 2c): x [n, channels, h, w] → the same.

    There is no normalisation. By instance normalisation, which is usual here, a misty sky gets the contrast of a
    forest: what was hardly there in a flat picture comes out as stripes.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = rectified(conv(channels, channels, 3)), conv(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = x + self.conv2(F.relu(self.conv1(x)))
        return added


class Down(nn.Module):
    """Pictures [n, channels, h, w] → codes [n, 2·width, h/2, w/2], or [n, 4·width, h/4, w/4] by a second halving."""

    def __init__(self, channels: int, width: int, *, twice: bool = True) -> None:
        super().__init__()
        self.conv1 = rectified(nn.Conv2d(channels, 2 * width, 6, stride=2, padding=2, padding_mode="reflect"))
        self.conv2 = rectified(nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1)) if twice else None

    def forward(self, pictures: Tensor) -> Tensor:
        x = F.relu(self.conv1(pictures))
        return x if self.conv2 is None else F.relu(self.conv2(x))


class Up(nn.Module):
    """Codes as of `Down` → pictures [n, channels, h, w] in [-1, 1].

    Each pixel is repeated and then convolved: a transposed convolution would leave its grid. The last one also sees
    `beside`, a picture of the final size, where there is one.
    """

    def __init__(self, channels: int, width: int, *, twice: bool = True, beside: int = 0) -> None:
        super().__init__()
        self.conv1 = rectified(conv(4 * width, 2 * width, 3)) if twice else None
        self.conv2 = rectified(conv(2 * width, width, 3))
        self.last = nn.Conv2d(width + beside, channels, 5, padding=2, padding_mode="reflect")

    def forward(self, codes: Tensor, beside: Tensor | None = None) -> Tensor:
        x = codes if self.conv1 is None else F.relu(self.conv1(F.interpolate(codes, scale_factor=2)))
        x = F.relu(self.conv2(F.interpolate(x, scale_factor=2)))
        return torch.tanh(self.last(x if beside is None else torch.cat([x, beside], dim=1)))


def rectified(layer: nn.Conv2d) -> nn.Conv2d:
    """The convolution with weights that keep the variance through a rectifier after it (He et al. 2015, eq. 10)."""
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return layer


class Translator(nn.Module):
    """Residual translator (after Johnson et al. 2016; Zhu et al. 2017, appendix 7.2), fully convolutional.

    pictures [n, channels, h, w] in [-1, 1], h and w multiples of `MULTIPLE` → the same shape and range. `blocks` is its
    depth: how many residual blocks think between picture and picture; `size` is the side of training's pictures.
    """

    def __init__(self, *, size: int, channels: int, width: int, blocks: int) -> None:
        super().__init__()
        self.shape = (channels, size, size)
        self.down = Down(channels, width)
        self.blocks = nn.Sequential(*(ResidualBlock(4 * width) for _ in range(blocks)))
        self.up = Up(channels, width, beside=channels)

    def forward(self, pictures: Tensor) -> Tensor:
        translated: Tensor = self.up(self.blocks(self.down(pictures)), pictures)
        return translated


class Couple(nn.Module):
    """Two VAEs whose codes mean the same (UNIT, Liu et al. 2017, §3): for domain 0 and for domain 1.

    pictures [n, channels, h, w] in [-1, 1], h and w multiples of `MULTIPLE` ↔ codes [n, 2·width, h/2, w/2], of which an
    encoder answers the mean. With `sharing`, the last block of both encoders is one and the same module, and so is the
    first of both decoders. Each encoder and decoder has `blocks` of its own besides. `size` is the side of training's
    pictures. Nothing but the code leads across, so it is halved once only: it has to hold every edge.
    """

    def __init__(self, *, size: int, channels: int, width: int, blocks: int, sharing: bool) -> None:
        super().__init__()
        self.shape = (channels, size, size)

        def think(count: int) -> nn.Sequential:
            return nn.Sequential(*(ResidualBlock(2 * width) for _ in range(count)))

        inner = 1 if sharing else 2
        self.downs = nn.ModuleList(nn.Sequential(Down(channels, width, twice=False), think(blocks)) for _ in range(2))
        self.last_encoders = nn.ModuleList(think(1) for _ in range(inner))
        self.first_decoders = nn.ModuleList(think(1) for _ in range(inner))
        self.ups = nn.ModuleList(nn.Sequential(think(blocks), Up(channels, width, twice=False)) for _ in range(2))

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
        self.couple, self.start, self.shape = couple, start, couple.shape

    def forward(self, pictures: Tensor) -> Tensor:
        crossed: Tensor = self.couple(pictures, self.start)
        return crossed
