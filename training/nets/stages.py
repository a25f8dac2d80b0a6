"""StackGAN's generators: one draws a small picture, the next reads it and the condition again and draws the large one.

A class reaches both through conditioning augmentation, whose noise is a part of the latent: what is served stays a pure
function of latent and label. A label is [n] int64 or [n, classes] float32, see `ClassEmbedding`.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.nets.blocks import ClassEmbedding, ConditionalNorm, Pair, UpBlock, conv
from training.nets.discriminators import ConvolutionalDiscriminator, Scores
from training.nets.generators import ResidualGenerator


class ConditioningAugmentation(nn.Module):
    """A class as a Gaussian cloud in place of a point, μ + σ·ε (StackGAN, Zhang et al. 2017, §3.2).

    latent [n, d] of which the last `size` values are ε, and a label → [n, d], the code in the place of ε. Of a mixture
    of classes, μ and log σ are the weighted means.
    """

    def __init__(self, *, classes: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.mean = ClassEmbedding(classes, size)
        self.log_deviation = ClassEmbedding(classes, size)
        # Clouds that are apart, yet no further than the latent is wide: else each class starts as one picture.
        nn.init.normal_(self.mean.weight, std=0.3)
        nn.init.constant_(self.log_deviation.weight, -0.7)

    def forward(self, latent: Tensor, label: Tensor) -> Tensor:
        free, noise = latent[:, : -self.size], latent[:, -self.size :]
        cloud: Tensor = self.mean(label) + self.log_deviation(label).exp() * noise
        return torch.cat([free, cloud], dim=1)

    def divergence(self, label: Tensor) -> Tensor:
        """KL(N(μ, σ²) ‖ N(0, 1)) of the classes of label [n] (eq. 2), averaged over the code's values."""
        mean, log_deviation = self.mean(label), self.log_deviation(label)
        divergence: Tensor = 0.5 * (mean.square() + (2 * log_deviation).exp() - 2 * log_deviation - 1)
        return divergence.mean()


class Stage1(nn.Module):
    """Draws the small picture: latent [n, latent] and a label → [n, channels, size, size] in [-1, 1].

    The second half of the latent is the noise of the conditioning augmentation. `width` as in `ResidualGenerator`.
    """

    def __init__(self, *, latent: int, size: int, channels: int, width: int, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.augmentation = ConditioningAugmentation(classes=classes, size=latent // 2)
        self.generator = ResidualGenerator(latent=latent, size=size, channels=channels, width=width)

    def forward(self, latent: Tensor, label: Tensor) -> Tensor:
        pictures: Tensor = self.generator(self.augmentation(latent, label))
        return pictures


class Stage2(nn.Module):
    """Reads the small picture and the condition again, and draws at twice the size (Zhang et al. 2017, §3.4).

    small [n, channels, h, w], latent [n, latent] and a label → [n, channels, 2h, 2w]: the small picture enlarged,
    and what it lacks or got wrong. Not squashed: only the edge of the served graph clips. `width` is the number of
    channels at the small picture's size. Only the thin last layer works at the full one: there is most of the time.
    """

    def __init__(self, *, latent: int, channels: int, width: int, blocks: int, classes: int) -> None:
        super().__init__()
        self.augmentation = ConditioningAugmentation(classes=classes, size=latent // 2)
        self.read = conv(channels, width, 3)
        self.shrink = conv(width, 2 * width, 3, stride=2)
        self.blocks = nn.ModuleList(EvenBlock(2 * width, latent) for _ in range(blocks))
        self.grow = UpBlock(2 * width, width, latent)
        self.detail = EvenBlock(width, latent)
        self.norm = ConditionalNorm(width, latent)
        thin = max(1, width // 4)
        self.unfold = conv(width, 4 * thin, 3)
        self.last = conv(thin, channels, 3)
        # Four pixels that start equal: else the grid of the unfolding is in every picture, and is unlearnt only slowly
        # (Aitken et al. 2017).
        for values in (self.unfold.weight, self.unfold.bias):
            assert values is not None
            values.data = values.data[::4].repeat_interleave(4, dim=0)
        # It starts as what it must beat: the small picture, enlarged.
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, small: Tensor, latent: Tensor, label: Tensor) -> Tensor:
        code = self.augmentation(latent, label)
        seen = self.read(small)
        x = self.shrink(F.leaky_relu(seen, 0.2))
        for block in self.blocks:
            x = block(x, code)
        # What was seen goes past the blocks too: half its resolution is too coarse to place an edge.
        x = self.detail(self.grow(x, code) + seen, code)
        x = F.pixel_shuffle(self.unfold(F.relu(self.norm(x, code))), 2)
        pictures: Tensor = enlarged(small) + self.last(F.leaky_relu(x, 0.2))
        return pictures


class EvenBlock(nn.Module):
    """Residual block that keeps the size: x [n, channels, h, w] and code [n, size] → the shape of x."""

    def __init__(self, channels: int, code: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = ConditionalNorm(channels, code), ConditionalNorm(channels, code)
        self.conv1, self.conv2 = conv(channels, channels, 3), conv(channels, channels, 3)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        h = self.conv1(F.relu(self.norm1(x, code)))
        added: Tensor = x + self.conv2(F.relu(self.norm2(h, code)))
        return added


class FoldedDiscriminator(nn.Module):
    """A discriminator of half the size that reads each 2×2 pixels as one place of four times the channels.

    pictures [n, channels, size, size] → `Scores` of one place. `width` is the number of channels at half the size.
    """

    def __init__(self, *, size: int, channels: int, width: int, classes: int) -> None:
        super().__init__()
        self.folded = ConvolutionalDiscriminator(size=size // 2, channels=4 * channels, width=width, classes=classes)

    def forward(self, pictures: Tensor | Pair) -> Scores:
        candidate, condition = pictures if isinstance(pictures, Pair) else (pictures, None)
        folded = F.pixel_unshuffle(candidate, 2).contiguous(memory_format=torch.channels_last)
        scores: Scores = self.folded(folded if condition is None else Pair(folded, condition))
        return scores


class Stacked(nn.Module):
    """Both stages as one generator: latent [n, latent] and a label → the large picture."""

    def __init__(self, stage1: Stage1, stage2: Stage2) -> None:
        super().__init__()
        self.stage1, self.stage2, self.classes = stage1, stage2, stage1.classes

    def forward(self, latent: Tensor, label: Tensor) -> Tensor:
        pictures: Tensor = self.stage2(self.stage1(latent, label), latent, label)
        return pictures


def enlarged(pictures: Tensor) -> Tensor:
    """Pictures [n, c, h, w] at twice their size, bilinear."""
    return F.interpolate(pictures, scale_factor=2, mode="bilinear", align_corners=False)
