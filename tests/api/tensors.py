"""Requests of the Open Inference Protocol to the model `toy`."""

from typing import Any

from tests.toy import LATENT

TOY = "/v2/models/toy/infer"


def tensors(n: int = 1, **other: dict[str, Any]) -> list[dict[str, Any]]:
    """Inputs of `toy` in JSON, with some members of `z` or `label` replaced."""
    few = min(n, 100)
    z = {"name": "z", "datatype": "FP32", "shape": [n, LATENT], "data": [0.5] * (few * LATENT)}
    label = {"name": "label", "datatype": "INT64", "shape": [n], "data": [1] * few}
    return [z | other.get("z", {}), label | other.get("label", {})]
