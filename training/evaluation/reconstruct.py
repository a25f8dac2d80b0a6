"""Pictures through the encoder and back: how much of a picture its code keeps."""

import torch
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from app import contract
from training import data
from training.batches import batch_of, fixed
from training.data import Pictures
from training.evaluation.request import EvaluationError, Request

BATCH = 250
FITTED = 10_000
"""The most training pictures whose principal components are taken."""


@torch.inference_mode()
def measure(request: Request) -> tuple[contract.Metric, ...]:
    """Peak signal-to-noise ratio and structural similarity of what comes back, on the test split.

    Each stands beside as many principal components of training pictures as the code has values: the best that a linear
    encoder and decoder can do (Hinton & Salakhutdinov 2006). Raises `EvaluationError` or `DataError`.
    """
    size, channels, latent = _shape(request.manifest)
    train = data.load(request.data, size=size, channels=channels)
    try:
        test = data.load(request.data, size=size, channels=channels, split="test")
    except data.NoSplit:
        test = train
    real = _pictures(test, request.samples)
    encoder, generator = request.graph("encoder"), request.graph()
    back = torch.cat([_through(encoder, generator, part) for part in torch.split(real, BATCH)])
    linear = principal(_pictures(train, FITTED), real, latent)
    known = f"{min(latent, real[0].numel())} principal components"
    protocol = f"{len(real):,} pictures of {test.source} at {size} px, by codes of {latent} values"
    return tuple(
        contract.Metric(
            name=name,
            value=float(f"{of(back, real):.4g}"),
            others={known: float(f"{of(linear, real):.4g}")},
            protocol=f"{protocol}; {how}",
        )
        for name, of, how in (
            ("PSNR", psnr, "decibels, mean over pictures"),
            ("SSIM", ssim, "Gaussian window of 11 px, mean over pictures"),
        )
    )


def psnr(back: Tensor, real: Tensor) -> float:
    """The peak signal-to-noise ratio in decibels, of pictures [n, c, h, w] in [-1, 1]; the mean over pictures."""
    # A picture that comes back without a flaw would be infinitely good: it counts as half a grey level wrong.
    ratios = peak_signal_noise_ratio(back, real, data_range=2.0, reduction="none", dim=(1, 2, 3))
    return float(ratios.clamp(max=10 * torch.tensor(510.0**2).log10()).mean())


def ssim(back: Tensor, real: Tensor) -> float:
    """Structural similarity (Wang et al. 2004) of pictures in [-1, 1], the mean over pictures; 1 is equal."""
    # Defined for values from 0 up: its means are multiplied.
    similar = structural_similarity_index_measure((back + 1) / 2, (real + 1) / 2, data_range=1.0)
    assert isinstance(similar, Tensor)
    return float(similar)


def principal(train: Tensor, pictures: Tensor, count: int) -> Tensor:
    """Pictures [n, c, h, w] in [-1, 1] through the first `count` principal components of `train`, and back."""
    flat, mean = pictures.flatten(1), train.flatten(1).mean(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        # A few more than wanted: the last of a random search are the least exact.
        rank = min(count + 8, len(train), flat.shape[1])
        _, _, components = torch.svd_lowrank(train.flatten(1) - mean, q=rank, niter=4)
    components = components[:, :count]
    back = (flat - mean) @ components @ components.T + mean
    return back.reshape(pictures.shape).clamp(-1, 1)


def _through(encoder: torch.nn.Module, generator: torch.nn.Module, pictures: Tensor) -> Tensor:
    """What comes back of pictures; of an encoder that answers a cloud, from its middle."""
    code = encoder(pictures)
    back: Tensor = generator(code if isinstance(code, Tensor) else code[0])
    return back


def _pictures(examples: Pictures, count: int) -> Tensor:
    """A fixed choice of `count` pictures, float32 [n, c, h, w] in [-1, 1]."""
    return batch_of(examples.draw(fixed(examples, count))).real


def _shape(manifest: contract.Manifest) -> tuple[int, int, int]:
    """The side and the channels of what comes back, and the size of the code."""
    image = manifest.graphs["generator"].output("image")
    match image.sample:
        case (int(height), int(width), 1 | 3 as channels) if height == width and manifest.latent is not None:
            return height, channels, manifest.latent.size
    raise EvaluationError(
        f"{manifest.reference} gives back pictures of {list(image.sample)}: expected square ones, grey or RGB"
    )
