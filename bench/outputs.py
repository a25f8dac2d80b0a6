"""What the pictures of the shipped models measure, as the service measures them, and what measuring costs.

`python -m bench.outputs` prints two Markdown tables. Generators draw seeds; whatever takes pictures is given those of
its own sheet, which training never saw, and their mirror images; sound is noise that swells.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app import contract, latents
from app.contract import SCORES, Manifest, Tensor
from app.engine import model, providers
from app.engine.job import Arrays
from app.engine.vitals import Vitals, Watch, drawn
from app.metrics import Metrics
from bench import conditions

MODELS = Path("models")
BATCH = 8
GAP = 2
"""Pixels between two pictures of a sheet."""

HEAD = "| model | graph | mean | variance | saturation | diversity | twins | on golden samples |\n" + "|---" * 8 + "|"


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser("python -m bench.outputs", description=__doc__)
    parser.add_argument("--models", type=Path, default=MODELS)
    parser.add_argument("--samples", type=int, default=320, help="of each graph")
    given = parser.parse_args()
    here = conditions.now()
    print(f"{here.date}, {here.processor}, {here.cores} cores, {given.samples} samples of each graph\n")
    print(HEAD)
    for folder in sorted(given.models.glob("*/*/")):
        for line in measured(folder, given.samples):
            print(line, flush=True)
    print("\n| a look at | µs of processor time |\n|---|---|")
    for count, side in ((8, 32), (1, 32), (1, 256), (8, 256)):
        print(f"| {count} of {side}×{side} pixels | {cost(count, side):.0f} |")


def measured(folder: Path, samples: int) -> Iterator[str]:
    """A row of the table for each graph of a model that draws."""
    manifest, graphs = model.prove(folder, providers.device("cpu"), BATCH)
    for role, graph in manifest.graphs.items():
        if not drawn(graph):
            continue
        vitals = Vitals(manifest, role, Metrics(), Watch(), None)
        session, _ = graphs[role]
        scores: list[float] = []
        for start in range(0, samples, BATCH):
            inputs = inputs_of(folder, manifest, role, range(start, start + BATCH))
            outputs = session.run(inputs)
            vitals.look(inputs, outputs)
            if role == "generator" and "critic" in graphs and graph.output("image").shape[1:3] != ("h", "w"):
                judged = manifest.inputs(0, range(start, start + BATCH), role="critic")
                judged[manifest.graphs["critic"].given("image").name] = outputs[graph.outputs[0].name]
                scores += graphs["critic"][0].run(judged)[SCORES[0]].tolist()
        said = vitals.lately()
        figures = [said[name] for name in ("mean", "variance", "saturation_ratio", "diversity", "twins")]
        golden = said["reference"].get("diversity")
        yield (
            f"| {manifest.reference} | {role} | "
            + " | ".join(f"{figure:.3f}" for figure in figures)
            + f" | {'' if golden is None else f'{golden:.3f}'} |"
        )
        if scores:
            least, middle, most = np.quantile(scores, (0.1, 0.5, 0.9))
            yield f"| its critic | realness | 10 %: {least:.2f}, median {middle:.2f}, 90 %: {most:.2f} | | | | | |"


def inputs_of(folder: Path, manifest: Manifest, role: str, indices: range) -> Arrays:
    """What a graph is given for these samples."""
    inputs = manifest.inputs(0, indices, role=role)
    for tensor in manifest.graphs[role].inputs:
        if tensor.meaning in ("image", "frames"):
            inputs[tensor.name] = pictures(folder, tensor, role, indices)
        elif tensor.meaning == "audio":
            inputs[tensor.name] = swelling(tensor, indices)
    return inputs


def pictures(folder: Path, tensor: Tensor, role: str, indices: range) -> NDArray[np.uint8]:
    """Pictures of the sheet that are given to a graph, each fourfold by its mirror images."""
    *frames, height, width, channels = tensor.sample
    sheet = Image.open(folder / "samples.png").convert("L" if channels == 1 else "RGB")
    pixels = np.asarray(sheet).reshape(sheet.height, sheet.width, channels)
    pitch = 128 + GAP
    rows = [row for row in range(sheet.height // pitch) if role == "generator" or row == sheet.height // pitch // 2]
    if not frames:
        rows = rows[:1]
    elif len(rows) > 1:
        rows = rows[::2]  # every other one holds what was drawn
    columns = (sheet.width - pitch) // pitch if frames else 8
    left = sheet.width - pitch * columns
    step = 128 // height
    given = []
    for index in indices:
        place, turn = divmod(index, 4)
        row = rows[place % len(rows)]
        column = place // len(rows) % (columns - (frames[0] if frames else 1) + 1)
        tiles = [
            pixels[row * pitch :, left + (column + at) * pitch :][:128:step, :128:step][:height, :width]
            for at in range(frames[0] if frames else 1)
        ]
        stack = np.stack(tiles)
        stack = stack[:, :, ::-1] if turn % 2 else stack
        stack = stack[:, ::-1] if turn // 2 else stack
        given.append(stack if frames else stack[0])
    return np.stack(given)


def swelling(tensor: Tensor, indices: range) -> NDArray[np.float32]:
    """Sound that swells and fades about four times a second, as syllables do."""
    (length,) = tensor.sample
    noise = latents.noise(0, indices, length)
    phase = np.array(indices, np.float32)[:, np.newaxis]
    swell = np.square(np.sin(np.arange(length, dtype=np.float32) / 1000 + phase))
    return (noise * swell * np.float32(0.1)).astype(np.float32)


def cost(count: int, side: int) -> float:
    """Microseconds of processor time for a look at so many pictures of that size."""
    image = Tensor(name="image", meaning="image", dtype="uint8", shape=("n", side, side, 3), layout="NHWC")
    latent = Tensor(name="z", meaning="latent", dtype="float32", shape=("n", 128))
    graph = contract.Graph(file="generator.onnx", inputs=(latent,), outputs=(image,))
    standing = contract.read(MODELS / "cifar10" / "1")
    manifest = standing.model_copy(update={"graphs": {"drawing": graph}})
    vitals = Vitals(manifest, "drawing", Metrics(), Watch(), None)
    batches = [
        ({"z": latents.noise(seed, range(count), 128)}, {"image": noise(seed, (count, side, side, 3))})
        for seed in range(20)
    ]
    best = float("inf")
    for _ in range(10):
        for inputs, outputs in batches:
            began = time.thread_time()
            vitals.look(inputs, outputs)
            best = min(best, time.thread_time() - began)
    return best * 1e6


def noise(seed: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Pictures of noise."""
    return np.random.Generator(np.random.Philox(key=[seed, 0])).integers(0, 256, shape, np.uint8)


if __name__ == "__main__":
    main()
