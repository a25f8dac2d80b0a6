"""The vital signs of adversarial training: who is winning, by how much, and whether the samples still differ."""

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.image.kid import poly_mmd

from training.features import Features


def discrimination(real: Tensor, fake: Tensor) -> dict[str, float]:
    """How well logits tell real from generated: `accuracy` in [0, 1] at the best threshold between the two means,
    and `gap`, the difference of the means in units of their spread."""
    threshold = (real.mean() + fake.mean()) / 2
    accuracy = ((real > threshold).float().mean() + (fake <= threshold).float().mean()) / 2
    gap = (real.mean() - fake.mean()) / torch.cat([real, fake]).std().clamp(min=1e-8)
    return {"accuracy": float(accuracy), "gap": float(gap)}


def diversity(real: Tensor, fake: Tensor) -> float:
    """Mean distance between two generated pictures over that between two real ones; near 1 is healthy, 0 collapsed.

    pictures [n, c, h, w], compared at 8×8 pixels, where composition and colour count and texture does not.
    """
    small = [F.adaptive_avg_pool2d(x.float(), 8).flatten(1) for x in (fake, real)]
    generated, expected = (torch.pdist(x).mean() for x in small)
    return float(generated / expected)


def centred(pictures: Tensor, labels: Tensor) -> Tensor:
    """Pictures [n, c, h, w] less the mean of their class, so that `diversity` sees what differs within classes."""
    onehot = F.one_hot(labels).to(pictures.dtype)
    means = torch.einsum("nk,nchw->kchw", onehot, pictures) / onehot.sum(0).clamp(min=1)[:, None, None, None]
    return pictures - means[labels]


def kernel_distance(real: Tensor, fake: Tensor, features: Features | None) -> float:
    """Squared maximum mean discrepancy with KID's cubic kernel (Bińkowski et al. 2018), unbiased; 0 is equal.

    pictures [n, c, h, w] in [-1, 1]. On the embedding of `features`, or on 8×8 pixels where there are none. It ranks
    the checkpoints of one run; the figures of a model card come from `training.evaluation`.
    """

    def embed(x: Tensor) -> Tensor:
        if features is None:
            return F.adaptive_avg_pool2d(x.float(), 8).flatten(1)
        return torch.cat([features.embed(part) for part in torch.split(x, 256)]).float()

    a, b = embed(real), embed(fake)
    scale, count = a.std(), min(len(a), len(b))
    return float(poly_mmd(a[:count] / scale, b[:count] / scale))
