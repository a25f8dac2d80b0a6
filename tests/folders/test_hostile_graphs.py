"""Graphs that no runtime is given: each is refused by its bytes alone, with the reason in words."""

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from app import contract, onnxfile
from app.contract import ContractError
from app.onnxfile import GraphRefusedError
from tests import toy
from tests.folders import zoo

GB = 10**9

MEMORY = "*/_ORT_MEM_ADDR_/*"
"""Where the runtime takes weights to lie in its own memory, at an address that the file may state."""


def twice() -> bytes:
    """A file with two graphs, of which a reader may see either, or a mixture."""
    return toy.graph().SerializeToString() + zoo.foreign("Evil", "evil").SerializeToString()


def unknown_field() -> bytes:
    """A field 99 of length 4."""
    return toy.graph().SerializeToString() + b"\x9a\x06\x04data"


def polyglot() -> bytes:
    """A file that is ONNX to one reader, and ONNX Runtime's own format to another, by its bytes 4 to 8."""
    return b"\x12\x06\x00\x00ORTM" + toy.graph().SerializeToString()


def many_fields() -> bytes:
    """Four million fields in eight megabytes."""
    return b"\x08\x01" + b"\x42\x00" * 4_000_000


def quantised() -> onnx.TensorProto:
    return TensorProto(name="shift", data_type=99, dims=[8], raw_data=bytes(32))


