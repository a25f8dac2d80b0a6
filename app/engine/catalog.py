"""The models folder and what became of it: which models there are, which are ready, and which one a request means."""

import logging
import time
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread

from app import contract
from app.contract import Manifest, Task
from app.engine import model, providers, residency
from app.engine.admission import Limits
from app.engine.batch import Batch
from app.engine.executor import Executors
from app.engine.model import LiveModel
from app.engine.residency import MEGABYTE, Residency
from app.engine.rotation import Rotation
from app.engine.vitals import Watch
from app.errors import Draining, InvalidParameter, NotReady, Problem, UnknownClass, UnknownModel
from app.metrics import Metrics, State
from app.settings import REFERENCE, Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """One model folder and the state that it is in. `reason` says why it failed.

    `model` is there once it takes jobs, which it does, too, while it is not in memory.
    """

    name: str
    version: int
    folder: Path
    state: State = "loading"
    reason: str | None = None
    model: LiveModel | None = None

    @property
    def reference(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"

    @property
    def manifest(self) -> Manifest | None:
        """The manifest of a model that takes jobs; None before it does, or after it failed."""
        return self.model.manifest if self.model else None

    @property
    def bytes(self) -> int:
        """What it takes in memory now."""
        return self.model.bytes if self.model and self.state in ("ready", "failing") else 0

    def observed(self) -> "Entry":
        """The entry as it is now: a model in memory that isn't run, since its batches fail, is `failing`."""
        reason = self.model.health.reason if self.model and self.state == "ready" else None
        return replace(self, state="failing", reason=reason) if reason else self

    @property
    def pending(self) -> bool:
        """Whether it isn't known yet if it can be served."""
        return self.state == "loading" and self.model is None


class Catalog:
    """Every model of `settings.models` on one device. Starts no thread before `start`, has none after `close`."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        """Raises `DeviceUnavailable` if the device of the settings can't be had."""
        self._settings = settings
        self._metrics = metrics
        self._entries: dict[str, Entry] = {}
        self._started = False
        self._closing = False
        self._executors: Executors | None = None
        self._loader = Thread(target=self._load, name="ganymede-loader", daemon=True)
        device = providers.device(settings.device, providers.Cuda.of(settings))
        count = len(device.lanes) or settings.threads or providers.cores()
        self._rotation: Rotation[Batch] = Rotation(count)
        # A batch that has the service to itself may take the cores of the other workers too.
        wide = min(count * settings.workers, providers.cores())
        encoders = settings.encode_threads or providers.cores()
        self._encode = ThreadPoolExecutor(encoders, "ganymede-encode")
        limits = Limits(settings.queue_seconds, settings.batch_wait_ms / 1000, encoders)
        self._watch = Watch()
        self._host = model.Host(
            device,
            self._rotation,
            self._encode,
            metrics,
            limits,
            settings.max_batch,
            wide,
            self._watch,
            settings.output_critic,
            model.Bounds(settings.memory_mb, settings.load_seconds),
        )
        budget = None if settings.memory_mb is None else int(settings.memory_mb * MEGABYTE)
        self._residency = Residency(self._host, budget, self._note)

    def start(self) -> None:
        """Lists the model folders; checks them on a thread of its own, by name, the newest version first, and loads
        them, unless they come at their first use or the budget for memory is spent.
        """
        for entry in sorted(_folders(self._settings.models), key=lambda entry: (entry.name, -entry.version)):
            self._record(entry)
        self._executors = Executors(self._rotation, self._host.device.kind)
        self._started = True
        self._watch.start()
        self._residency.start()
        self._loader.start()

    def entries(self) -> list[Entry]:
        """Every model folder, by name, the newest version first."""
        return [entry.observed() for entry in self._entries.values()]

    @property
    def ready(self) -> bool:
        """Whether the service may take traffic."""
        return self.reason is None

    @property
    def reason(self) -> str | None:
        """Why the service is not ready, in words; None when it is.

        It is once every folder was tried, at least one model can be served, and the default model, if one is set, can.
        """
        models = self._settings.models
        if self._closing:
            return "the service is shutting down"
        if not self._started:
            return "the service is starting"
        if not self._entries and not models.is_dir():
            return f"there is no folder {models}; name the folder of models with --models or GANYMEDE_MODELS"
        if not self._entries:
            return f"{models} holds no model folder <name>/<version>/"
        if loading := [entry.reference for entry in self.entries() if entry.pending]:
            return f"still loading: {', '.join(loading)}"
        if not any(entry.model for entry in self.entries()):
            return "no model could be loaded: " + "; ".join(f"{e.reference}: {e.reason}" for e in self.entries())
        if (default := self._settings.default_model) is not None:
            try:
                self.named(default)
            except Problem as problem:
                return f"default model: {problem.detail}"
        return None

    def get(
        self,
        reference: str | None = None,
        classes: Sequence[str] = (),
        task: Task | None = "generate",
        roles: Collection[str] = (),
    ) -> LiveModel:
        """The model that a request means: `name@version`, or `name` for its newest version that takes jobs.

        None means the default model, if it has the task and graphs of these roles, or else the first by name that has
        them and the classes. No task means any. Raises `UnknownModel`, `UnknownClass`, `InvalidParameter` if the model
        lacks the task or a graph, `NotReady` or `Draining`.
        """
        default = self._settings.default_model
        if reference is None and (default is None or _lacks(self.named(default).manifest, task, roles)):
            return self._first(classes, task, roles)
        found = self.named(default or "" if reference is None else reference)
        manifest = found.manifest
        if lacks := _lacks(manifest, task, roles):
            raise InvalidParameter.of("model", lacks)
        if unknown := [name for name in classes if name not in manifest.classes]:
            raise UnknownClass(unknown[0], manifest.classes, manifest.reference, unknown[1:])
        return found

    def refuse(self) -> None:
        """Finds no model for a request from now on; those that have found theirs may still give it jobs."""
        self._closing = True

    def close(self, drain_seconds: float) -> None:
        """Refuses new jobs, gives accepted ones that long to finish, fails the rest and ends all threads.

        Blocks until then; safe to call twice.
        """
        self.refuse()
        end = time.monotonic() + drain_seconds
        # Jobs that wait for their model were accepted, too: it comes, and they go into its queue.
        self._residency.drain(drain_seconds)
        self._rotation.drain(max(0, end - time.monotonic()))
        self._residency.close()
        self._watch.close()
        if self._executors is not None:
            self._executors.close()
            self._loader.join(max(1, end - time.monotonic()))
            self._residency.join(max(1, end - time.monotonic()))
            self._watch.join(1)
        self._encode.shutdown(wait=False, cancel_futures=True)

    def named(self, reference: str) -> LiveModel:
        """The model `name@version`, or of `name` the newest version that takes jobs, whatever its tasks.

        Raises `UnknownModel`, `NotReady` or `Draining`.
        """
        if self._closing:
            raise Draining
        # Not `entries`, which asks each model how it is: this is in the way of every request.
        entries = [entry for entry in list(self._entries.values()) if reference in (entry.name, entry.reference)]
        if not entries:
            raise UnknownModel(reference, [entry.reference for entry in self.entries()])
        for entry in entries:
            if entry.model is not None:
                return entry.model
        newest = entries[0]
        if newest.pending:
            raise NotReady(f"{newest.reference} is still loading.")
        raise NotReady(f"{newest.reference} failed to load: {newest.reason}")

    def able(self, task: Task | None) -> list[LiveModel]:
        """The models that have a task, one at least, by name, the newest version first; raises `NotReady`, also while
        some are loading: before all are, the first one would be another at another moment; or `Draining`.
        """
        if self._closing:
            raise Draining
        if any(entry.pending for entry in self.entries()):
            raise NotReady(f"The models are not ready: {self.reason}.")
        models = [entry.model for entry in self.entries() if entry.model]
        able = [model for model in models if task is None or task in model.manifest.tasks]
        if not able:
            raise NotReady(f"No model that can {task} is ready." if task else "No model is ready.")
        return able

    def _first(self, classes: Sequence[str], task: Task | None, roles: Collection[str]) -> LiveModel:
        able = [model for model in self.able(task) if not _lacks(model.manifest, task, roles)]
        if not able:
            message = f"no model has a graph {' and '.join(map(repr, roles))}"
            raise InvalidParameter.of("model", message)
        for candidate in able:
            if set(classes) <= set(candidate.manifest.classes):
                return candidate
        known = {name for one in able for name in one.manifest.classes}
        if unknown := [name for name in classes if name not in known]:
            raise UnknownClass(unknown[0], sorted(known), others=unknown[1:])
        raise InvalidParameter.of("class", f"no model has all of {', '.join(classes)}; name one")

    def _load(self) -> None:
        for entry in self.entries():
            if self._closing:
                return
            try:
                live = LiveModel(contract.check(entry.folder), entry.folder, self._host, self._residency.call)
            except Exception as error:
                reason = residency.reason(entry.reference, error)
                self._record(replace(entry, state="failed", reason=reason))
                continue
            if self._settings.load == "start":
                # The first in order stay: that they would leave again for the last ones helps nobody.
                self._residency.bring(live, evict=False)
            else:
                self._note(live, "unloaded", None)

    def _note(self, live: LiveModel, state: State, reason: str | None) -> None:
        """Notes the state that a model is in from now on. One that was never there takes no jobs while it loads."""
        entry = self._entries[live.manifest.reference]
        if state == "failed":
            self._record(replace(entry, state=state, reason=reason, model=None))
            return
        if state == "ready":
            recipe, processor = live.manifest.recipe, self._host.device.processor
            self._metrics.info(entry.reference, recipe=recipe, device=processor, runtime=providers.RUNTIME)
        self._record(replace(entry, state=state, model=entry.model if state == "loading" else live))

    def _record(self, entry: Entry) -> None:
        self._entries[entry.reference] = entry
        self._metrics.state(entry.reference, entry.state)


def _lacks(manifest: Manifest, task: Task | None, roles: Collection[str]) -> str | None:
    """What a model lacks of a task and of graphs of these roles, in words."""
    if task is not None and task not in manifest.tasks:
        return f"{manifest.reference} can {', '.join(manifest.tasks)}, not {task}"
    if missing := sorted(set(roles) - set(manifest.graphs)):
        has = f"it has {', '.join(manifest.graphs)}"
        return f"{manifest.reference} has no graph {' and no '.join(map(repr, missing))}; {has}"
    return None


def _folders(models: Path) -> Iterable[Entry]:
    """The folders <name>/<version>/; whatever else lies there is passed over, with a warning unless it is hidden."""
    for folder in sorted(models.glob("*/*")) if models.is_dir() else []:
        name, version = folder.parent.name, folder.name
        if not folder.is_dir() or name.startswith(".") or version.startswith("."):
            continue
        if REFERENCE.fullmatch(f"{name}@{version}"):
            yield Entry(name, int(version), folder)
        else:
            log.warning("%s is no model folder: its path must end in <name>/<version>, such as cifar10/1.", folder)
