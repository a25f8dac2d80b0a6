"""The shapes of the Open Inference Protocol, version 2: requests, answers, metadata and errors.

From https://github.com/kserve/open-inference-protocol and Triton's extensions for binary tensors and for scheduling.
The protocol lets clients send parameters that a server doesn't know: those are passed over, but for the few that would
change what the answer means. Used by `inference` and `tensors`.
"""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from app.contract import Tensor

DATATYPES = {"float32": "FP32", "int64": "INT64", "uint8": "UINT8"}
"""The protocol's name of each type that a graph may take or give."""


def _not_offered(value: object) -> object:
    if value:
        raise ValueError("is not offered here")
    return value


SOME = 64
"""Tensors of a request, and axes of a tensor: more than any graph has, and few enough for an error to name."""

LARGEST = 2**53 - 1
"""Largest number, apart from values: exact in every client, and so that products of a few still fit a float."""

Short = Annotated[str, Field(max_length=256)]
NotOffered = Annotated[SkipJsonSchema[Any], AfterValidator(_not_offered)]


def _or_null(shape: Any) -> BeforeValidator:
    """Of an object whose members are all optional: null is as good as none of them."""
    return BeforeValidator(lambda value: {} if value is None else value, json_schema_input_type=shape | None)


class Shape(BaseModel):
    """Base of what a request holds: immutable, and of the very types that the protocol says."""

    model_config = ConfigDict(frozen=True, strict=True)


class InputParameters(Shape):
    """What may be said of an input."""

    binary_data_size: Annotated[int | None, Field(ge=0, description="bytes of it that follow the JSON")] = None
    shared_memory_region: NotOffered = None


class OutputParameters(Shape):
    """What may be said of an output."""

    binary_data: bool | None = None
    classification: NotOffered = None
    shared_memory_region: NotOffered = None


class RequestParameters(Shape):
    """What may be said of a request. 0 is as good as nothing."""

    timeout: Annotated[
        int, Field(ge=0, le=LARGEST, description="microseconds after which the answer is of no more use")
    ] = 0
    priority: Annotated[int, Field(ge=0, description="1 goes first; all above yield to it")] = 0
    binary_data_output: Annotated[bool, Field(description="outputs follow the JSON, unless one says otherwise")] = False
    sequence_id: NotOffered = None


class InputTensor(Shape):
    """An input: its data, nested or flat, row by row, or how many bytes of it follow the JSON."""

    name: Short
    shape: Annotated[list[Annotated[int, Field(le=LARGEST)]], Field(max_length=SOME)]
    datatype: Annotated[Short, Field(description="FP32, INT64 or UINT8, as the metadata says")]
    parameters: Annotated[InputParameters, _or_null(InputParameters)] = InputParameters()
    data: Annotated[Any, Field(description="numbers")] = None


class RequestedOutput(Shape):
    """An output that is wanted."""

    name: Short
    parameters: Annotated[OutputParameters, _or_null(OutputParameters)] = OutputParameters()


class InferRequest(Shape):
    """The JSON of a request."""

    id: str | None = None
    parameters: Annotated[RequestParameters, _or_null(RequestParameters)] = RequestParameters()
    inputs: Annotated[list[InputTensor], Field(max_length=SOME)]
    outputs: Annotated[list[RequestedOutput] | None, Field(max_length=SOME, description="all of them if not given")] = (
        None
    )


class OutputTensor(BaseModel):
    """An output: its data, flat, row by row, or in `parameters` how many bytes of it follow the JSON."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] = {}
    data: list[float] = []


class InferResponse(BaseModel):
    """The JSON of an answer."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]


class Server(BaseModel):
    """What this server is."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(BaseModel):
    """A tensor of a model; -1 where its shape is open, as the number of samples always is."""

    name: str
    datatype: str
    shape: list[int]

    @classmethod
    def of(cls, tensor: Tensor) -> "TensorMetadata":
        shape = [side if isinstance(side, int) else -1 for side in tensor.shape]
        return cls(name=tensor.name, datatype=DATATYPES[tensor.dtype], shape=shape)


class ModelMetadata(BaseModel):
    """A model: what its generator takes and gives."""

    name: str
    versions: list[str]
    platform: str = "onnxruntime_onnx"
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class Live(BaseModel):
    """The process lives."""

    live: bool = True


class Ready(BaseModel):
    """The server can take work."""

    ready: bool = True


class ModelReady(BaseModel):
    """The model can take work."""

    name: str
    ready: bool = True


class ErrorDocument(BaseModel):
    """An error, in the protocol's shape."""

    error: str
