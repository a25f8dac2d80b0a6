"""A model that takes traffic: its manifest, its queue, and what identifies its pictures."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from app import contract
from app.contract import ContractError, Manifest
from app.engine import warmup
from app.engine.admission import Limits
from app.engine.batching import Batch, Batcher
from app.engine.cost import Cost
from app.engine.job import Arrays, Job
from app.engine.providers import Device
from app.engine.rotation import Rotation
from app.engine.session import Session
from app.metrics import Metrics, ModelMetrics

T = TypeVar("T")


@dataclass(frozen=True)
class Host:
    """What all models of a device are given: the device, its executors' rotation, the encode pool and the limits."""

    device: Device
    rotation: Rotation[Batch]
    encode: Executor
    metrics: Metrics
    limits: Limits
    max_batch: int


@dataclass(frozen=True)
class LiveModel:
    """A model that is warm, whose pictures are right, and which takes jobs."""

    manifest: Manifest
    folder: Path
    device: Device
    metrics: ModelMetrics
    batcher: Batcher

    @property
    def identity(self) -> str:
        """Runtime and hardware: where they are equal, so are the bytes of a picture."""
        return self.device.identity

    @property
    def digest(self) -> str:
        """SHA-256 over the manifest's hashes of the folder's files: the same for the same weights, anywhere."""
        lines = [f"{sha256}  {file}\n" for file, sha256 in sorted(self.manifest.files.items())]
        return contract.digest("".join(lines).encode())

    @property
    def cost(self) -> dict[int, float]:
        """Predicted seconds by batch size, as of now."""
        return self.batcher.cost.snapshot()

    def submit(self, inputs: Arrays, *, deadline: float | None, finish: Callable[[Arrays], T]) -> Job[T]:
        """Queues a job for the generator; see `Batcher.submit`."""
        return self.batcher.submit(inputs, deadline=deadline, finish=finish)


def prove(folder: Path, device: Device, max_batch: int) -> tuple[Manifest, Session, Cost]:
    """The model of a folder, which has shown on a device that it can be served; what its batches cost there.

    Raises `ContractError`, which says what is wrong with the folder.
    """
    manifest = contract.check(folder)
    if "generate" not in manifest.tasks:
        raise ContractError(f"{manifest.reference} can {', '.join(manifest.tasks)}; this service can only generate")
    graph = manifest.graphs["generator"]
    session = Session(contract.load(folder, manifest, graph.file), graph, device, max_batch)
    return manifest, session, warmup.warm(session, manifest, device)


def load(folder: Path, host: Host) -> LiveModel:
    """Lets the model of a folder take traffic, once it is proven; `ContractError`, and nothing stays of it, if not."""
    manifest, session, cost = prove(folder, host.device, host.max_batch)
    metrics = host.metrics.model(manifest.reference)
    batcher = Batcher(manifest.reference, session.run, cost, host.rotation, host.encode, metrics, host.limits)
    return LiveModel(manifest, folder, host.device, metrics, batcher)
