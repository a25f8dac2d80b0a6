"""The nodes of a file: which operators they name, what lies inside of them, and how many there are."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

from app.onnxfile import messages, tensors
from app.onnxfile.messages import Read
from app.onnxfile.refusal import GraphRefusedError, shown, size
from app.onnxfile.wire import Purse

STANDARD = ("", "ai.onnx")
"""Domains whose operators may be used: ONNX's own, each of which is a function of its inputs. None reads a file, calls
back, or keeps anything; those of runtimes do (`EPContext` names a file that is loaded as code), and their kernels have
seen fewer eyes."""

ROUNDS = ("Loop", "Scan", "SequenceMap")
"""Standard operators that aren't served all the same: how often they go round shows in a run only, and a run can't say.
A picture is one pass forward. (`Loop` also ends the process, onnxruntime 1.32, where its count is an empty tensor.)"""

DEPTH = 16
"""Graphs within graphs: the branches of If."""

Operator = tuple[str, str, str]
"""Domain, name, and overload, which only functions have."""

GROWING: Mapping[str, tuple[int, ...]] = {"ConstantOfShape": (0,), "Expand": (1,), "Tile": (1,), "Resize": (2, 3)}
"""Operators that make as many values as an input says, and which input that is."""

DRAWING = ("RandomNormal", "RandomUniform")
"""Operators that make as many values as their attribute `shape` says."""

FLOAT = 4
"""Bytes of what is made, at least in all that matters."""


Constants = dict[str, tuple[float, ...] | None]
"""Small constants by name, as far as they may be shapes."""


@dataclass
class Body:
    """What was seen of a graph or a function, graphs inside of it included."""

    operators: Counter[Operator] = field(default_factory=Counter)
    weights: int = 0
    """Bytes of the tensors that it holds."""
    branches: bool = False
    """Whether there are graphs inside of it."""

    def add(self, other: "Body") -> None:
        """Takes in what was seen of a part."""
        self.operators += other.operators
        self.weights += other.weights
        self.branches |= other.branches


@dataclass(frozen=True)
class Walk:
    """How far a walk may go: in fields, and in bytes of any one value."""

    purse: Purse
    most: int

    def graph(self, data: memoryview, depth: int = 0, outer: Constants | None = None) -> Body:
        """A GraphProto, which sees the constants of the one that it lies in; `GraphRefusedError` with the reason why no
        runtime should see it.
        """
        if depth > DEPTH:
            raise GraphRefusedError(f"its graphs are more than {DEPTH} deep in each other")
        graph = Read(data, messages.GRAPH, self.purse)
        if graph.has("sparse_initializer"):
            raise GraphRefusedError(
                "it has sparse weights, of which a few bytes stand for any number: store them dense"
            )
        body, constants = Body(branches=depth > 0), dict(outer or {})
        for part in graph.parts("initializer"):
            weights = tensors.weights(part, self.purse)
            body.weights += weights.bytes
            constants[weights.name] = weights.values
        for kind in ("input", "output", "value_info"):
            for part in graph.parts(kind):
                name, is_tensor = tensors.declared(part, self.most, self.purse)
                if depth == 0 and kind != "value_info" and not is_tensor:
                    raise GraphRefusedError(f"its {kind} {shown(name)} is no tensor")
        self.nodes(graph.parts("node"), body, constants, depth)
        return body

    def nodes(self, parts: list[memoryview], body: Body, constants: Constants, depth: int) -> None:
        """NodeProtos of a graph or a function, into its body."""
        for part in parts:
            node = Read(part, messages.NODE, self.purse)
            operator, domain = node.text("op_type"), node.text("domain")
            if operator in ROUNDS and domain in STANDARD:
                raise GraphRefusedError(f"it has a {operator}, of which nobody knows when it ends: unroll it")
            body.operators[domain, operator, node.text("overload")] += 1
            held = {}
            for attribute in node.parts("attribute"):
                name, value = self.attribute(attribute, body, depth, constants)
                held[name] = value
            if operator == "Constant":
                constants |= dict.fromkeys(node.texts("output"), next(iter(held.values()), None))
            given = node.texts("input")
            places = [given[at] for at in GROWING.get(operator, ()) if at < len(given)]
            shapes = [shape for place in places if (shape := constants.get(place))]
            if operator in DRAWING and (shape := held.get("shape")):
                shapes.append(shape)
            for shape in shapes:
                self._made(operator, shape)

    def attribute(
        self, data: memoryview, body: Body, depth: int = 0, outer: Constants | None = None
    ) -> tuple[str, tuple[float, ...] | None]:
        """An attribute's name, and its value where it is a constant that may be a shape."""
        attribute = Read(data, messages.ATTRIBUTE, self.purse)
        if attribute.has("sparse_tensor") or attribute.has("sparse_tensors"):
            raise GraphRefusedError(
                "it has sparse weights, of which a few bytes stand for any number: store them dense"
            )
        value: tuple[float, ...] | None = None
        for part in (*attribute.parts("t"), *attribute.parts("tensors")):
            weights = tensors.weights(part, self.purse)
            body.weights += weights.bytes
            value = weights.values
        for part in (*attribute.parts("g"), *attribute.parts("graphs")):
            body.branches = True
            body.add(self.graph(part, depth + 1, outer))
        if 0 < attribute.count("ints") <= tensors.SMALL:
            value = tuple(attribute.numbers("ints"))
        return attribute.text("name"), value

    def _made(self, operator: str, shape: tuple[float, ...]) -> None:
        """`GraphRefusedError` if a tensor of that shape takes too many bytes, or can't be."""
        taken = prod(max(side, 0) for side in shape) * FLOAT
        if not taken <= self.most:
            raise GraphRefusedError(f"{operator} makes one value of {size(taken)}; {size(self.most)} may be taken")


def check(body: Body, functions: Mapping[Operator, Body]) -> None:
    """`GraphRefusedError` if an operator is neither standard nor a function of the file."""
    for domain, name, overload in body.operators:
        if domain not in STANDARD and (domain, name, overload) not in functions:
            raise GraphRefusedError(
                f"it needs the operator {shown(name)} of {shown(domain)}, which isn't served: export it with "
                "operators of ONNX itself"
            )
