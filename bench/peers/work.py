"""The work that every peer does: draw, run, encode, as plain FastAPI does it. Needs numpy, ONNX Runtime and Pillow."""

import argparse
import json
from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from app import classes, latents

BATCH = 32
"""Largest batch, and the seconds that a batch may wait to fill: what the peers were measured with elsewhere."""
WAIT = 0.005


class Work:
    """The model of a folder, on a session with the runtime's own defaults."""

    def __init__(self, folder: Path) -> None:
        manifest = json.loads((folder / "model.json").read_bytes())
        graph = manifest["graphs"]["generator"]
        self._inputs = {tensor["meaning"]: tensor["name"] for tensor in graph["inputs"]}
        self._weighs = any(tensor["meaning"] == "label" and tensor["dtype"] == "float32" for tensor in graph["inputs"])
        self._output = next(tensor["name"] for tensor in graph["outputs"] if tensor["meaning"] == "image")
        self._latent = manifest["latent"]["size"]
        self._classes = len(manifest["classes"])
        data = (folder / graph["file"]).read_bytes()
        self._session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])

    def draw(self, seeds: Sequence[int]) -> NDArray[np.uint8]:
        """One picture for each seed, uint8 [n, h, w, c], in one run."""
        first = range(1)
        given = {self._inputs["latent"]: np.concatenate([latents.noise(seed, first, self._latent) for seed in seeds])}
        if "label" in self._inputs:
            labels = np.concatenate([latents.classes(seed, first, self._classes) for seed in seeds])
            drawn = classes.weights(labels.tolist(), self._classes) if self._weighs else labels
            given[self._inputs["label"]] = drawn
        pixels: NDArray[np.uint8]
        (pixels,) = self._session.run([self._output], given)
        return pixels


def png(picture: NDArray[np.uint8]) -> bytes:
    """A picture, uint8 [h, w, c], as Pillow writes it at level 1."""
    file = BytesIO()
    Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).save(file, "PNG", compress_level=1)
    return file.getvalue()


def text(picture: NDArray[np.uint8]) -> str:
    """The same in base64, where answers are JSON."""
    return b64encode(png(picture)).decode()


def arguments() -> tuple[Path, int]:
    """The model folder and the port that the server was given."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, help="model folder, <name>/<version>")
    parser.add_argument("--port", type=int, default=8000)
    given = parser.parse_args()
    return given.folder, given.port
