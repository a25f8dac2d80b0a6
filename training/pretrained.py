"""The beginning of a run: the weights of a model that was trained before, as far as they fit (Wang et al. 2018).

A few thousand pictures are few for a GAN that begins with noise, and many for one that knows already how pictures look.
"""

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn.utils import parametrize

from app import contract
from training.config import ConfigError
from training.recipes import Networks, Recipe

_SETTLING = 30
"""Power iterations after which a spectral norm knows its new weight: half of its error is gone after each, or more."""


def begin(recipe: Recipe, networks: Networks, folder: Path) -> int:
    """Copies into `networks`, in place, each weight of a model folder that fits; how many tensors did.

    A tensor fits where the recipe exports a graph of the same role, its name there is the name in the folder's graph or
    ends with it, and the shapes are equal: so a stage of StackGAN begins as the generator of a conditional GAN. Raises
    ContractError for a folder that holds no model, ConfigError where nothing fits.
    """
    manifest = contract.check(folder)
    fitted = 0
    for network in networks.values():
        network.eval()
    for made in recipe.exports(networks):
        if made.role in manifest.graphs:
            fitted += _copy(_weights(folder / manifest.graphs[made.role].file), made.module)
    for network in networks.values():
        network.train()
    if not fitted:
        raise ConfigError(f"--pretrained {folder}: no weight of {manifest.reference} fits the networks of this run")
    return fitted


def _weights(graph: Path) -> dict[str, Tensor]:
    """The constants of a graph, some float16, by their names in the module that it was made of."""
    return {
        one.name.removeprefix("module.").removesuffix(".half"): torch.from_numpy(numpy_helper.to_array(one).copy())
        for one in onnx.load(graph).graph.initializer
    }


@torch.no_grad()
def _copy(weights: dict[str, Tensor], module: nn.Module) -> int:
    """Copies those that fit into a module, in place; how many did."""
    fitted = 0
    for prefix, part in module.named_modules():
        own = {name for name, _ in (*part.named_parameters(recurse=False), *part.named_buffers(recurse=False))}
        for name in own | set(getattr(part, "parametrizations", {})):
            full = f"{prefix}.{name}"
            found = next((w for known, w in weights.items() if f".{full}".endswith(f".{known}")), None)
            old = getattr(part, name)
            if found is None or found.shape != old.shape:
                continue
            fitted += 1
            if parametrize.is_parametrized(part, name):
                setattr(part, name, found.to(old.dtype))  # which a spectral norm takes for the weight before it
                part.train()
                for _ in range(_SETTLING):
                    getattr(part, name)
            else:
                old.copy_(found)
    return fitted
