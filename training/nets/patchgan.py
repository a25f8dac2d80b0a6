"""The PatchGAN: a discriminator that judges each patch of a picture on its own, so that blur has nowhere to hide."""

import itertools

import torch
from torch import Tensor, nn

from training.nets.blocks import Pair, spectral_conv


def patch_depth(size: int) -> int:
    """How many halvings give patches of about a quarter of pictures of `size` pixels: 34 px of 128, 70 px of 256."""
    return max(1, size.bit_length() - 6)


class PatchDiscriminator(nn.Module):
    """Fully convolutional discriminator of patches (Isola et al. 2017, §3.2.2), spectrally normalised.

    pictures [n, channels, h, w] in [-1, 1] → logits [n, 1, h', w'], float32, one for each of the overlapping patches
    of `receptive_field` pixels. With `given`, the channels of a condition, it judges a `Pair` of pictures of one size.
    Each of the `depth` halvings doubles `width`, up to eightfold. It has no other normalisation: a patch is judged by
    nothing but itself.
    """

    def __init__(self, *, channels: int, given: int = 0, width: int = 32, depth: int = 2) -> None:
        super().__init__()
        self.given = given
        widths = [width * min(8, 2**level) for level in range(depth + 1)]
        layers: list[nn.Module] = [spectral_conv(channels + given, width, 4, stride=2), nn.LeakyReLU(0.2)]
        for level, (a, b) in enumerate(itertools.pairwise(widths), start=1):
            layers += [spectral_conv(a, b, 4, stride=2 if level < depth else 1), nn.LeakyReLU(0.2)]
        self.trunk = nn.Sequential(*layers)
        self.last = spectral_conv(widths[-1], 1, 4)

    def forward(self, pictures: Tensor | Pair) -> Tensor:
        if isinstance(pictures, Pair) != bool(self.given):
            raise ValueError(f"this discriminator judges {'pairs' if self.given else 'pictures alone'}")
        x = torch.cat(pictures, dim=1) if isinstance(pictures, Pair) else pictures
        logits: Tensor = self.last(self.trunk(x))
        return logits.float()

    @property
    def receptive_field(self) -> int:
        """The side in pixels of the patch that one logit sees: 16, 34, 70, 142 for a depth of 1, 2, 3, 4."""
        field = 1
        for layer in reversed([module for module in self.modules() if isinstance(module, nn.Conv2d)]):
            field = (field - 1) * layer.stride[0] + layer.kernel_size[0]
        return field
