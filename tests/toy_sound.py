"""A small real model of sound, which halves it: made with onnx.helper, without torch, as `toy` is.

Like a network with strides it takes lengths of a multiple only: any other is an error of the runtime.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from app import contract
from app.engine import providers
from app.media import audio, audio_writer
from app.media.pieces import pieces, plan
from app.media.restoration import restored

RATE = 8_000
CLIP = 256
MULTIPLE = 64

SHORT = 5_000
"""Frames, at its rate, that are answered whole."""

LONG, ROWS = 30_000, 39
"""Frames that are sent while they are computed, and how many pieces they are."""


def graph() -> onnx.ModelProto:
    """noisy float32 [n, t] → clean float32 [n, t], half of it; t in multiples of 64."""
    sound = ["n", "t"]
    constants = {
        "strides": np.array([0, -1, MULTIPLE], np.int64),
        "whole": np.array([0, -1], np.int64),
        "half": np.array(0.5, np.float32),
    }
    made = helper.make_graph(
        [
            helper.make_node("Reshape", ["noisy", "strides"], ["cut"]),
            helper.make_node("Mul", ["cut", "half"], ["quiet"]),
            helper.make_node("Reshape", ["quiet", "whole"], ["clean"]),
        ],
        "hush",
        [helper.make_tensor_value_info("noisy", TensorProto.FLOAT, sound)],
        [helper.make_tensor_value_info("clean", TensorProto.FLOAT, sound)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def tensor(name: str, clip: int = CLIP) -> contract.Tensor:
    """The graph's input or output of that name, as its manifest describes it."""
    return contract.Tensor(
        name=name,
        meaning="audio",
        dtype="float32",
        shape=("n", "t"),
        range=(-1, 1),
        usual=(clip,),
        multiple=MULTIPLE,
        rate=RATE,
    )


def build(models: Path, name: str = "hush", clip: int = CLIP) -> Path:
    """Writes the model folder `models/<name>/1/`, of clips of so many samples, and returns it."""
    folder = models / name / "1"
    folder.mkdir(parents=True)
    data = graph().SerializeToString()
    (folder / "generator.onnx").write_bytes(data)
    given, made = tensor("noisy", clip), tensor("clean", clip)
    manifest = contract.Manifest(
        name=name,
        version=1,
        title="Half as loud",
        tasks=("enhance",),
        graphs={"generator": contract.Graph(file="generator.onnx", inputs=(given,), outputs=(made,))},
        training=contract.Training(
            recipe="toy", data="none", images=0, seed=0, revision="0", device="cpu", seconds=0, date="2026-01-01"
        ),
        licence=contract.Licence(data="none", weights="CC0-1.0"),
        exporter=contract.Exporter(runtime=providers.RUNTIME, processor=contract.processor()),
        golden=(contract.Golden.of(0, None, 0.5 * contract.probe(given, 0, range(1))[0]),),
        files={"generator.onnx": contract.digest(data)},
    )
    contract.write(folder, manifest)
    return folder


def halved(data: bytes, comment: str) -> bytes:
    """What the service must make of a file: half of it, in all its pieces at once, with that comment."""
    sound = audio.decode(data)
    made = plan(sound, tensor("noisy"))
    return restored(0.5 * pieces(sound, made), made, audio_writer.form(sound), comment)
