"""The U-Net: a picture in, a picture of the same size out, with a way across at every scale."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.nets.blocks import conv

TILE = 128
"""The side in pixels of the noise that is repeated over larger pictures."""


class Normalised(nn.Module):
    """Instance normalisation (Ulyanov et al. 2016) with gain and bias: the statistics are each picture's own.

    There are no running ones, so that a picture alone comes out as in a batch. x [n, channels, h, w] of at least two
    pixels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm2d(channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        # It answers in NCHW order whatever it is given, and the convolutions after it are faster in the other.
        normalised: Tensor = self.norm(x).contiguous(memory_format=torch.channels_last)
        return normalised


class UNet(nn.Module):
    """Encoder and decoder with skip connections between mirrored levels (Ronneberger et al. 2015; Isola et al. 2017).

    picture [n, given, h, w] in [-1, 1] → picture [n, channels, h, w] in [-1, 1]; h and w in multiples of `multiple`.
    Each of the `depth` halvings doubles `width`, the channels at half size, up to sixfold. Unlike Isola's it has no
    dropout, since a served graph draws the same picture each time, and no transposed convolutions, whose uneven overlap
    shows as a checkerboard. The deepest level, which may be a single pixel, is not normalised. `size` is the side of
    the pictures in training: it leaves room for that many halvings at most.

    `grain` planes of noise, the same for every picture, come with what is given: a plain area has nothing else to grow
    a texture from. Without them, walls were seen to fill with fine lines along their edges; whether they cure it was
    not measured yet.
    """

    grains: Tensor | None

    def __init__(
        self, *, size: int, given: int, channels: int, width: int = 32, depth: int = 5, grain: int = 0
    ) -> None:
        super().__init__()
        self.size, self.given, self.channels = size, given, channels
        self.depth = depth = min(depth, size.bit_length() - 2)
        widths = [width // 2, *(width * min(6, 2**level) for level in range(depth))]
        halved = [given + grain, *widths[1:]]
        planes = torch.randn(1, grain, TILE, TILE, generator=torch.Generator().manual_seed(0))
        # Exact in half precision, in which a model folder may hold them.
        self.register_buffer("grains", planes.half().float() if grain else None)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in itertools.pairwise(halved))
        self.up = nn.ModuleList(
            conv(below + across, here, 3) for below, across, here in zip(widths[1:], halved, widths, strict=False)
        )
        # The deepest and the two largest maps go without: there is nothing to normalise in one, the others cost most.
        self.down_norms = nn.ModuleList(
            nn.Identity() if level in (1, depth) else Normalised(halved[level]) for level in range(1, depth + 1)
        )
        self.up_norms = nn.ModuleList(Normalised(widths[level]) if level else nn.Identity() for level in range(depth))
        self.last = conv(widths[0], channels, 3)

    @property
    def multiple(self) -> int:
        """What height and width must be a multiple of."""
        return 1 << self.depth

    def forward(self, picture: Tensor) -> Tensor:
        x, across = self._grained(picture), []
        for halve, norm in zip(self.down, self.down_norms, strict=True):
            across.append(x)
            x = F.leaky_relu(norm(halve(x)), 0.2)
        for join, norm in zip(reversed(self.up), reversed(self.up_norms), strict=True):
            x = torch.cat([F.interpolate(x, scale_factor=2), across.pop()], dim=1)
            x = F.relu(norm(join(x)))
        return torch.tanh(self.last(x).float())

    def _grained(self, picture: Tensor) -> Tensor:
        """The picture with its planes of noise, tiled from the upper left corner."""
        if self.grains is None:
            return picture
        count, _, height, width = picture.shape
        rows, columns = (torch.arange(side, device=picture.device) % TILE for side in (height, width))
        tiled = self.grains[:, :, rows][:, :, :, columns]
        return torch.cat([picture, tiled.expand(count, -1, -1, -1)], dim=1)
