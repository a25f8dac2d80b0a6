"""A pool of generated pictures, from which a discriminator is shown older ones too (Shrivastava et al. 2017, §2.3)."""

import torch
from torch import Tensor, nn


class Pool(nn.Module):
    """The last `capacity` pictures, as buffers: a checkpoint keeps them, and a resumed run goes on with them.

    pictures [n, channels, size, size]. While it fills, what is shown is what came.
    """

    pictures: Tensor
    count: Tensor

    def __init__(self, capacity: int, channels: int, size: int) -> None:
        super().__init__()
        self.register_buffer("pictures", torch.zeros(capacity, channels, size, size))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def forward(self, pictures: Tensor) -> Tensor:
        """Each picture, or by a coin's toss one from the pool, whose place it takes (Zhu et al. 2017, §4)."""
        shown = pictures.detach().clone()
        filled = int(self.count)  # once: on a GPU each look waits for all that is queued
        for index, picture in enumerate(pictures.detach()):
            if filled < len(self.pictures):
                self.pictures[filled] = picture
                filled += 1
            elif torch.rand(()) < 0.5:
                place = int(torch.randint(filled, ()))
                shown[index] = self.pictures[place]
                self.pictures[place] = picture
        self.count.fill_(filled)
        return shown
