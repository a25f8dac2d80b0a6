"""What can't be added, and what can't be seen: each is said in words that tell what would help, and leaves nothing."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from app import inventory
from tests.elsewhere.conftest import Add
from tests.elsewhere.graphs import Sketch, draws, paints, scaled
from tests.toy import LATENT, SIDE


@dataclass(frozen=True)
class Case:
    """A graph, the flags that it is added with, and what is said of it."""

    graph: Sketch | bytes
    said: str
    flags: tuple[str, ...] = ()


def operator_of_its_own() -> bytes:
    sketch = Sketch()
    sketch.takes("z", ("n", LATENT))
    sketch.nodes.append(helper.make_node("Upfirdn", ["z"], ["grown"], domain="org.somebody"))
    model = onnx.load_from_string(sketch.gives("grown", "picture", None).save())
    model.opset_import.append(helper.make_opsetid("org.somebody", 1))
    return model.SerializeToString()


def external_data() -> bytes:
    model = onnx.load_from_string(draws().save())
    weight = model.graph.initializer[1]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="weights.bin")
    return model.SerializeToString()


def of_tomorrow() -> bytes:
    model = onnx.load_from_string(draws().save())
    model.opset_import[0].version = 99
    return model.SerializeToString()


def one_sample_out() -> Sketch:
    """Gives the first picture of the batch, without the batch's axis."""
    sketch = draws()
    first = sketch.add("Gather", sketch.nodes[-1].input[0], sketch.holds(0, "int64"), axis=0)
    del sketch.nodes[-2], sketch.outputs[0]
    return sketch.gives(first, "picture", None)


def no_numbers(sketch: Sketch, raw: str) -> str:
    """The roots of numbers around 0."""
    return sketch.add("Sqrt", sketch.add("Tanh", raw))


def seldom_extreme(sketch: Sketch, raw: str) -> str:
    """Values from -0.285 to 1.11, most of them near 0.41."""
    bent = sketch.add("Pow", sketch.add("Tanh", raw), sketch.holds(9))
    return sketch.add("Add", sketch.add("Mul", bent, sketch.holds(0.7)), sketch.holds(0.41))


def features() -> Sketch:
    sketch = Sketch()
    value = sketch.takes("z", ("n", LATENT))
    return sketch.gives(sketch.add("Tanh", value), "features", ("n", LATENT))


def takes(*inputs: tuple[str, tuple[int | str | None, ...], str]) -> Sketch:
    """A graph that takes these, and gives the first of them back."""
    sketch = Sketch()
    names = [sketch.takes(*one) for one in inputs]
    return sketch.gives(names[0], "picture", inputs[0][1], inputs[0][2])


def two_pictures() -> Sketch:
    sketch = draws()
    return sketch.gives(sketch.nodes[-1].input[0], "rough", ("n", 3, SIDE, SIDE))


def enlarges() -> Sketch:
    sketch = paints()
    large = sketch.add("Concat", "painting", "painting", axis=2)
    sketch.nodes[-2].output[0] = "small"
    sketch.nodes[-1].input[:] = ["small", "small"]
    del sketch.outputs[0]
    return sketch.gives(large, "painting", ("n", 3, "H", "w"))


