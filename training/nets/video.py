"""A generator of the next frame: earlier frames in, one frame out, of any size in stated multiples."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.nets.blocks import conv

MULTIPLE = 8
"""Pixels of a frame for one place at the smallest size."""
FARTHEST = 8.0
"""Pixels that a frame moves at most. A flow without a bound once left the frame and never came back: beyond the edge
all is one colour, and has no gradient."""
SLOPE = 0.1
"""Of the rectifiers below zero: with none, one bad step can silence the whole network for good."""


class FramePredictor(nn.Module):
    """The last frame moved, and what is new added: both from a residual U-Net without normalisation.

    frames [n, given · channels, h, w] in [-1, 1], the oldest first → the next one [n, channels, h, w], float32, which
    may overshoot a little; h and w in multiples of `multiple`, `size` in training. The net works on blocks of
    patch×patch pixels as channels (after SimVP, Gao et al. 2022), since at full size a convolution is all memory
    traffic, and goes on to an eighth of the size; `width` doubles with each halving. `blocks` residual blocks stand at
    each size on either way, `deep` of them at the smallest. A frame is moved by a flow with one vector for a block,
    interpolated (Liu et al. 2017, Deep Voxel Flow). Flow and addition are nothing at first: where most of a frame is
    black, a network that draws from scratch through a tanh learns black, and no more.
    """

    multiple = MULTIPLE

    def __init__(
        self, *, size: int, given: int, channels: int, width: int, patch: int = 4, blocks: int = 2, deep: int = 3
    ) -> None:
        super().__init__()
        self.size, self.given, self.channels, self.patch = size, given, channels, patch
        widths = [width * 2**level for level in range((MULTIPLE // patch).bit_length())]
        self.first = conv(given * channels * patch**2, width, 3)
        self.before = nn.ModuleList(stack(size, blocks) for size in widths[:-1])
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in itertools.pairwise(widths))
        self.deepest = stack(widths[-1], deep)
        self.up = nn.ModuleList(conv(b, a, 1) for a, b in itertools.pairwise(widths))
        self.after = nn.ModuleList(stack(size, blocks) for size in widths[:-1])
        self.last = conv(width, channels * patch**2 + 2, 3)
        for value in self.last.parameters():
            nn.init.zeros_(value)

    def forward(self, frames: Tensor) -> Tensor:
        x = self.first(F.pixel_unshuffle(frames, self.patch))
        skips = []
        for before, down in zip(self.before, self.down, strict=True):
            x = before(x)
            skips.append(x)
            x = down(x)
        x = self.deepest(x)
        for up, after, skip in reversed(list(zip(self.up, self.after, skips, strict=True))):
            x = after(skip + F.interpolate(up(x), scale_factor=2))
        x = self.last(F.leaky_relu(x, SLOPE)).float()
        flow = F.interpolate(FARTHEST * torch.tanh(x[:, :2]), scale_factor=self.patch, mode="bilinear")
        return moved(frames[:, -self.channels :], flow) + F.pixel_shuffle(x[:, 2:], self.patch)


def moved(pictures: Tensor, flow: Tensor) -> Tensor:
    """Each place shows what was `flow` pixels away, the edge where that is outside.

    pictures [n, c, h, w], flow [n, 2, h, w] as (x, y) → [n, c, h, w], bilinear.
    """
    height, width = pictures.shape[2:]
    x = (torch.arange(width, device=flow.device) + 0.5 + flow[:, 0]) * (2 / width) - 1
    y = (torch.arange(height, device=flow.device)[:, None] + 0.5 + flow[:, 1]) * (2 / height) - 1
    grid = torch.stack([x, y], dim=-1)
    return F.grid_sample(pictures.float(), grid, padding_mode="border", align_corners=False)


def stack(width: int, count: int) -> nn.Sequential:
    """So many residual blocks."""
    return nn.Sequential(*(ResidualBlock(width) for _ in range(count)))


class ResidualBlock(nn.Module):
    """Two convolutions added to their input, nothing at the start: x [n, width, h, w] → the same shape.

    A last weight of zero keeps deep networks without normalisation in range (Zhang et al. 2019, Fixup).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = conv(width, width, 3), conv(width, width, 3)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = x + self.conv2(F.leaky_relu(self.conv1(F.leaky_relu(x, SLOPE)), SLOPE))
        return added


def roll_out(generator: nn.Module, given: Tensor, steps: int) -> Tensor:
    """The next `steps` frames [n, steps · channels, h, w], each made from what was given and the frames made before it.

    given [n, k · channels, h, w], the oldest first.
    """
    film = given
    for _ in range(steps):
        film = torch.cat([film, generator(film[:, -given.shape[1] :].clamp(-1, 1))], dim=1)
    return film[:, given.shape[1] :]
