"""Frozen feature extractors, read from a weights file: SqueezeNet 1.0/1.1 (ImageNet) and ResNet-20/56 (CIFAR-10).

The discriminator projects pictures into their stages, the evaluation measures distances on their embeddings. Knows
torch only: neither losses nor data.
"""

import hashlib
import io
from itertools import islice
from pathlib import Path
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.checkpoint import UNREADABLE

READABLE = (
    "SqueezeNet 1.0 or 1.1 with torchvision's parameter names, or a CIFAR-10 ResNet of depth 6n+2 "
    "with keys `module.*` under `state_dict`"
)


class FeaturesError(ValueError):
    """A file that holds no readable feature extractor; the message says what is readable."""


class Features(nn.Module):
    """A frozen network and its own input conventions. It never trains and never leaves evaluation mode.

    Images are float [n, 3 or 1, h, w] in [-1, 1], RGB or grey; gradients flow through to them.
    """

    mean: Tensor
    """What the network subtracts, [1, 3, 1, 1]; a grey picture becomes three equal planes by it."""
    name: str
    """The architecture, e.g. `squeezenet1_1`."""
    channels: tuple[int, ...]
    """The width of each stage's feature map."""
    sha: str
    """The first 8 hex digits of the weights file's SHA-256."""
    classes: tuple[str, ...] = ()
    """The class names of `classify`, where they are known."""

    @property
    def reference(self) -> str:
        """`name-sha`: what a measured number must say it was measured on."""
        return f"{self.name}-{self.sha}"

    def train(self, mode: bool = True) -> Self:  # noqa: ARG002
        """Stays in evaluation mode, so that training the network around it can't move its batch statistics."""
        return super().train(False)

    def seen(self, side: int) -> int:
        """The side in pixels at which the network sees a square picture of `side` pixels."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> list[Tensor]:
        """The feature map [n, channels[i], h', w'] of each stage, shallow to deep."""
        raise NotImplementedError

    def embed(self, images: Tensor) -> Tensor:
        """Penultimate features averaged over the picture, float32 [n, channels[-1]]."""
        deepest: Tensor = self(images)[-1]
        return deepest.float().mean((2, 3))

    def classify(self, images: Tensor) -> Tensor:
        """Class logits, float32 [n, classes]."""
        raise NotImplementedError


class Fire(nn.Module):
    """SqueezeNet's block: squeeze 1×1, then expand 1×1 beside 3×3 (Iandola et al. 2016, §3.2)."""

    def __init__(self, inputs: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.squeeze(x))
        return functional.relu(torch.cat([self.expand1x1(x), self.expand3x3(x)], 1))


class SqueezeNet(Features):
    """SqueezeNet (Iandola et al. 2016). A stage ends before each pooling and at the last block: strides 2, 4, 8, 16.

    Pictures whose short side is under `min_size` are enlarged to it; larger ones are taken as they are.
    """

    STEMS: ClassVar = {"squeezenet1_0": (96, 7), "squeezenet1_1": (64, 3)}
    """Width and kernel size of the first convolution."""
    GROUPS: ClassVar = {"squeezenet1_0": (3, 4, 1), "squeezenet1_1": (2, 2, 4)}
    """How many of the eight fire blocks follow each pooling."""
    FIRES: ClassVar = tuple((squeeze, 4 * squeeze) for squeeze in (16, 16, 32, 32, 48, 48, 64, 64))

    def __init__(self, name: str, min_size: int) -> None:
        super().__init__()
        if min_size < 32:
            raise FeaturesError(f"min_size is {min_size}: SqueezeNet needs pictures of at least 32 pixels")
        self.name, self.min_size = name, min_size
        width, kernel = self.STEMS[name]
        layers: list[nn.Module] = [nn.Conv2d(3, width, kernel, stride=2), nn.ReLU()]
        widths, fires = [width], iter(self.FIRES)
        for count in self.GROUPS[name]:
            layers.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
            for squeeze, expand in islice(fires, count):
                layers.append(Fire(width, squeeze, expand))
                width = 2 * expand
            widths.append(width)
        self.channels = tuple(widths)
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(), nn.Conv2d(width, 1000, 1))
        self.register_buffer("mean", torch.tensor((123.0, 117.0, 104.0)).view(1, 3, 1, 1), persistent=False)

    def seen(self, side: int) -> int:
        return max(side, self.min_size)

    def forward(self, images: Tensor) -> list[Tensor]:
        short = min(images.shape[2:])
        if short < self.min_size:
            size = [round(side * self.min_size / short) for side in images.shape[2:]]
            images = functional.interpolate(images, size, mode="bilinear", align_corners=False, antialias=False)
        x = (images + 1) * 127.5 - self.mean
        stages = []
        for layer in self.features:
            if isinstance(layer, nn.MaxPool2d):
                stages.append(x)
            x = layer(x)
        return [*stages, x]

    def classify(self, images: Tensor) -> Tensor:
        scores = functional.relu(self.classifier(self(images)[-1]))
        return scores.float().mean((2, 3))

    @classmethod
    def read(cls, state: dict[str, Tensor], min_size: int) -> Self:
        width = state["features.0.weight"].shape[0]
        name = next((name for name, stem in cls.STEMS.items() if stem[0] == width), "squeezenet1_1")
        network = cls(name, min_size)
        # The files were trained on BGR: turning the first kernel round once lets it read RGB.
        network.load_state_dict(state | {"features.0.weight": state["features.0.weight"].flip(1)})
        return network


