"""The service itself: its models, and how it is."""

from collections.abc import Mapping
from typing import Any

from .. import answers
from ..answers import Model
from ..calls import JSON, Call, model_path


def models() -> Call[list[Model]]:
    """Every model version, its state, and the exact reason of each that isn't served."""
    return Call("GET", "/models", JSON, answers.models, {})


def model(reference: str) -> Call[Model]:
    """One model by its name, which means its newest version, or `name@version`; with all that its manifest says."""
    return Call("GET", model_path(reference), JSON, answers.model, {})


def health() -> Call[Mapping[str, Any]]:
    """That the process lives, in its own words; `NoAnswerError` if it doesn't."""
    return Call("GET", "/healthz", JSON, answers.document, {})


def ready() -> Call[Mapping[str, Any]]:
    """That it can take work, with the state of each model; else a `ServiceError`, 503, with the reason of each."""
    return Call("GET", "/readyz", JSON, answers.document, {})