REFUSED = {
    "no file of ONNX": Case(b"not a graph", r"made\.onnx is refused: it is no protobuf of ONNX: a field has"),
    "an operator of its own": Case(
        operator_of_its_own(),
        r"made\.onnx is refused: it needs the operator 'Upfirdn' of 'org.somebody', which isn't served: export it with "
        r"operators of ONNX itself$",
    ),
    "weights beside the file": Case(
        external_data(),
        r"the weights 'w1' lie outside of it, at 'weights.bin': a graph is one file; onnx.save\(onnx.load\("
    ),
    "an opset that is not there yet": Case(
        of_tomorrow(), r"it needs an opset that this runtime doesn't know yet: export it with an older one \(.*Opset 99"
    ),
    "a latent without a batch": Case(
        takes(("z", (LATENT,), "float32")),
        r"^it has no batch axis that can be driven: its input z, float32 \[8\], is one sample$",
    ),
    "a photo without a batch": Case(
        takes(("photo", (3, 64, 64), "float32")),
        r"^it has no batch axis that can be driven: its input photo, float32 \[3, 64, 64\], is one sample$",
    ),
    "a picture without a batch": Case(
        one_sample_out(), r"for 1 of its inputs it gives picture, float32 \[3, 16, 16\]$"
    ),
    "inputs of different batches": Case(
        takes(("z", (2, LATENT), "float32"), ("y", (3,), "int64")),
        r"^it has no batch axis that can be driven: rows of z 2, y 3$",
        ("--classes", "a,b"),
    ),
    "no picture": Case(
        features(),
        r"^what it gives is no picture: features, float32 \[1, 8\]; pictures are \[n, c, h, w\] or \[n, h, w, c\], "
        r"c 1, 3 or 4, or \[n, h, w\]$",
    ),
    "an output that is no picture": Case(
        two_pictures(), r"^--output blur names no output; there are picture, rough$", ("--output", "blur")
    ),
    "two channels": Case(
        takes(("photo", ("n", 2, "h", "w"), "float32")), r"^its input photo, float32 \[n, 2, h, w\], is no picture: "
    ),
    "NaN": Case(draws(no_numbers), r"^its output picture holds NaN or infinity$"),
    "no input at all": Case(takes(("flag", ("n",), "int64")), r"^no task takes label \(flag, int64 \[n\]\): a graph"),
    "a switch besides the latent": Case(
        takes(("z", ("n", LATENT), "float32"), ("psi", (), "float32")),
        r"^its input psi, float32 \[\], is neither a latent, .*; what only sets it up is to be a constant inside$",
    ),
    "a latent of any length": Case(
        takes(("z", ("n", "d"), "float32")), r"^its input z, float32 \[n, d\], is neither a latent, floats"
    ),
    "booleans": Case(takes(("z", ("n", 8), "bool")), r"^its input z, tensor\(bool\) \[n, 8\], is neither a latent"),
    "two photos": Case(
        takes(("a", ("n", 3, 64, 64), "float32"), ("b", ("n", 3, 64, 64), "float32")),
        r"^no task takes image and image \(a, float32 .*\): a graph is to take a latent, a latent and a label, a",
    ),
    "pictures of another size": Case(
        enlarges(), r"^pictures don't come out as large as they went in; of 129×65: painting is 258×65; of 192×128: ",
        ("--input-range", "signed"),
    ),
    "a task that it can't": Case(
        draws(), r"^it takes a latent: it can generate, not translate$", ("--task", "translate")
    ),
    "classes without a label": Case(
        draws(), r"^it takes no label, so it has no classes: leave --classes out$", ("--classes", "a,b")
    ),
    "more names than classes": Case(
        draws(label="int32"),
        r"^--classes names 3, and it has no class 2, counted from 0: running Gather node.*indices element out of",
        ("--classes", "a,b,c"),
    ),
    "another count of names than of values": Case(
        draws(label="one_hot"), r"^--classes names 3; its label y has 2 values$",
        ("--classes", "a,b,c", "--label", "y"),
    ),
    "an input that isn't there": Case(draws(), r"^--latent noise names no input; there are z$", ("--latent", "noise")),
    "a label that is none": Case(
        draws(latent=(LATENT, 1, 1)), r"^--label z, float32 \[n, 8, 1, 1\]: a label is \[n\], or \[n, classes\]",
        ("--label", "z"),
    ),
    "a name that is none": Case(draws(), r"^--name My GAN can't be a name: those are", ("--name", "My GAN")),
    "a path as a name": Case(draws(), r"^--name \.\./out can't be a name: those are", ("--name", "../out")),
    "a style's name that is none": Case(
        paints(), r"^--style Van Gogh can't be a name: those are", ("--style", "Van Gogh")
    ),
}  # fmt: skip

