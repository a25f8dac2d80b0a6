"""Building blocks shared by the networks: spectral normalisation, conditional normalisation, residual stages."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm


class Pair(NamedTuple):
    """What a conditional discriminator judges. Named, so that the two can't be swapped at a call.

    `candidate` is the picture [n, c, h, w] in [-1, 1], or sound [n, 1, t]. `condition` is what it was made from: the
    class index [n] that it should show, or [n, k] to ask about k classes at one look; a picture, frames or sound of the
    candidate's size.
    """

    candidate: Tensor
    condition: Tensor


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution whose output is the input's size over `stride`."""
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2)


def spectral_conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Module:
    """A convolution of spectral norm 1 (Miyato et al. 2018, algorithm 1); its output is the input's size over `stride`.

    Even kernels go with even strides: both sides then see the same margin.
    """
    return spectral_norm(nn.Conv2d(inputs, outputs, kernel, stride, padding=(kernel - 1) // 2))


class ClassEmbedding(nn.Embedding):
    """A vector for each class: label [n] int64 → [n, size], as in training.

    Or label [n, classes] float32, weights that sum to 1, → the weighted means of the vectors, as in served graphs. A
    single 1 among zeros gives the very vector of that class, and the names in a checkpoint are those of `nn.Embedding`.
    """

    def forward(self, label: Tensor) -> Tensor:
        return label @ self.weight if label.is_floating_point() else super().forward(label)


class ConditionalNorm(nn.Module):
    """Batch normalisation whose gain and bias are linear in a code (de Vries et al. 2017; Brock et al. 2019, app. B).

    x [n, channels, h, w] and code [n, size] → the shape of x. At inference it uses running statistics only.
    """

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain = nn.Linear(size, channels)
        self.bias = nn.Linear(size, channels)
        for layer in (self.gain, self.bias):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        gain, bias = self.gain(code)[:, :, None, None], self.bias(code)[:, :, None, None]
        moved: Tensor = self.norm(x) * (1 + gain) + bias
        return moved


class UpBlock(nn.Module):
    """Residual block that doubles the size: [n, inputs, h, w] → [n, outputs, 2h, 2w] (Brock et al. 2019, fig. 15).

    Unlike there, the first convolution stands before the upsampling: a quarter of the work, in training and in every
    served picture.
    """

    def __init__(self, inputs: int, outputs: int, code: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = ConditionalNorm(inputs, code), ConditionalNorm(outputs, code)
        self.conv1, self.conv2 = conv(inputs, outputs, 3), conv(outputs, outputs, 3)
        self.skip = conv(inputs, outputs, 1)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        h = self.conv1(F.relu(self.norm1(x, code)))
        h = self.conv2(F.interpolate(F.relu(self.norm2(h, code)), scale_factor=2))
        # Convolving with 1×1 before nearest upsampling gives the same values as after it, for a quarter of the work.
        added: Tensor = h + F.interpolate(self.skip(x), scale_factor=2)
        return added


def stages(size: int, smallest: int = 4) -> int:
    """How many doublings lead from `smallest` to `size` pixels; ValueError if no whole number does."""
    count = (size // smallest).bit_length() - 1
    if smallest << count != size:
        raise ValueError(f"size {size}: a power of two of at least {smallest} is needed")
    return count


def parameters(module: nn.Module) -> int:
    """The number of trained values."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def finite_(gradients: list[Tensor]) -> None:
    """Replaces NaN and infinity in gradients, in place: one bad batch must not end a run of days."""
    for gradient in gradients:
        torch.nan_to_num_(gradient, nan=0.0, posinf=1e5, neginf=-1e5)
