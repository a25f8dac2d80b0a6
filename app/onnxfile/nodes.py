"""The nodes of a file: which operators they name, what lies inside of them, and how many there are."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

from app.onnxfile import messages, tensors
from app.onnxfile.folding import Ahead
from app.onnxfile.messages import Read
from app.onnxfile.refusal import GraphRefusedError, shown, size
from app.onnxfile.wire import Purse

STANDARD = ("", "ai.onnx")
"""Domains whose operators may be used: ONNX's own, each of which is a function of its inputs. None reads a file, calls
back, or keeps anything; those of runtimes do (`EPContext` names a file that is loaded as code), and their kernels have
seen fewer eyes."""

ROUNDS = "of which nobody knows when it ends: unroll it"
UNBOUND = "whose own books take memory without a bound: do without"
TEXTS = "texts, which take memory without a bound: do without"

UNSERVED = {"Loop": ROUNDS, "Scan": ROUNDS, "SequenceMap": ROUNDS, "Unique": UNBOUND}
"""Standard operators that aren't served all the same, and why. How often a loop goes round shows in a run only, and a
run can't say; a picture is one pass forward. (`Loop` also ends the process, onnxruntime 1.32, where its count is an
empty tensor.) `Unique` takes ten times its input, not from the arena that bounds a run."""

TEXT_VALUES = ("value_string", "value_strings")
"""Attributes of a Constant that are texts. Their letters lie outside of the arena that bounds a run."""

WEIGHTS = 10_000
"""Tensors that a graph may hold: a runtime looks for each among all, so twice as many take four times as long."""

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
    ahead: Ahead = field(default_factory=Ahead)
    """What a runtime computes of it before any run, graphs inside of it left out."""

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
        if graph.count("initializer") > WEIGHTS:
            raise GraphRefusedError(f"it has {graph.count('initializer'):,} weights; {WEIGHTS:,} are taken at most")
        body, constants = Body(branches=depth > 0), dict(outer or {})
        for part in graph.parts("initializer"):
            weights = tensors.weights(part, self.purse)
            body.weights += weights.bytes
            constants[weights.name] = weights.values
            body.ahead.hold(weights.name, weights.count)
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
            if operator in UNSERVED and domain in STANDARD:
                raise GraphRefusedError(f"it has a {operator}, {UNSERVED[operator]}")
            body.operators[domain, operator, node.text("overload")] += 1
            held, given, made = {}, node.texts("input"), node.texts("output")
            for one in node.parts("attribute"):
                attribute = Read(one, messages.ATTRIBUTE, self.purse)
                _is_settled(operator, attribute, len(made))
                held[attribute.text("name")] = self.attribute(attribute, body, depth, constants)
            if operator == "Constant":
                constants |= dict.fromkeys(made, next(iter(held.values()), None))
                for name in made:
                    body.ahead.hold(name, len(part))
            else:
                body.ahead.node(operator, given, made)
            places = [given[at] for at in GROWING.get(operator, ()) if at < len(given)]
            shapes = [shape for place in places if (shape := constants.get(place))]
            if operator in DRAWING and (shape := held.get("shape")):
                shapes.append(shape)
            for shape in shapes:
                self._made(operator, shape)

    def attribute(
        self, attribute: Read, body: Body, depth: int = 0, outer: Constants | None = None
    ) -> tuple[float, ...] | None:
        """An AttributeProto: its value, where it is a constant that may be a shape."""
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
        return value

    def _made(self, operator: str, shape: tuple[float, ...]) -> None:
        """`GraphRefusedError` if a tensor of that shape takes too many bytes, or can't be."""
        taken = prod(max(side, 0) for side in shape) * FLOAT
        if not taken <= self.most:
            raise GraphRefusedError(f"{operator} makes one value of {size(taken)}; {size(self.most)} may be taken")


def _is_settled(operator: str, attribute: Read, outputs: int) -> None:
    """`GraphRefusedError` for an attribute by which a node makes texts, or more values than it has outputs for.

    Neither may be left to whoever calls the function that the node stands in: what is said there is not known here.
    """
    name, value = attribute.text("name"), attribute.number("i")
    if operator == "Constant" and name in TEXT_VALUES:
        raise GraphRefusedError(f"it has {TEXTS}")
    if operator == "Cast" and name == "to" and (value == tensors.STRING or attribute.has("ref_attr_name")):
        raise GraphRefusedError(f"it has a Cast to {TEXTS}")
    # The runtime makes a list of that many, 16 GB for the largest number, as it loads the graph.
    if operator == "Split" and name == "num_outputs" and value != outputs:
        raise GraphRefusedError(f"it has a Split into {value:,} with {outputs:,} outputs")


def check(body: Body, functions: Mapping[Operator, Body]) -> None:
    """`GraphRefusedError` if an operator is neither standard nor a function of the file."""
    for domain, name, overload in body.operators:
        if domain not in STANDARD and (domain, name, overload) not in functions:
            raise GraphRefusedError(
                f"it needs the operator {shown(name)} of {shown(domain)}, which isn't served: export it with "
                "operators of ONNX itself"
            )
