"""Directions of a latent space along which pictures change in one respect, found in the exported graph alone.

In closed form, SeFa (Shen & Zhou 2021): what moves the first layer's answer most. And from samples, GANSpace (Härkönen
et al. 2020): what moves early features most. The network that the graph was made of is not needed.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from app import latents
from app.contract import Manifest
from app.directions import Direction, Kind
from training.interior import Ask, Generator

COUNT = 8
"""Directions of a model, at most."""
CANDIDATES = 8
"""Directions of each kind to choose from."""
RANGE = 3.0
"""Amounts of use, to either side, in standard deviations of the prior: past three, training hardly ever drew."""
SAMPLES = 2000
"""Latents whose features are looked at."""
BATCH = 100
TRIED = 16
"""Latents that a direction is tried on."""
RANDOM = 16
"""Random directions, whose mean it must outdo."""
SAME = 0.6
"""Cosine from which on two directions are taken for the same one."""

Vectors = NDArray[np.float64]
"""Rows of length 1, [k, size], the strongest first."""


def find(manifest: Manifest, folder: Path) -> tuple[Direction, ...]:
    """The directions that change a generator's pictures most and are apart, the strongest first.

    Nothing if it takes no latent or draws no pictures, or where no direction changes them more than a random one does.
    Each is called by its kind and its rank within it: `sefa-1`. The same graph has the same directions. Raises
    `ContractError` for a graph that is not native.
    """
    generator = manifest.graphs["generator"]
    if generator.input("latent") is None or all(tensor.meaning != "image" for tensor in generator.outputs):
        return ()
    asked = Generator(manifest, folder)
    draw = asked.ask(asked.image)
    blind = _unit(latents.noise(1, range(RANDOM), asked.size))
    chance = np.mean([effect(asked, draw, vector) for vector in blind])
    kinds: dict[Kind, Vectors] = {"sefa": closed_form(asked), "pca": principal(asked)}
    found = [(effect(asked, draw, v), kind, rank, v) for kind, rows in kinds.items() for rank, v in enumerate(rows, 1)]
    kept: list[Direction] = []
    for strength, kind, rank, vector in sorted(found, key=lambda one: one[0], reverse=True):
        apart = all(abs(float(vector @ other.array())) < SAME for other in kept)
        if apart and strength > chance and len(kept) < COUNT:
            kept.append(Direction.of(f"{kind}-{rank}", kind, vector, (-RANGE, RANGE)))
    return tuple(kept)


def closed_form(generator: Generator) -> Vectors:
    """Eigenvectors of AᵀA, where A is the first layer's weight (SeFa); they are orthogonal.

    A is read by asking the layer for the latent's axes, whichever way it stores its weights. Where a class scales
    the latent first, AᵀA is summed over classes. Nothing if the layer's answer is not linear in the latent.
    """
    name = generator.first_layer()
    if name is None:
        return np.empty((0, generator.size))
    layer = generator.ask(name)
    gram = np.zeros((generator.size, generator.size))
    for label in range(generator.classes):
        start = _rows(layer, np.zeros((1, generator.size), np.float32), label)
        weight = _rows(layer, np.eye(generator.size, dtype=np.float32), label) - start
        some = latents.noise(0, range(4), generator.size)
        if not np.allclose(_rows(layer, some, label) - start, some @ weight, atol=1e-3 * np.abs(weight).max()):
            return np.empty((0, generator.size))
        gram += weight @ weight.T
    _, vectors = np.linalg.eigh(gram)
    return _signed(vectors.T[::-1][:CANDIDATES])


def principal(generator: Generator) -> Vectors:
    """Principal components of early features, led back to the latent by regression (GANSpace).

    Features are centred within each class: what tells classes apart is no direction. Here a component is regressed on
    the latent, there the latent on the component: for latents that spread alike all ways both point the same way, and
    this is less noisy. Nearly orthogonal, no more.
    """
    name = generator.features()
    if name is None:
        return np.empty((0, generator.size))
    layer = generator.ask(name)
    each = max(2, SAMPLES // generator.classes)
    given, told = [], []
    for label in range(generator.classes):
        noise = latents.noise(0, range(label * each, (label + 1) * each), generator.size)
        features = np.concatenate([_rows(layer, noise[row : row + BATCH], label) for row in range(0, each, BATCH)])
        given.append(noise - noise.mean(0))
        told.append(features - features.mean(0))
    features = np.concatenate(told)
    if not features.any():
        return np.empty((0, generator.size))
    count = min(CANDIDATES, *features.shape)
    components = PCA(count, svd_solver="randomized", random_state=0).fit_transform(features)
    slopes, *_ = np.linalg.lstsq(np.concatenate(given), components)
    return _signed(_unit(slopes.T))


def effect(generator: Generator, draw: Ask, vector: NDArray[np.floating]) -> float:
    """By how many grey levels pictures change from where they are to the ends of the range, root mean square."""
    start = latents.noise(0, range(TRIED), generator.size)
    classes = [index % generator.classes for index in range(TRIED)]

    def at(amount: float) -> NDArray[np.float32]:
        return draw((start + amount * vector).astype(np.float32), classes).astype(np.float32)

    before = at(0)
    return float(np.mean([np.sqrt(np.square(at(end) - before).mean()) for end in (-RANGE, RANGE)]))


def _rows(layer: Ask, latent: latents.Floats, label: int) -> NDArray[np.float32]:
    """What a layer answers to latents and one class, float32 [n, values]."""
    return layer(latent, [label] * len(latent)).reshape(len(latent), -1).astype(np.float32)


def _unit(rows: NDArray[np.floating]) -> Vectors:
    """The rows [k, size] at length 1, but for those of length 0."""
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    return np.asarray(rows[lengths[:, 0] > 0] / lengths[lengths > 0][:, None], np.float64)


def _signed(rows: Vectors) -> Vectors:
    """Either sign is right: the one by which a row's largest value is above 0."""
    return np.asarray(rows * np.sign(rows[np.arange(len(rows)), np.abs(rows).argmax(1)])[:, None])
