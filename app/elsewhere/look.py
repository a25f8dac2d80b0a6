"""A graph made elsewhere, opened and run: what it declares, and what it does. Nothing is decided here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from app import onnxfile
from app.elsewhere.wishes import RefusedError
from app.engine import memory, providers, session
from app.engine.job import Arrays

MAX_BYTES = 2**31
"""What a protobuf can hold: a larger graph has its weights outside of its file."""

UNKNOWN = "it needs operators that this runtime doesn't have: export it with another opset"

REASONS = {
    "is not a registered function/op": UNKNOWN,
    "no op registered for": UNKNOWN,
    "is under development": "it needs an opset that this runtime doesn't know yet: export it with an older one",
}
"""What the runtime's words mean, for whoever sees the file for the first time."""


@dataclass(frozen=True)
class Held:
    """An input or output as the graph declares it. An open axis is a name or None; `shape` is empty if it says none."""

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]

    def __str__(self) -> str:
        axes = ", ".join("?" if axis is None else str(axis) for axis in self.shape)
        return f"{self.name}, {self.dtype} [{axes}]"


@dataclass(frozen=True)
class Look:
    """An opened graph: its file's bytes, what it declares, who wrote it, and a session to try it with."""

    data: bytes
    inputs: tuple[Held, ...]
    outputs: tuple[Held, ...]
    producer: str
    loaded: Any

    def run(self, feed: Arrays) -> dict[str, NDArray[Any]]:
        """Every output by name; `RefusedError` with the runtime's reason."""
        values, error = self.tried(feed)
        if error:
            raise RefusedError(f"it can't be run: {error}")
        return values

    def tried(self, feed: Arrays) -> tuple[dict[str, NDArray[Any]], str]:
        """As `run`; where that fails no outputs, and the runtime's reason."""
        names = [output.name for output in self.outputs]
        try:
            return dict(zip(names, self.loaded.run(names, dict(feed), providers.QUIET), strict=True)), ""
        except Exception as error:  # the runtime's errors share no other base
            return {}, reason(error)


def opened(path: Path) -> Look:
    """The graph in a file; `RefusedError` if it can't be read or loaded."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise RefusedError(f"{path} holds {size / 1e9:.1f} GB; an ONNX file holds at most {MAX_BYTES / 1e9:.1f} GB")
        data = path.read_bytes()
    except OSError as error:
        raise RefusedError(f"{path} can't be read: {error.strerror}") from error
    try:
        onnxfile.screen(data, free := memory.available())
    except onnxfile.GraphRefusedError as error:
        raise RefusedError(f"{path} is refused: {error}") from error
    try:
        loaded = providers.load_bounded(data, free)
    except Exception as error:  # the runtime's errors share no other base
        said = reason(error)
        meant = next((words for mark, words in REASONS.items() if mark in said.lower()), "it can't be loaded")
        raise RefusedError(f"{path}: {meant} ({said})") from error
    return Look(
        data=data,
        inputs=tuple(map(_held, loaded.get_inputs())),
        outputs=tuple(map(_held, loaded.get_outputs())),
        producer=loaded.get_modelmeta().producer_name,
        loaded=loaded,
    )


def reason(error: Exception) -> str:
    """What the runtime says, on one line and without its codes."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text.rpartition(" : ")[2].removeprefix("Non-zero status code returned while ") or text


def _held(tensor: Any) -> Held:
    return Held(tensor.name, session.TYPES.get(tensor.type, tensor.type), tuple(tensor.shape))
