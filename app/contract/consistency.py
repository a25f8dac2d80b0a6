"""Whether the parts of a manifest fit each other, and what its tasks need is there."""

from math import prod

from app import directions
from app.contract import bounds
from app.contract.declaration import Declaration
from app.contract.tensors import GIVEN, SCORES, Graph, Task


def check(declared: Declaration) -> None:
    """Raises ValueError unless the parts of a manifest fit each other and what its tasks need is there."""
    if (declared.training is None) == (declared.origin is None):
        raise ValueError("it says where its weights come from: by `training`, or by `origin` if made elsewhere")
    for role, graph in declared.graphs.items():
        if graph.file not in declared.files:
            raise ValueError(f"graph {role!r} names {graph.file}, which `files` does not list")
    for task in declared.tasks:
        _can(declared, task)
    if unknown := [role for role in declared.styles.values() if role not in declared.graphs]:
        raise ValueError(f"styles name {', '.join(unknown)}, which is no graph")
    directions.check(declared.directions, declared.latent.size if declared.latent else None)
    _judges(declared, declared.graphs.get("critic"))
    _begins(declared, declared.graphs.get("stage1"))
    if not declared.golden:
        raise ValueError(f"the task {declared.tasks[0]!r} needs golden samples")
    _is_bounded(declared)


def _is_bounded(declared: Declaration) -> None:
    """Raises ValueError for golden samples that are, together with what they are drawn from, more than memory is for.

    A manifest of kilobytes may say so: their values are deflated, and their inputs are made up from a seed.
    """
    values = sum(prod(golden.shape) for golden in declared.golden)
    for graph in declared.graphs.values():
        values = max(values, len(declared.golden) * sum(prod(tensor.sample) for tensor in graph.inputs))
    if values > bounds.VALUES:
        raise ValueError(f"its golden samples have {values:,} values; {bounds.VALUES:,} are taken at most")
    if len(set(declared.classes)) < len(declared.classes):
        raise ValueError("two of its classes have the same name")


def _can(declared: Declaration, task: Task) -> None:
    """Raises ValueError unless the graphs that the task needs are there and take what it gives them."""
    generator = declared.graphs.get("generator")
    if generator is None:
        raise ValueError(f"the task {task!r} needs a graph 'generator'")
    if task in ("generate", "reconstruct"):
        _decodes(declared, generator, task)
    elif generator.input(GIVEN[task]) is None:
        raise ValueError(f"the task {task!r} needs a generator that takes {GIVEN[task]}")
    if task == "predict":
        _continues(generator)
    if task == "reconstruct":
        _encodes(declared)
    if task == "style" and not declared.styles:
        raise ValueError("the task 'style' needs the names of its styles")


def _continues(generator: Graph) -> None:
    """Raises ValueError unless the picture that the generator gives can be the newest of the frames it takes."""
    drawn, (_, *frame) = generator.output("image").sample, generator.given("frames").sample
    if drawn != tuple(frame):
        sizes = ["×".join(map(str, sides)) for sides in (frame, drawn)]
        raise ValueError(f"the task 'predict' needs an image like the frames, of {sizes[0]} values, not {sizes[1]}")


def _decodes(declared: Declaration, generator: Graph, task: Task) -> None:
    if declared.latent is None:
        raise ValueError(f"the task {task!r} needs a graph 'generator' and a latent")
    drawn = generator.input("latent")
    if drawn is None or drawn.shape[1:] != (declared.latent.size,):
        raise ValueError(f"the generator must take a latent of shape [n, {declared.latent.size}]")
    label = generator.input("label")
    if (label is not None) != bool(declared.classes):
        raise ValueError("a generator with a label needs class names, and one without has none")
    weights = ("float32", (len(declared.classes),))
    if label is not None and (label.dtype, label.shape[1:]) not in (("int64", ()), weights):
        raise ValueError(
            f"a label of {len(declared.classes)} classes must be int64 [n] or float32 [n, {len(declared.classes)}], "
            f"{label.name} is {label.dtype} [{', '.join(map(str, label.shape))}]"
        )
    if label and label.foreign and label.foreign.one_hot and label.foreign.shape[1] != len(declared.classes):
        raise ValueError(
            f"its label has {label.foreign.shape[1]} values, and there are {len(declared.classes)} classes"
        )


def _encodes(declared: Declaration) -> None:
    """Raises ValueError unless there is an encoder, from a picture to the latent."""
    encoder = declared.graphs.get("encoder")
    if encoder is None:
        raise ValueError("the task 'reconstruct' needs a graph 'encoder'")
    size = declared.latent.size if declared.latent else 0
    codes = [tensor for tensor in encoder.outputs if tensor.meaning in ("latent", "deviation")]
    means = [tensor.meaning for tensor in codes]
    if encoder.input("image") is None or means.count("latent") != 1 or means.count("deviation") > 1:
        raise ValueError("an encoder takes an image and answers with a latent, and at most one deviation")
    if wrong := [tensor.name for tensor in codes if tensor.shape[1:] != (size,)]:
        raise ValueError(f"the encoder's {' and '.join(wrong)} must be of shape [n, {size}], as the latent is")


def _judges(declared: Declaration, critic: Graph | None) -> None:
    """Raises ValueError unless the critic, if there is one, takes a picture, and its class if classes there are."""
    if critic is None:
        return
    picture = critic.input("image")
    if picture is None or SCORES[0] not in [tensor.name for tensor in critic.outputs]:
        raise ValueError(f"a critic takes an image and answers with {SCORES[0]}, and {SCORES[1]} if it can")
    drawn = declared.graphs["generator"].output("image").sample
    if picture.sample != drawn:
        raise ValueError(f"a critic judges pictures as the generator draws them, of {'×'.join(map(str, drawn))} values")
    label = critic.input("label")
    if label is not None and (label.dtype != "int64" or not declared.classes):
        raise ValueError("a critic's label is the index, int64 [n], of one of the model's classes")


def _begins(declared: Declaration, stage1: Graph | None) -> None:
    """Raises ValueError unless the first stage, if there is one, draws a picture from what the generator takes."""
    if stage1 is None:
        return
    both = (stage1, declared.graphs["generator"])
    small, large = ({(one.meaning, one.dtype, one.shape[1:]) for one in graph.inputs} for graph in both)
    if small != large or "image" not in [tensor.meaning for tensor in stage1.outputs]:
        raise ValueError("a graph 'stage1' must take what the generator takes, and draw an image")
