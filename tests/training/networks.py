"""Weights files of small untrained networks, so that tests of feature extractors need no download."""

from pathlib import Path

import torch

from training.features import ResNet, SqueezeNet


def squeezenet(folder: Path, name: str = "squeezenet1_1") -> Path:
    """An untrained SqueezeNet in half precision, by torchvision's parameter names."""
    torch.manual_seed(0)
    path = folder / f"{name}.pth"
    torch.save({key: value.half() for key, value in SqueezeNet(name, 64).state_dict().items()}, path)
    return path


def resnet(folder: Path, blocks: int = 1) -> Path:
    """An untrained CIFAR-10 ResNet as its training script saved it."""
    torch.manual_seed(0)
    path = folder / f"resnet{6 * blocks + 2}.th"
    state = {f"module.{key}": value for key, value in ResNet(blocks).state_dict().items()}
    torch.save({"best_prec1": 10.0, "state_dict": state}, path)
    return path