UNSEEN = {
    "the licence": Case(draws(), r"^  --licence TEXT: under which the weights may be used$"),
    "the names of the classes": Case(draws(label="int64"), r"^  --classes NAMES: what the classes are called, in the"),
    "which of two is the label": Case(
        draws(label="one_hot", classes=LATENT),
        r"^  --label NAME: z or y, which of them is the class, as a row with a value for each$",
        ("--classes", "a,b,c,d,e,f,g,h"),
    ),
    "which output is the picture": Case(
        two_pictures(),
        r"^  --output NAME: which is the picture, picture, float32 \[1, 3, 16, 16\] or rough, float32 \[1, 3, 16",
    ),
    "the range of what it takes": Case(
        paints(), r"^  --input-range RANGE: what black and white are in photo: signed \[-1, 1\], unit \[0, 1\], byte"
    ),
    "the range of what it gives, a little below 0": Case(
        draws(scaled(0.4, 0.5 - 0.25)),
        r"^  --range RANGE: .* byte \[0, 255\]; it gave -0\.15 to 0\.65, which tells none of them$",
    ),
    "the range of what it gives, which may be two": Case(
        draws(seldom_extreme), r"^  --range RANGE: .*; it gave -0\.285 to 1\.11, which may be \[-1, 1\] or \[0, 1\]$"
    ),
    "the range of a few grey levels": Case(
        draws(scaled(0.1, 0.5)), r"^  --range RANGE: .*; it gave 0\.4 to 0\.6, which tells none of them$"
    ),
    "the layout": Case(
        paints(size=(4, 3), rows=1),
        r"^  --layout NCHW or NHWC: how the pictures of photo, float32 \[1, 3, 4, 3\], lie$",
        ("--input-range", "signed"),
    ),
    "the name of a style": Case(
        paints(), r"^  --style NAME: what the style is called$", ("--task", "style", "--input-range", "signed")
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_graph_that_can_not_be_served_is_refused_with_the_reason(name: str, add: Add, models: Path) -> None:
    case = REFUSED[name]
    told = add(case.graph, *case.flags)
    assert (told.code, told.out) == (1, "")
    assert re.search(case.said, told.error.strip()), told.error
    assert not list(models.glob("*"))


@pytest.mark.parametrize("name", UNSEEN)
def test_what_can_not_be_seen_is_asked_for_by_its_flag(name: str, add: Add, models: Path) -> None:
    case = UNSEEN[name]
    told = add(case.graph, *case.flags, licensed=name != "the licence")
    assert (told.code, told.out) == (2, "")
    head, need = told.error.splitlines()
    assert head == "this can't be seen from the graph:"
    assert re.search(case.said, need), need
    assert not list(models.glob("*"))


def test_all_that_is_missing_is_asked_for_at_once(add: Add) -> None:
    told = add(draws(scaled(0.1, 0.5), label="int64"), licensed=False)
    assert [line.split()[0] for line in told.error.splitlines()[1:]] == ["--licence", "--classes", "--range"]


def test_what_is_said_is_taken_at_its_word_and_what_is_clipped_is_told(add: Add) -> None:
    told = add(draws(scaled(3, 0)), "--range", "signed")
    assert told.code == 0
    assert re.search(r"note: \d\d% of the values of picture, -3 to 3, lie outside \[-1, 1\]: clipped\n", told.out)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, r"made\.onnx can't be read: No such file or directory$"),
        (lambda path: path.mkdir(), r"made\.onnx can't be read: Is a directory$"),
        (lambda path: path.open("wb").truncate(2**31 + 1), r"made\.onnx holds 2\.1 GB; an ONNX file holds at most"),
    ],
)  # fmt: skip
def test_a_file_that_can_not_be_read_is_named(
    make: Callable[[Path], object], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "made.onnx"
    make(path)
    assert inventory.run(["add", str(path), "--licence", "x", "--models", str(tmp_path / "models")], "") == 1
    assert re.search(said, capsys.readouterr().err.strip())


def test_class_names_differ(add: Add, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        add(draws(label="int64"), "--classes", "cat,dog,cat")
    assert "argument --classes: 3 names, 2 of them different: each class has one" in capsys.readouterr().err


def test_a_model_that_fails_its_proof_is_not_added(add: Add, models: Path) -> None:
    """One that can't draw eight pictures at once, which a look at a few rows doesn't show."""

    def up_to_seven(sketch: Sketch, raw: str) -> str:
        last = sketch.add("Sub", sketch.add("Shape", "z", end=1), sketch.holds([1], "int64"))
        return sketch.add("Add", sketch.add("Tanh", raw), sketch.add("Gather", sketch.holds([0] * 7), last))

    told = add(draws(up_to_seven))
    assert (told.code, told.out) == (1, "")
    assert re.search(r"^the model that came of it can't be served: running Gather node", told.error), told.error
    assert not list(models.glob("*"))
