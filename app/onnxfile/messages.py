"""ONNX's messages by the numbers of their fields (onnx.proto of ONNX 1.23): which there are, and what they hold.

A field that is not listed is refused: it would be read by a runtime that knows more than what looks here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from app.onnxfile import wire
from app.onnxfile.refusal import GraphRefusedError
from app.onnxfile.wire import Purse, Value

Kind = Literal["int", "ints", "float", "floats", "doubles", "text", "texts", "bytes", "blobs", "message", "messages"]

WIRES: Mapping[Kind, tuple[int, ...]] = {
    "int": (wire.VARINT,),
    "ints": (wire.VARINT, wire.BYTES),
    "float": (wire.FIXED32,),
    "floats": (wire.FIXED32, wire.BYTES),
    "doubles": (wire.FIXED64, wire.BYTES),
}
"""How a kind is written; the others are bytes."""

ONCE = ("int", "float", "text", "bytes", "message")
"""Kinds that a message holds at most once. Protobuf would take the last one, or merge them."""


@dataclass(frozen=True)
class Message:
    """The fields of a message by their number: name and kind."""

    name: str
    known: Mapping[int, tuple[str, Kind]]


MODEL = Message(
    "ModelProto",
    {
        1: ("ir_version", "int"),
        2: ("producer_name", "text"),
        3: ("producer_version", "text"),
        4: ("domain", "text"),
        5: ("model_version", "int"),
        6: ("doc_string", "text"),
        7: ("graph", "message"),
        8: ("opset_import", "messages"),
        14: ("metadata_props", "messages"),
        20: ("training_info", "messages"),
        25: ("functions", "messages"),
    },
)
OPSET = Message("OperatorSetIdProto", {1: ("domain", "text"), 2: ("version", "int")})
GRAPH = Message(
    "GraphProto",
    {
        1: ("node", "messages"),
        2: ("name", "text"),
        5: ("initializer", "messages"),
        10: ("doc_string", "text"),
        11: ("input", "messages"),
        12: ("output", "messages"),
        13: ("value_info", "messages"),
        14: ("quantization_annotation", "messages"),
        15: ("sparse_initializer", "messages"),
        16: ("metadata_props", "messages"),
    },
)
FUNCTION = Message(
    "FunctionProto",
    {
        1: ("name", "text"),
        4: ("input", "texts"),
        5: ("output", "texts"),
        6: ("attribute", "texts"),
        7: ("node", "messages"),
        8: ("doc_string", "text"),
        9: ("opset_import", "messages"),
        10: ("domain", "text"),
        11: ("attribute_proto", "messages"),
        12: ("value_info", "messages"),
        13: ("overload", "text"),
        14: ("metadata_props", "messages"),
    },
)
NODE = Message(
    "NodeProto",
    {
        1: ("input", "texts"),
        2: ("output", "texts"),
        3: ("name", "text"),
        4: ("op_type", "text"),
        5: ("attribute", "messages"),
        6: ("doc_string", "text"),
        7: ("domain", "text"),
        8: ("overload", "text"),
        9: ("metadata_props", "messages"),
    },
)
ATTRIBUTE = Message(
    "AttributeProto",
    {
        1: ("name", "text"),
        2: ("f", "float"),
        3: ("i", "int"),
        4: ("s", "bytes"),
        5: ("t", "message"),
        6: ("g", "message"),
        7: ("floats", "floats"),
        8: ("ints", "ints"),
        9: ("strings", "blobs"),
        10: ("tensors", "messages"),
        11: ("graphs", "messages"),
        13: ("doc_string", "text"),
        14: ("tp", "message"),
        15: ("type_protos", "messages"),
        20: ("type", "int"),
        21: ("ref_attr_name", "text"),
        22: ("sparse_tensor", "message"),
        23: ("sparse_tensors", "messages"),
    },
)
TENSOR = Message(
    "TensorProto",
    {
        1: ("dims", "ints"),
        2: ("data_type", "int"),
        4: ("float_data", "floats"),
        5: ("int32_data", "ints"),
        6: ("string_data", "blobs"),
        7: ("int64_data", "ints"),
        8: ("name", "text"),
        9: ("raw_data", "bytes"),
        10: ("double_data", "doubles"),
        11: ("uint64_data", "ints"),
        12: ("doc_string", "text"),
        13: ("external_data", "messages"),
        14: ("data_location", "int"),
        16: ("metadata_props", "messages"),
    },
)
ENTRY = Message("StringStringEntryProto", {1: ("key", "text"), 2: ("value", "text")})
VALUE_INFO = Message(
    "ValueInfoProto",
    {1: ("name", "text"), 2: ("type", "message"), 3: ("doc_string", "text"), 4: ("metadata_props", "messages")},
)
TYPE = Message(
    "TypeProto",
    {
        1: ("tensor_type", "message"),
        4: ("sequence_type", "bytes"),
        5: ("map_type", "bytes"),
        6: ("denotation", "text"),
        8: ("sparse_tensor_type", "bytes"),
        9: ("optional_type", "bytes"),
    },
)
TENSOR_TYPE = Message("TypeProto.Tensor", {1: ("elem_type", "int"), 2: ("shape", "message")})
SHAPE = Message("TensorShapeProto", {1: ("dim", "messages")})
DIM = Message(
    "TensorShapeProto.Dimension", {1: ("dim_value", "int"), 2: ("dim_param", "text"), 3: ("denotation", "text")}
)


class Read:
    """The fields of one message, by name; what wasn't written is empty."""

    def __init__(self, data: memoryview, message: Message, purse: Purse) -> None:
        """`GraphRefusedError` for what is no such message, holds what none has, or anything twice that is held once."""
        self._held: dict[str, list[Value]] = {}
        for number, kind, value in wire.fields(data, purse):
            if number not in message.known:
                raise GraphRefusedError(f"its {message.name} has a field {number}, which no graph needs")
            name, expected = message.known[number]
            if kind not in WIRES.get(expected, (wire.BYTES,)):
                raise GraphRefusedError(f"its {message.name} holds {name} in the wire type {kind}")
            held = self._held.setdefault(name, [])
            if held and expected in ONCE:
                raise GraphRefusedError(f"its {message.name} holds {name} twice")
            held.append(value)

    def has(self, name: str) -> bool:
        """Whether anything of that name was written."""
        return name in self._held

    def text(self, name: str) -> str:
        """A text; `GraphRefusedError` if it is no UTF-8."""
        value = self._held.get(name, [memoryview(b"")])[0]
        assert not isinstance(value, int)  # noqa: S101 - by the wire type
        try:
            return str(value, "utf-8")
        except UnicodeDecodeError as error:
            raise GraphRefusedError(f"its {name} is no text") from error

    def texts(self, name: str) -> list[str]:
        """Texts, in their order; what is no UTF-8 in them is replaced."""
        return [str(value, "utf-8", "replace") for value in self.parts(name)]

    def number(self, name: str) -> int:
        """A number; 0 if it wasn't written."""
        value = self._held.get(name, [0])[0]
        assert isinstance(value, int)  # noqa: S101 - by the wire type
        return wire.signed(value)

    def numbers(self, name: str) -> list[int]:
        """Numbers, packed or not."""
        found: list[int] = []
        for value in self._held.get(name, []):
            found += [value] if isinstance(value, int) else wire.varints(value)
        return [wire.signed(value) for value in found]

    def parts(self, name: str) -> list[memoryview]:
        """The bytes of each of that name: messages, packed numbers, texts."""
        return [value for value in self._held.get(name, []) if not isinstance(value, int)]

    def count(self, name: str) -> int:
        """How many of that name there are."""
        return len(self._held.get(name, []))
