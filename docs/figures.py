"""`python docs/figures.py FIGURE …`: draws a figure of docs/lecture.md from model folders and runs.

gradient      MINIMAX NONSATURATING          two runs of `gan` that differ in --loss
interpolation MODEL                          a folder of a model that generates
random-codes  AUTOENCODER VAE                two model folders
code-map      VAE                            a model folder whose latent has two values
ablation      DATA MODEL BESIDE …            folders of pix2pix models, and the pairs to draw
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import pyplot
from torch import Tensor

from app import latents
from training import config, journal, losses
from training.batches import batch_of
from training.data import pairs
from training.evaluation import Request
from training.recipes import Panel
from training.recipes.autoencoder import code_map
from training.run import Run, autocast

mpl.use("svg")

HERE = Path(__file__).parent / "lecture"
ROWS, COLUMNS = 6, 12
STEPS = 200


def gradient(data: str) -> None:
    """The gradient that each loss gives the untrained generator, while the discriminator alone learns more and more.

    After Arjovsky & Bottou 2017, figure 2.
    """
    with TemporaryDirectory() as folder:
        flags = ["--preset", "cpu", "--channels", "1", "--width", "16", "--r1", "0", "--rate", "1e-3", "--out", folder]
        run = Run(config.parse(["gan", "--data", data, *flags]))
    generator, critic = run.networks["generator"], run.networks["critic"]
    norms: dict[str, list[float]] = {"minimax": [], "nonsaturating": []}
    for _ in range(STEPS):
        batch = run.fetch(run.sampler.indices(run.progress.images, run.share))
        fake = generator(torch.randn(run.share, 128))
        for loss, norm in norms.items():
            told = losses.generator(cast(losses.Objective, loss), critic(fake).realness)
            gradients = torch.autograd.grad(told, list(generator.parameters()), retain_graph=True)
            norm.append(float(torch.nn.utils.get_total_norm(gradients)))
        with autocast(run.device, "bf16"):
            terms = run.recipe.terms("critic", run.networks, batch)
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        run.optimisers["critic"].step()
        run.optimisers["critic"].zero_grad(set_to_none=True)
        run.progress.images += run.batch
    figure, axes = pyplot.subplots(figsize=(7, 3), layout="constrained")
    for loss, norm in norms.items():
        axes.plot(range(STEPS), norm, label=loss)
    axes.set(xlabel="steps of the discriminator", ylabel="gradient norm of the generator", yscale="log")
    axes.legend(frameon=False)
    figure.savefig(HERE / "gradient.svg", metadata={"Date": None})


def interpolation(model: str) -> None:
    """Walks between samples of seed 0: neighbours on a great circle."""
    request = Request.of(Path(model), "")
    assert request.manifest.latent is not None
    ends = latents.noise(0, range(2 * ROWS), request.manifest.latent.size)
    generator = request.graph()
    steps = np.linspace(0, 1, COLUMNS)
    walks = [
        np.stack([latents.slerp(ends[row], ends[row + 1], float(t)) for t in steps]) for row in range(0, 2 * ROWS, 2)
    ]
    _save("interpolation", [Panel("", generator(torch.from_numpy(walk))) for walk in walks])


def random_codes(autoencoder: str, vae: str) -> None:
    """What each decoder makes of the same random codes."""
    panels = []
    for name, model in (("auto-encoder", autoencoder), ("VAE", vae)):
        request = Request.of(Path(model), "")
        assert request.manifest.latent is not None
        codes = torch.from_numpy(latents.noise(0, range(2 * COLUMNS), request.manifest.latent.size))
        panels += [Panel(name, pictures) for pictures in torch.split(request.graph()(codes), COLUMNS)]
    _save("random-codes", panels)


def codes(vae: str) -> None:
    """The pictures of all codes of two values, by their quantiles."""
    pictures: Tensor = Request.of(Path(vae), "").graph()(code_map(16).flatten(0, 1))
    _save("code-map", [Panel("", row) for row in torch.split(pictures, 16)])


def ablation(data: str, *models: str) -> None:
    """The first test pairs, and what each model draws of them; a model is NAME=FOLDER."""
    named = [model.partition("=")[::2] for model in models]
    requests = {name: Request.of(Path(folder), data) for name, folder in named}
    size = next(iter(requests.values())).manifest.graphs["generator"].input("image")
    assert size is not None
    examples = pairs.load(data, size=size.sample[0], channels=size.sample[2], given="right", split="test")
    batch = batch_of(examples.draw(np.arange(6), None))
    drawn = [Panel(name, request.graph()(batch.condition())) for name, request in requests.items()]
    _save("pix2pix", [Panel("given", batch.condition()), *drawn, Panel("real", batch.real)], "jpg")


def _save(name: str, panels: list[Panel], kind: str = "png") -> None:
    journal.sheet(panels).save(HERE / f"{name}.{kind}", optimize=True, quality=90)


FIGURES: dict[str, Callable[..., None]] = {
    "gradient": gradient,
    "interpolation": interpolation,
    "random-codes": random_codes,
    "code-map": codes,
    "ablation": ablation,
}


def main() -> int:
    """Draws one figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figure", choices=FIGURES)
    parser.add_argument("inputs", nargs="+", metavar="FOLDER")
    given = parser.parse_args()
    FIGURES[given.figure](*given.inputs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