GRAPHS: dict[str, tuple[Callable[[], onnx.ModelProto | bytes], str]] = {
    "an absolute path": (
        lambda: zoo.shifted(zoo.outside("/etc/passwd")),
        r"the weights 'shift' lie outside of it, at '/etc/passwd': a graph is one file; onnx\.save\(onnx\.load\(FILE\)",
    ),
    "a path that climbs": (lambda: zoo.shifted(zoo.outside("../../x")), r"lie outside of it, at '\.\./\.\./x'"),
    "a file beside it": (lambda: zoo.shifted(zoo.outside("model.json")), r"lie outside of it, at 'model\.json'"),
    "the runtime's memory": (
        lambda: zoo.shifted(zoo.outside(MEMORY, 4096)),
        r"outside of it, at '\*/_ORT_MEM_ADDR_/\*'",
    ),
    "the same in a node": (lambda: zoo.shifted_by_node(zoo.outside(MEMORY)), r"outside of it, at '\*/_ORT_MEM_ADDR_"),
    "an operator of its own": (
        lambda: zoo.foreign("Evil", "evil"),
        r"needs the operator 'Evil' of 'evil', which isn't served: export it with operators of ONNX itself$",
    ),
    "an operator that loads a file": (
        lambda: zoo.foreign("EPContext", "com.microsoft", ep_cache_context="code.so", embed_mode=0),
        r"the operator 'EPContext' of 'com\.microsoft', which isn't served",
    ),
    "one inside of a function": (zoo.disguised, r"the operator 'Evil' of 'evil', which isn't served"),
    "a function without end": (zoo.endless, r"its function 'Again' calls itself$"),
    "functions that explode": (lambda: zoo.exploding(25), r"it has \S+ nodes, its functions put in; 20,000 are taken"),
    "a loop": (lambda: zoo.looping(3), r"it has a Loop, of which nobody knows when it ends: unroll it$"),
    "texts": (zoo.lettered, r"the weights 'letter' are texts: a graph computes with numbers$"),
    "texts of a node": (
        lambda: zoo.before([zoo.helper.make_node("Constant", [], ["bent_z"], value_string="x")]),
        r"it has texts, which take memory without a bound: do without$",
    ),
    "numbers as texts": (
        lambda: zoo.before([zoo.helper.make_node("Cast", ["z"], ["bent_z"], to=TensorProto.STRING)]),
        r"it has a Cast to texts, which take memory without a bound",
    ),
    "a Cast to what a caller says": (zoo.castable, r"it has a Cast to texts, which take memory without a bound"),
    "a set of values": (
        lambda: zoo.before([zoo.helper.make_node("Unique", ["z"], ["bent_z"])]),
        r"it has a Unique, whose own books take memory without a bound",
    ),
    "a split into billions": (
        lambda: zoo.before([zoo.helper.make_node("Split", ["z"], ["bent_z"], num_outputs=2**31 - 1)]),
        r"it has a Split into 2,147,483,647 with 1 outputs$",
    ),
    "weights by the thousand": (lambda: zoo.scattered(10_000), r"it has 10,0\d\d weights; 10,000 are taken at most$"),
    "nodes by the thousand": (
        lambda: zoo.chain(20_000),
        r"it has 20,0\d\d nodes, its functions put in; 20,000 are tak",
    ),
    "branches in branches": (lambda: zoo.nested(20), r"its graphs are more than 16 deep in each other$"),
    "negative weights": (
        lambda: zoo.shifted(zoo.shaped(-8)),
        r"'shift' is of \[-8\]: an axis has 0 to 2,147,483,647 val",
    ),
    "an overflow": (
        lambda: zoo.shifted(zoo.shaped(2**62, 4)),
        r"'shift' is of \[4611686018427387904, 4\]: an axis has",
    ),
    "petabytes in 32 bytes": (
        lambda: zoo.shifted(zoo.shaped(2**30, 2**20)),
        r"the weights 'shift' of \[1073741824, 1048576\] take 4,503,599,627,370,496 bytes, and it holds 32 of them$",
    ),
    "less than it holds": (
        lambda: zoo.shifted(zoo.shaped(2)),
        r"'shift' of \[2\] take 8 bytes, and it holds 32 of them",
    ),
    "a thousand axes": (
        lambda: zoo.shifted(zoo.shaped(8, *[1] * 999)),
        r"'shift' has 1,000 axes; 32 are taken at most$",
    ),
    "a type that isn't": (lambda: zoo.shifted(quantised()), r"'shift' are of a type, 99, that ONNX doesn't have$"),
    "sparse weights": (
        zoo.sparse,
        r"it has sparse weights, of which a few bytes stand for any number: store them dense",
    ),
    "a value of terabytes": (
        lambda: zoo.declaring(2**20, 2**20),
        r"one value, 'grown', takes 4\.4e\+03 GB; 1 GB may be",
    ),
    "a value of negative size": (lambda: zoo.declaring(4, -1), r"the value 'grown' is of \[4, -1\]: an axis has 0 to"),
    "a shape of petabytes": (
        lambda: zoo.filled([2**25, 2**25]),
        r"ConstantOfShape makes one value of \S+ GB; 1 GB may",
    ),
    "a graph for training": (zoo.training, r"it holds a graph for training: export it for inference$"),
    "a list of tensors": (zoo.sequence, r"its input 'z' is no tensor$"),
    "two graphs": (twice, r"its ModelProto holds ir_version twice$"),
    "a field that nobody knows": (unknown_field, r"its ModelProto has a field 99, which no graph needs$"),
    "another format's mark": (polyglot, r"of ONNX Runtime's own format, \.ort: a model is an ONNX file$"),
    "millions of fields": (many_fields, r"it has more fields than are read$"),
    "nothing": (lambda: b"", r"it is no ONNX graph$"),
    "a picture": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(64), r"its ModelProto has a field 1281, which no graph needs$"),
    "half a graph": (
        lambda: toy.graph().SerializeToString()[:-300],
        r"it is cut off: a field of \S+ bytes begins \S+ b",
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_hostile_graph_is_refused_by_its_bytes_with_the_reason(name: str, tmp_path: Path) -> None:
    make, said = GRAPHS[name]
    folder = zoo.folder(tmp_path, make())
    began = time.perf_counter()
    with pytest.raises(ContractError) as refused:
        contract.check(folder, budget=GB)
    assert time.perf_counter() - began < 10
    words = str(refused.value)
    assert words.startswith(f"{folder / 'generator.onnx'} is refused: ")
    assert re.search(said, words), words
    assert len(words) < len(str(folder)) + 400


def test_what_is_refused_was_given_to_no_runtime(tmp_path: Path) -> None:
    folder = zoo.folder(tmp_path, zoo.shifted(zoo.outside("/etc/passwd")))
    code = "import sys, pathlib; from app import contract\ntry: contract.check(pathlib.Path(sys.argv[1]))\n"
    code += "except contract.ContractError as error: print('onnxruntime' in sys.modules, error)"
    ran = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    assert re.match("False .*lie outside of it", ran.stdout)


@pytest.mark.parametrize("make", [toy.graph, zoo.harmless, lambda: zoo.nested(4)])
def test_functions_and_branches_of_standard_operators_are_let_in(make: Callable[[], onnx.ModelProto]) -> None:
    assert onnxfile.screen(make().SerializeToString(), GB).nodes > 10


def test_what_a_runtime_may_compute_ahead_is_told() -> None:
    assert onnxfile.screen(toy.graph().SerializeToString()).folds
    assert not onnxfile.screen(zoo.hidden(8).SerializeToString()).folds
    assert not onnxfile.screen(zoo.harmless().SerializeToString()).folds
    assert not onnxfile.screen(zoo.hoarding(2, 8).SerializeToString()).folds
    table = zoo.before(
        [
            zoo.helper.make_node("Mul", ["column", "row"], ["table"]),
            zoo.helper.make_node("Add", ["z", "z"], ["bent_z"]),
        ],
        zoo.constant("column", np.ones((1000, 1), np.float32)),
        zoo.constant("row", np.ones((1, 1000), np.float32)),
    ).SerializeToString()
    assert onnxfile.screen(table, 8_000_000).folds
    assert not onnxfile.screen(table, 7_999_999).folds


def test_a_graph_whose_weights_are_more_than_the_budget_is_refused() -> None:
    data = toy.graph().SerializeToString()
    weights = onnxfile.screen(data).weights
    assert len(data) > weights > 0.8 * len(data)
    with pytest.raises(GraphRefusedError, match=r"^its weights take 0\.0\d+ MB; 0\.0\d+ MB may be taken$"):
        onnxfile.screen(data, weights - 1)


@pytest.mark.parametrize("way", ["raw", "typed"])
@pytest.mark.parametrize("kind", sorted(set(TensorProto.DataType.values()) - {0, 8, 21, 22, 23, 25, 26, 27, 28}))
def test_weights_of_every_type_are_measured_as_onnx_measures_them(kind: int, way: str) -> None:
    values = [1, 0, 1, 1, 0, 1]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind)
    if way == "raw":
        made = onnx.helper.make_tensor("w", kind, [2, 3], np.array(values).astype(dtype).tobytes(), raw=True)
    else:
        made = onnx.helper.make_tensor("w", kind, [2, 3], values)
    model = toy.graph()
    model.graph.initializer.append(made)
    plain = onnxfile.screen(toy.graph().SerializeToString()).weights
    assert onnxfile.screen(model.SerializeToString()).weights - plain == 6 * dtype.itemsize