class Residual(nn.Module):
    """Two 3×3 convolutions and a parameter-free shortcut, option A of He et al. 2016, §3.3."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.stride = 1 if inputs == width else 2
        self.conv1 = nn.Conv2d(inputs, width, 3, stride=self.stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        residual = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        if self.stride == 2:
            added = (residual.shape[1] - x.shape[1]) // 2
            x = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, added, added))
        return functional.relu(residual + x)


class ResNet(Features):
    """CIFAR-10 ResNet of depth 6n+2 (He et al. 2016, §4.2). Stages: the stem and the three groups, 32, 32, 16 and 8 px.

    Pictures are resized to 32×32, antialiased when they shrink.
    """

    std: Tensor
    channels = (16, 16, 32, 64)
    classes = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.name = f"resnet{6 * blocks + 2}"
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = self._group(16, 16, blocks)
        self.layer2 = self._group(16, 32, blocks)
        self.layer3 = self._group(32, 64, blocks)
        self.linear = nn.Linear(64, 10)
        self.register_buffer("mean", torch.tensor((0.485, 0.456, 0.406)).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor((0.229, 0.224, 0.225)).view(1, 3, 1, 1), persistent=False)

    @staticmethod
    def _group(inputs: int, width: int, blocks: int) -> nn.Sequential:
        return nn.Sequential(*(Residual(width if i else inputs, width) for i in range(blocks)))

    def seen(self, side: int) -> int:  # noqa: ARG002
        return 32

    def forward(self, images: Tensor) -> list[Tensor]:
        if images.shape[2:] != (32, 32):
            images = functional.interpolate(images, (32, 32), mode="bilinear", align_corners=False, antialias=True)
        x = functional.relu(self.bn1(self.conv1(((images + 1) / 2 - self.mean) / self.std)))
        stages = [x]
        for group in (self.layer1, self.layer2, self.layer3):
            stages.append(group(stages[-1]))
        return stages

    def classify(self, images: Tensor) -> Tensor:
        scores: Tensor = self.linear(self.embed(images))
        return scores.float()

    @classmethod
    def read(cls, state: dict[str, Tensor]) -> Self:
        blocks = {int(key.split(".")[2]) for key in state if key.startswith("module.layer1.")}
        network = cls(len(blocks))
        network.load_state_dict({key.removeprefix("module."): value for key, value in state.items()})
        return network


def load(path: Path, min_size: int = 64) -> Features:
    """The frozen extractor in a weights file, float32, in channels-last memory order.

    `min_size` is SqueezeNet's smallest short side in pixels. Raises `FeaturesError` for a file that can't be read or
    holds another network; nothing in the file is executed.
    """
    try:
        data = path.read_bytes()
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        squeezenet = "features.0.weight" in content
        features: Features = SqueezeNet.read(content, min_size) if squeezenet else ResNet.read(content["state_dict"])
    except FeaturesError:
        raise
    except OSError as error:
        raise FeaturesError(f"{path} can't be read: {error.strerror}") from error
    except UNREADABLE as error:
        raise FeaturesError(f"{path} holds no feature extractor. Readable: {READABLE}") from error
    features.sha = hashlib.sha256(data).hexdigest()[:8]
    features.requires_grad_(False).train(False)
    features.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks this overload
    features.register_forward_pre_hook(_follow)
    return features


def _follow(network: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Takes a frozen network to the device of its pictures: no run owns it that could."""
    device = inputs[0].device
    if next(network.parameters()).device != device:
        network.to(device)
