"""A file as a whole: whether it is a plain ONNX graph that a runtime may be given."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.onnxfile import folding, messages, nodes
from app.onnxfile.messages import Read
from app.onnxfile.nodes import Body, Operator, Walk
from app.onnxfile.refusal import GraphRefusedError, shown, size
from app.onnxfile.wire import Purse

FIELDS = 500_000
"""Fields of messages that are read: 1.5 s. The shipped graphs have up to 6,000; a tensor's values are one."""

NODES = 20_000
"""Nodes once each function is in the place of its calls, as a runtime puts it, which then takes a second or two to load
them, and four times as long for twice as many. The shipped graphs have up to 200."""

FUNCTIONS = 1_000
NESTED = 32
"""Functions that call each other in a chain."""

MOST = 2**36
"""Bytes of one value, where no budget is known: 69 GB."""


@dataclass(frozen=True)
class Screened:
    """What a file holds that was found to be in order.

    `weights` are bytes. `folds` says whether a runtime may compute the constants ahead: they take no more memory than
    there may be, and there is no branch, which would be computed even if no run takes it.
    """

    nodes: int
    weights: int
    folds: bool


def screen(data: bytes, budget: int | None = None) -> Screened:
    """What the bytes of an ONNX file hold.

    `GraphRefusedError` unless they are one graph of standard operators, whole in this file, of tensors that are as
    large as they say, none of which takes more than `budget` bytes, as far as the file states shapes.
    """
    most = MOST if budget is None else budget
    # The runtime would take it for its own format, in which none of this can be seen.
    if data[4:8] == b"ORTM":
        raise GraphRefusedError("it is of ONNX Runtime's own format, .ort: a model is an ONNX file")
    walk = Walk(Purse(FIELDS), most)
    model = Read(memoryview(data), messages.MODEL, walk.purse)
    if not model.has("graph"):
        raise GraphRefusedError("it is no ONNX graph")
    if model.has("training_info"):
        raise GraphRefusedError("it holds a graph for training: export it for inference")
    if model.count("functions") > FUNCTIONS:
        raise GraphRefusedError(f"it has {model.count('functions'):,} functions; {FUNCTIONS:,} are taken at most")
    functions = dict(_function(part, walk) for part in model.parts("functions"))
    if len(functions) < model.count("functions"):
        raise GraphRefusedError("two of its functions have the same name")
    graph = walk.graph(model.parts("graph")[0])
    bodies = [graph, *functions.values()]
    for body in bodies:
        nodes.check(body, functions)
    weights = sum(body.weights for body in bodies)
    if weights > most:
        raise GraphRefusedError(f"its weights take {size(weights)}; {size(most)} may be taken")
    folds = not functions and not graph.branches and graph.ahead.values * folding.VALUE <= most
    return Screened(_expanded(graph, functions, {}, ()), weights, folds)


def _function(data: memoryview, walk: Walk) -> tuple[Operator, Body]:
    function = Read(data, messages.FUNCTION, walk.purse)
    body = Body()
    for part in function.parts("attribute_proto"):
        walk.attribute(Read(part, messages.ATTRIBUTE, walk.purse), body)
    walk.nodes(function.parts("node"), body, {}, 0)
    return (function.text("domain"), function.text("name"), function.text("overload")), body


def _expanded(
    body: Body, functions: Mapping[Operator, Body], known: dict[Operator, int], path: tuple[Operator, ...]
) -> int:
    """The nodes of a body its functions in the place of their calls; `GraphRefusedError` if that has no end."""
    total = 0
    for operator, times in body.operators.items():
        if operator not in functions:
            total += times
            continue
        if operator in path:
            raise GraphRefusedError(f"its function {shown(operator[1])} calls itself")
        if len(path) >= NESTED:
            raise GraphRefusedError(f"its functions call each other in a chain of more than {NESTED}")
        if operator not in known:
            known[operator] = _expanded(functions[operator], functions, known, (*path, operator))
        total += times * known[operator]
    if total > NODES:
        raise GraphRefusedError(f"it has {total:,} nodes, its functions put in; {NODES:,} are taken at most")
    return total
