"""The benchmark's standard graph: DCGAN's generator (Radford et al. 2016) of 64×64 RGB pictures, 3.8 M parameters.

Latent 128 → 512×4×4 → 256×8×8 → 128×16×16 → 64×32×32 → 3×64×64, batch norm folded into weights and biases, uint8 NHWC
at its edge. The weights are drawn from a fixed seed: speed doesn't depend on what is drawn. Needs the package `onnx`.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from app import contract
from app.engine import providers

NAME = "dcgan64"
LATENT = 128
SIDE = 64
CHANNELS = (LATENT, 512, 256, 128, 64, 3)
GOLDEN = 3


def graph(seed: int = 0) -> onnx.ModelProto:
    """z float32 [n, 128] → image uint8 [n, 64, 64, 3]; `seed` draws the weights."""
    draw = np.random.default_rng(seed)
    weights: dict[str, NDArray[Any]] = {
        "as_picture": np.array([0, LATENT, 1, 1], np.int64),
        "grey": np.array(127.5, np.float32),
    }
    nodes = [helper.make_node("Reshape", ["z", "as_picture"], ["x0"])]
    for layer, (before, after) in enumerate(pairwise(CHANNELS), 1):
        # A pixel of the first layer sees one tap of its kernel, one of the others four: the spread stays 1 (He 2015).
        taps = 1 if layer == 1 else 4
        deviation = np.sqrt(2 / (before * taps))
        weights[f"weight{layer}"] = draw.normal(0, deviation, (before, after, 4, 4)).astype(np.float32)
        weights[f"bias{layer}"] = draw.normal(0, 0.1, after).astype(np.float32)
        convolution = [f"x{layer - 1}", f"weight{layer}", f"bias{layer}"]
        how: dict[str, Any] = {"strides": [1, 1]} if layer == 1 else {"strides": [2, 2], "pads": [1, 1, 1, 1]}
        nodes.append(helper.make_node("ConvTranspose", convolution, [f"y{layer}"], kernel_shape=[4, 4], **how))
        activation = "Tanh" if after == 3 else "Relu"
        nodes.append(helper.make_node(activation, [f"y{layer}"], [f"x{layer}"]))
    nodes += [
        helper.make_node("Mul", [f"x{layer}", "grey"], ["scaled"]),
        helper.make_node("Add", ["scaled", "grey"], ["lifted"]),
        helper.make_node("Round", ["lifted"], ["rounded"]),
        helper.make_node("Cast", ["rounded"], ["levels"], to=TensorProto.UINT8),
        helper.make_node("Transpose", ["levels"], ["image"], perm=[0, 2, 3, 1]),
    ]
    made = helper.make_graph(
        nodes,
        NAME,
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", LATENT])],
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", SIDE, SIDE, 3])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def build(models: Path, version: int = 1) -> Path:
    """Writes the model folder `models/dcgan64/<version>/`, golden samples included, and returns it. No two versions
    draw the same.
    """
    folder = models / NAME / str(version)
    folder.mkdir(parents=True)
    data = graph(version - 1).SerializeToString()
    (folder / "generator.onnx").write_bytes(data)
    latent = contract.Tensor(name="z", meaning="latent", dtype="float32", shape=("n", LATENT))
    image = contract.Tensor(
        name="image", meaning="image", dtype="uint8", shape=("n", SIDE, SIDE, 3), layout="NHWC", range=(0, 255)
    )
    manifest = contract.Manifest(
        name=NAME,
        version=version,
        title="DCGAN's generator with random weights, for measuring",
        tasks=("generate",),
        graphs={"generator": contract.Graph(file="generator.onnx", inputs=(latent,), outputs=(image,))},
        latent=contract.Latent(size=LATENT),
        training=contract.Training(
            recipe="none", data="none", images=0, seed=0, revision="0", device="cpu", seconds=0, date="2026-01-01"
        ),
        licence=contract.Licence(data="none", weights="CC0-1.0"),
        exporter=contract.Exporter(runtime=providers.RUNTIME, processor=contract.processor()),
        golden=(contract.Golden.of(0, None, np.zeros((SIDE, SIDE, 3), np.uint8)),),
        files={"generator.onnx": contract.digest(data)},
    )
    session = providers.load(data)
    golden = []
    for seed in range(GOLDEN):
        (images,) = session.run(["image"], manifest.inputs(seed, range(1)))
        golden.append(contract.Golden.of(seed, None, images[0]))
    contract.write(folder, manifest.model_copy(update={"golden": tuple(golden)}))
    return folder
