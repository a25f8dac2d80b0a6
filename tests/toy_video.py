"""A small real predictor whose next frame is known: made with onnx.helper, without torch, as `toy` is.

It depends on the order of the frames and on what lies beside a pixel, and forgets nothing, so a clip that is turned
around, a tile that is off by one, or an edge that creeps in from step to step, can't give the right answer. Like a
network with strides it takes sides of a multiple only.
"""

from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from app import contract
from app.engine import providers

GIVEN = 3
SIDE = 16
MULTIPLE = 4

Pixels = NDArray[np.uint8]


def following(clip: Pixels) -> Pixels:
    """The frame after a clip, uint8 [..., k, h, w, c] → [..., h, w, c]: the newest one moved a pixel to the right, its
    left column staying where it is, and the oldest added to it, from 255 on to 0.
    """
    newest, oldest = (clip[..., at, :, :, :] for at in (-1, -GIVEN))
    return np.concatenate([newest[..., :1, :], newest[..., :-1, :]], axis=-2) + oldest


def rolled_out(clip: Pixels, steps: int) -> Pixels:
    """The next frames of a clip, uint8 [k, h, w, c] → [steps, h, w, c]."""
    film = list(clip)
    for _ in range(steps):
        film.append(following(np.stack(film)))
    return np.stack(film[len(clip) :])


def graph(channels: int = 1, side: int | None = None) -> onnx.ModelProto:
    """frames uint8 [n, 3, h, w, c] → image uint8 [n, h, w, c], as `following` says; h and w are `side`, or any multiple
    of four.
    """
    height, width = (side, side) if side else ("h", "w")
    constants = {
        "strides": np.array([0, GIVEN, 0, -1, MULTIPLE, channels], np.int64),
        "whole": np.array([0, GIVEN, 0, -1, channels], np.int64),
        "first": np.array(0, np.int64),
        "last": np.array(GIVEN - 1, np.int64),
        "start": np.array([0], np.int64),
        "second": np.array([1], np.int64),
        "end": np.array([-1], np.int64),
        "across": np.array([2], np.int64),
        "levels": np.array(256, np.int32),
    }
    made = helper.make_graph(
        [
            helper.make_node("Cast", ["frames"], ["numbers"], to=TensorProto.INT32),
            helper.make_node("Reshape", ["numbers", "strides"], ["cut"]),
            helper.make_node("Reshape", ["cut", "whole"], ["clip"]),
            helper.make_node("Gather", ["clip", "first"], ["oldest"], axis=1),
            helper.make_node("Gather", ["clip", "last"], ["newest"], axis=1),
            helper.make_node("Slice", ["newest", "start", "second", "across"], ["left"]),
            helper.make_node("Slice", ["newest", "start", "end", "across"], ["rest"]),
            helper.make_node("Concat", ["left", "rest"], ["moved"], axis=2),
            helper.make_node("Add", ["moved", "oldest"], ["sum"]),
            helper.make_node("Mod", ["sum", "levels"], ["wrapped"]),
            helper.make_node("Cast", ["wrapped"], ["image"], to=TensorProto.UINT8),
        ],
        "drift",
        [helper.make_tensor_value_info("frames", TensorProto.UINT8, ["n", GIVEN, height, width, channels])],
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", height, width, channels])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def tensor(meaning: Literal["frames", "image"], channels: int = 1, side: int | None = None) -> contract.Tensor:
    """The graph's input or output, as its manifest describes it."""
    sides = (side, side) if side else ("h", "w")
    before = (GIVEN,) if meaning == "frames" else ()
    return contract.Tensor(
        name=meaning,
        meaning=meaning,
        dtype="uint8",
        shape=("n", *before, *sides, channels),
        layout="NHWC" if meaning == "image" else None,
        range=(0, 255),
        usual=None if side else (*before, SIDE, SIDE, channels),
        multiple=1 if side else MULTIPLE,
    )


def build(models: Path, name: str = "drift", channels: int = 1, side: int | None = None) -> Path:
    """Writes the model folder `models/<name>/1/` and returns it."""
    folder = models / name / "1"
    folder.mkdir(parents=True)
    data = graph(channels, side).SerializeToString()
    (folder / "generator.onnx").write_bytes(data)
    frames, image = (tensor(meaning, channels, side) for meaning in ("frames", "image"))
    manifest = contract.Manifest(
        name=name,
        version=1,
        title="What drifts to the right",
        tasks=("predict",),
        graphs={"generator": contract.Graph(file="generator.onnx", inputs=(frames,), outputs=(image,))},
        training=contract.Training(
            recipe="toy", data="none", images=0, seed=0, revision="0", device="cpu", seconds=0, date="2026-01-01"
        ),
        licence=contract.Licence(data="none", weights="CC0-1.0"),
        exporter=contract.Exporter(runtime=providers.RUNTIME, processor=contract.processor()),
        golden=(contract.Golden.of(0, None, following(contract.probe(frames, 0, range(1)))[0]),),
        files={"generator.onnx": contract.digest(data)},
    )
    contract.write(folder, manifest)
    return folder
