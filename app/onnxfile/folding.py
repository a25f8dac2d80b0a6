"""What a runtime computes as it loads a graph, before any run: the nodes whose inputs are all constants.

It does so in memory that nothing bounds, and keeps what comes of it, where a run would have let go of it: forty nodes
that each make 20 MB of constants, one after the other, take 20 MB in a run and 800 MB in a session. So how much it
would be is estimated here, from above, of operators that are known; of others it is without bound.
"""

from collections.abc import Sequence
from math import inf, prod

VALUE = 8
"""Bytes of a value, as many as the common types have at most."""

SHAPES = ("Shape", "Size")
"""Operators whose values a runtime may know before it knows their input's."""
AXES = 32

ALONE = frozenset({"Abs", "Cast", "Ceil", "Erf", "Exp", "Flatten", "Floor", "Identity", "Log", "Neg", "Not", "Relu"})
ALONE |= {"Reciprocal", "Reshape", "Round", "Sigmoid", "Sign", "Slice", "Sqrt", "Squeeze", "Tanh", "Transpose"}
REDUCED = frozenset({"ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare"})
SUMMED = ALONE | REDUCED | {"Concat", "Split", "Unsqueeze"}
"""Operators none of whose outputs has more values than all inputs together."""

MULTIPLIED = frozenset(
    {"Add", "And", "Div", "Equal", "Gather", "Greater", "Less", "MatMul", "Max", "Min", "Mod", "Mul"}
)
MULTIPLIED |= {"Or", "Pow", "Sub", "Where"}
"""Operators whose output has at most as many values as those of the inputs multiplied: they broadcast."""


class Ahead:
    """The constants of a graph, and how many values they make."""

    def __init__(self) -> None:
        self.values: float = 0
        """Values that are computed ahead, at most."""
        self._counts: dict[str, float] = {}

    def hold(self, name: str, count: int) -> None:
        """Takes in weights of so many values."""
        self._counts[name] = count

    def node(self, operator: str, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Takes in a node, which comes after those that it reads."""
        if operator in SHAPES:
            count: float = AXES
        elif not inputs or any(name and name not in self._counts for name in inputs):
            return
        elif operator in SUMMED:
            count = sum(self._counts[name] for name in inputs if name)
        elif operator in MULTIPLIED:
            count = prod(max(1, self._counts[name]) for name in inputs if name)
        else:
            count = inf
        self.values += count * len(outputs)
        self._counts |= dict.fromkeys(outputs, count)
