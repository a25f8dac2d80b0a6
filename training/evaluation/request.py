"""What an evaluation is asked: the model, the data, the networks to measure with, and how much of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from app import contract
from training import runtime
from training.features import Features
from training.served import Served


class EvaluationError(ValueError):
    """A model, data and networks that can't be measured together; the message says why and what to do."""


@dataclass(frozen=True)
class Request:
    """One model folder to measure on `data`; `samples` is the most examples that are looked at."""

    folder: Path
    manifest: contract.Manifest
    data: str
    features: Sequence[Features] = ()
    classifier: Features | None = None
    options: dict[str, str] = field(default_factory=dict)
    """Settings of one task's evaluation only, e.g. where the noise is."""
    samples: int = 10_000
    seed: int = 0
    truncation: float = 1

    @classmethod
    def of(cls, folder: Path, data: str, **more: object) -> "Request":
        """The request for a folder, whose manifest is read; `ContractError` if it can't be."""
        return replace(cls(folder, contract.read(folder), data), **more)  # type: ignore[arg-type]

    def graph(self, role: str = "generator") -> Served:
        """The exported graph of a role as a network; `EvaluationError` if there is none or it can't be run."""
        if role not in self.manifest.graphs:
            raise EvaluationError(f"{self.manifest.reference} has no {role}")
        graph = self.manifest.graphs[role]
        if not graph.native:
            raise EvaluationError(
                f"{self.manifest.reference} was made elsewhere: only the service converts what its {graph.file} holds"
            )
        data = contract.load(self.folder, self.manifest, graph.file)
        try:
            return Served(runtime.load(data), graph)
        except Exception as error:  # the runtime's errors have no other base
            raise EvaluationError(f"{self.folder / graph.file} can't be run: {error}") from error
