"""A graph made elsewhere, told in the contract's words: what was seen of it, what it did, and what was said of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from app.contract import Graph, Latent, Meaning, Task, Tensor
from app.elsewhere import inputs, outputs, trial
from app.elsewhere.look import Look
from app.elsewhere.trial import Trial
from app.elsewhere.wishes import MissingError, RefusedError, Wishes
from app.engine.adapt import Adapted


@dataclass(frozen=True)
class Found:
    """What a graph is in a manifest, and what is remarkable of it, in words."""

    graph: Graph
    task: Task
    latent: Latent | None
    remarks: tuple[str, ...]


def found(look: Look, wishes: Wishes, file: str) -> Found:
    """The graph as `file` of a model folder.

    `MissingError` names the flags that are needed to go on; `RefusedError` says why the graph can't be served.
    """
    needs = [] if wishes.licence else ["--licence TEXT: under which the weights may be used"]
    try:
        meanings = inputs.meanings(look, wishes)
        task = _task(list(meanings.values()), wishes)
        if "label" in meanings.values() and not wishes.classes:
            needs.append("--classes NAMES: what the classes are called, in the order of their numbers")
        if task == "style" and not wishes.style:
            needs.append("--style NAME: what the style is called")
        graph, latent, remarks = _described(look, wishes, meanings, file)
    except MissingError as error:
        raise MissingError([*needs, *error.needs]) from None
    if needs:
        raise MissingError(needs)
    return Found(graph, task, latent, tuple(remarks))


def _described(
    look: Look, wishes: Wishes, meanings: Mapping[str, Meaning], file: str
) -> tuple[Graph, Latent | None, list[str]]:
    """The graph, its latent space, and remarks."""
    describe = partial(_inputs, look, wishes, meanings)
    rows, remarks = inputs.rows_declared(look), []
    stated = describe(rows, 1)
    tried = trial.of_any_size(Trial(look, stated, _latent(stated), _classes(stated, wishes)), describe, rows, wishes)
    name = outputs.chosen(look, wishes, tried.first(rows or 1), rows or 1)
    if rows is None:
        rows, remark = trial.rows_taken(tried, name)
        remarks.append(remark)
        tried = tried.with_inputs(describe(rows, tried.multiple))
    remarks.append(_classes_remark(tried, wishes, rows or 1))
    values = tried.many(name, rows or trial.MANY)
    made, remark = outputs.tensor(name, values, rows, wishes, tried.picture)
    remarks.append(remark)
    others = tuple(output.name for output in look.outputs if output.name != name)
    random = not tried.repeats(name, rows or 1)
    graph = Graph(file=file, inputs=tried.inputs, outputs=(made,), unread=others, random=random)
    if random:
        remarks.append(
            f"equal inputs give another {name} each time: random nodes are inside. It is served, but its pictures have "
            "no address and can't be made again"
        )
    elif not _stand_alone(tried, graph):
        remarks.append("a picture depends on its neighbours in a batch: each is drawn in a batch of its own")
    return graph, tried.latent, [remark for remark in remarks if remark]


def _task(meanings: Sequence[Meaning], wishes: Wishes) -> Task:
    """The task: the wished one, if the graph takes what that gives it."""
    can: tuple[Task, ...] = ("translate", "style") if "image" in meanings else ("generate",)
    task = wishes.task or ("style" if wishes.style else can[0])
    if task not in can:
        takes = "a picture" if "image" in meanings else "a latent"
        raise RefusedError(f"it takes {takes}: it can {' or '.join(can)}, not {task}")
    return task


def _inputs(
    look: Look, wishes: Wishes, meanings: Mapping[str, Meaning], rows: int | None, multiple: int
) -> tuple[Tensor, ...]:
    return tuple(inputs.tensor(held, meanings[held.name], wishes, rows, multiple) for held in look.inputs)


def _latent(tensors: Sequence[Tensor]) -> Latent | None:
    drawn = next((tensor for tensor in tensors if tensor.meaning == "latent"), None)
    return None if drawn is None else Latent(size=int(drawn.shape[1]))


def _classes(tensors: Sequence[Tensor], wishes: Wishes) -> int:
    """How many classes the graph can be tried with: as many as its label has values, or as there are names, or one."""
    label = next((tensor for tensor in tensors if tensor.meaning == "label"), None)
    if label is None:
        if wishes.classes:
            raise RefusedError("it takes no label, so it has no classes: leave --classes out")
        return 0
    width = int(label.foreign.shape[1]) if label.foreign and label.foreign.one_hot else None
    if width and wishes.classes and len(wishes.classes) != width:
        raise RefusedError(f"--classes names {len(wishes.classes)}; its label {label.name} has {width} values")
    return width or len(wishes.classes) or 1


def _classes_remark(tried: Trial, wishes: Wishes, rows: int) -> str:
    """A remark if there may be more classes than names; `RefusedError` if there are fewer."""
    label = next((tensor for tensor in tried.inputs if tensor.meaning == "label"), None)
    count = len(wishes.classes)
    if label is None or not count or (label.foreign and label.foreign.one_hot):
        return ""
    if error := tried.fails(count - 1, rows):
        raise RefusedError(f"--classes names {count}, and it has no class {count - 1}, counted from 0: {error}")
    if not tried.fails(count, rows):
        return f"it also draws class {count}, counted from 0, for which --classes has no name"
    return ""


def _stand_alone(tried: Trial, graph: Graph) -> bool:
    """Whether the first row of a batch is the same picture as alone."""
    count = graph.batch or trial.MANY
    session = Adapted(tried.look.loaded, graph)
    names = [tensor.name for tensor in graph.outputs]
    native = tried.drawn(range(count))
    (together,) = session.run(names, native)
    (alone,) = session.run(names, {name: value[:1] for name, value in native.items()})
    return np.array_equal(together[:1], alone)
