"""Input to try graphs with where they take no noise: pictures, frames and sounds that are made up."""

import numpy as np

from app import latents
from app.contract.tensors import Tensor, Values

PATCH = 8
"""Pixels in the side of a probe's patches."""


def probe(tensor: Tensor, seed: int, indices: range) -> Values:
    """Input to try a graph with where it takes no noise: a function of the seed, of the shape of training.

    Pictures and frames are patchworks of 8×8 pixels, uint8; audio is noise of a tenth of full scale, float32.
    """
    shape = tensor.sample
    if tensor.dtype == "float32":
        flat = latents.noise(seed, indices, int(np.prod(shape))) * np.float32(0.1)
        return flat.reshape(len(indices), *shape)
    *frames, height, width, channels = shape
    patches = (*frames, -(-height // PATCH), -(-width // PATCH), channels)
    flat = latents.noise(seed, indices, int(np.prod(patches)))
    coarse = np.clip(flat * 64 + 128, 0, 255).astype(np.uint8).reshape(len(indices), *patches)
    fine = coarse.repeat(PATCH, axis=-3).repeat(PATCH, axis=-2)
    return fine[..., :height, :width, :]
