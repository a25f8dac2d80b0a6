"""`Manifest`: a declaration that hangs together, and what its graphs eat for a seed."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from app import latents
from app.classes import Class
from app.contract import consistency
from app.contract.declaration import Declaration
from app.contract.errors import ContractError
from app.contract.probes import probe


class Manifest(Declaration):
    """`model.json`: everything that the service needs to know of a model."""

    @model_validator(mode="after")
    def _hangs_together(self) -> "Manifest":
        consistency.check(self)
        return self

    @property
    def reference(self) -> str:
        """`name@version`, the model's address."""
        return f"{self.name}@{self.version}"

    @property
    def recipe(self) -> str:
        """The recipe that trained it; `elsewhere` if none of ours did."""
        return self.training.recipe if self.training else "elsewhere"

    @property
    def settings(self) -> Mapping[str, str | int | float | bool | None]:
        """The settings that it was trained with; none if it was trained elsewhere."""
        return self.training.settings if self.training else {}

    @property
    def reproducible(self) -> bool:
        """Whether the same request gives the same answer again: no graph draws noise of its own."""
        return not any(graph.random for graph in self.graphs.values())

    def inputs(
        self, seed: int, indices: range, label: Class | None = None, truncation: float = 1, role: str = "generator"
    ) -> dict[str, NDArray[np.generic]]:
        """What the graph of a role eats for samples `indices` of `seed`, by ONNX input name.

        Latents float32 [n, size]; labels as that graph takes them, see `Tensor.labels`: `label` for all, or drawn
        from the seed when None. What users would send is made up from the seed: see `probe`.
        The exporter's golden samples, the evaluation and the service all come through here.
        """
        drawn: dict[str, NDArray[np.generic]] = {}
        for tensor in self.graphs[role].inputs:
            if tensor.meaning == "latent":
                if self.latent is None:
                    raise ContractError(f"{self.reference} has no latent to draw")
                noise = latents.noise(seed, indices, self.latent.size)
                drawn[tensor.name] = latents.truncate(noise, truncation)
            elif tensor.meaning != "label":
                drawn[tensor.name] = probe(tensor, seed, indices)
            elif label is None:
                drawn[tensor.name] = tensor.labels(latents.classes(seed, indices, len(self.classes)).tolist())
            else:
                drawn[tensor.name] = tensor.labels([label] * len(indices))
        return drawn
