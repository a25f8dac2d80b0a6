"""Feature extractors: what they read, what they see, and that they never change."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from tests.training import networks, shared
from training import data, features
from training.features import FeaturesError


def pictures(count: int = 2, channels: int = 3, side: int = 32) -> torch.Tensor:
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize(
    ("name", "widths", "sides"),
    [("squeezenet1_0", (96, 256, 512, 512), [29, 14, 7, 3]), ("squeezenet1_1", (64, 128, 256, 512), [31, 15, 7, 3])],
)
def test_squeezenet_gives_a_map_before_each_pooling_and_the_last(tmp_path, name, widths, sides) -> None:
    network = features.load(networks.squeezenet(tmp_path, name))
    stages = network(pictures())
    assert [stage.shape for stage in stages] == [(2, w, side, side) for w, side in zip(widths, sides, strict=True)]
    assert (network.name, network.channels) == (name, widths)
    assert network.embed(pictures()).shape == (2, 512)
    assert network.classify(pictures()).shape == (2, 1000)


def test_resnet_gives_its_stem_and_three_groups(tmp_path) -> None:
    network = features.load(networks.resnet(tmp_path, blocks=2))
    stages = network(pictures())
    assert [tuple(stage.shape[1:]) for stage in stages] == [(16, 32, 32), (16, 32, 32), (32, 16, 16), (64, 8, 8)]
    assert (network.name, network.channels) == ("resnet14", (16, 16, 32, 64))
    assert network.embed(pictures()).shape == (2, 64)
    assert network.classify(pictures()).shape == (2, len(network.classes)) == (2, 10)


def test_small_pictures_are_enlarged_and_large_ones_are_not(tmp_path) -> None:
    path = networks.squeezenet(tmp_path)
    assert features.load(path, min_size=96)(pictures(side=32))[0].shape[2:] == (47, 47)
    assert features.load(path)(pictures(side=128))[0].shape[2:] == (63, 63)
    assert features.load(path)(pictures(side=32)[..., :16])[0].shape[2:] == (63, 31)
    assert [features.load(path).seen(side) for side in (32, 128)] == [64, 128]
    assert features.load(networks.resnet(tmp_path))(pictures(side=64))[0].shape[2:] == (32, 32)


def test_the_first_convolution_reads_bgr_from_0_to_255_less_the_mean(tmp_path) -> None:
    path = networks.squeezenet(tmp_path)
    kernel = torch.load(path, weights_only=True)
    rgb = pictures(side=64)
    bgr = ((rgb + 1) * 127.5).flip(1) - torch.tensor([104.0, 117.0, 123.0]).view(1, 3, 1, 1)
    expected = functional.conv2d(bgr, kernel["features.0.weight"].float(), kernel["features.0.bias"].float(), stride=2)
    assert torch.allclose(features.load(path)(rgb)[0], expected.relu(), atol=1e-3)


@pytest.mark.parametrize("make", [networks.squeezenet, networks.resnet])
def test_a_grey_picture_is_three_equal_planes(tmp_path, make) -> None:
    network, grey = features.load(make(tmp_path)), pictures(channels=1)
    assert torch.equal(network.embed(grey), network.embed(grey.expand(-1, 3, -1, -1)))


@pytest.mark.parametrize("make", [networks.squeezenet, networks.resnet])
def test_gradients_reach_the_pictures_and_never_the_weights(tmp_path, make) -> None:
    network = features.load(make(tmp_path))
    images = pictures().requires_grad_()
    sum(stage.square().mean() for stage in network(images)).backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_training_the_network_around_it_leaves_it_in_evaluation_mode(tmp_path) -> None:
    network = features.load(networks.resnet(tmp_path))
    around = torch.nn.Sequential(network).train()
    assert around.training
    assert not any(module.training for module in network.modules())


@pytest.mark.parametrize("make", [networks.squeezenet, networks.resnet])
def test_half_precision_sees_nearly_the_same_in_the_same_memory_order(tmp_path, make) -> None:
    network, images = features.load(make(tmp_path)), pictures().to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        stages = network(images)
        embedded = network.embed(images)
    assert all(stage.is_contiguous(memory_format=torch.channels_last) for stage in stages)
    assert embedded.dtype == torch.float32
    assert (embedded - network.embed(images)).norm() < 0.02 * network.embed(images).norm()


def test_the_name_says_which_file_it_was(tmp_path) -> None:
    path = networks.resnet(tmp_path)
    network = features.load(path)
    assert network.reference == f"resnet8-{network.sha}"
    assert len(network.sha) == 8
    path.write_bytes(path.read_bytes().replace(b"best_prec1", b"best_prec2"))
    assert features.load(path).sha != network.sha


def test_a_missing_file_is_named() -> None:
    with pytest.raises(FeaturesError, match=r"nowhere\.pth can't be read: No such file or directory"):
        features.load(Path("nowhere.pth"))


class Malice:
    """What a pickle may do when it is opened carelessly."""

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("opened"),)


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        {"state_dict": {}},
        {"state_dict": {"module.x": torch.ones(1)}},
        {"features.0.weight": torch.ones(1)},
        Malice(),
    ],
)
def test_another_file_is_refused_with_what_is_readable(tmp_path, monkeypatch, content) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(content, "other.pth")
    with pytest.raises(
        FeaturesError, match=r"other.pth holds no feature extractor. Readable: SqueezeNet 1.0 or 1.1 .*ResNet"
    ):
        features.load(Path("other.pth"))
    assert not Path("opened").exists()


@pytest.mark.parametrize("content", [b"not weights", b"", b"X1", b"\xff" * 40, b"PK\x03\x04" + bytes(100)])
def test_text_is_refused_with_what_is_readable(tmp_path, content) -> None:
    (tmp_path / "notes.txt").write_bytes(content)
    with pytest.raises(FeaturesError, match=r"notes.txt holds no feature extractor. Readable: SqueezeNet"):
        features.load(tmp_path / "notes.txt")


def test_a_size_that_leaves_no_feature_map_is_refused(tmp_path) -> None:
    with pytest.raises(FeaturesError, match="min_size is 16: SqueezeNet needs pictures of at least 32 pixels"):
        features.load(networks.squeezenet(tmp_path), min_size=16)


def test_resnet56_recognises_real_test_pictures() -> None:
    network = features.load(shared.weights("cifar10_resnet56.th"))
    real = data.load(shared.pictures("cifar10"), size=32, channels=3, split="test")
    assert real.classes == network.classes
    some = real.take(data.Sampler(len(real), seed=0).indices(0, 1000))
    images = torch.from_numpy(some.images).permute(0, 3, 1, 2) / 127.5 - 1
    seen = torch.cat([network.classify(part).argmax(1) for part in images.split(250)])
    assert (seen == torch.from_numpy(some.labels)).float().mean() > 0.8


@pytest.mark.parametrize("file", ["squeezenet1_0_dc_fp16.pth", "squeezenet1_1_caffe_fp16.pth", "cifar10_resnet20.th"])
def test_the_published_files_are_readable(file) -> None:
    network = features.load(shared.weights(file))
    assert torch.isfinite(network.classify(pictures())).all()
