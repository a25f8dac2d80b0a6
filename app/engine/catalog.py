"""The models folder and what became of it: which models there are, which are ready, and which one a request means."""

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Thread

from app import contract
from app.contract import Manifest, Task
from app.engine import entries, model, orders, providers, residency
from app.engine.admission import Limits
from app.engine.batch import Batch
from app.engine.changes import RETIRED, Changes
from app.engine.entries import Entry
from app.engine.executor import Executors
from app.engine.guests import Guests
from app.engine.incoming import sweep
from app.engine.lookout import Lookout
from app.engine.model import LiveModel
from app.engine.orders import Order
from app.engine.register import Register
from app.engine.residency import MEGABYTE, Residency
from app.engine.rotation import Rotation
from app.engine.shares import Split
from app.engine.vitals import Watch
from app.errors import Draining, InvalidParameter, NotReady, Problem, RetiredModel, UnknownClass, UnknownModel
from app.metrics import Metrics, State
from app.settings import Settings

log = logging.getLogger(__name__)


class Catalog:
    """Every model of `settings.models` on one device. Starts no thread before `start`, has none after `close`."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        """Raises `DeviceUnavailable` if the device of the settings can't be had."""
        self._settings = settings
        self._register = Register(metrics)
        self._metrics = metrics
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
        self.guests = Guests()
        """The requests that are being answered."""
        self.changes = Changes(settings, self._register, self._host, self._residency, self.guests)
        """What may be changed of what is served."""
        obeys = settings.admin and settings.workers > 1
        self.lookout = Lookout(self.changes, settings.watch_seconds, obeys=obeys)
        """Who looks at what others change in the folder of models."""

    def start(self) -> None:
        """Lists the model folders; checks them on a thread of its own, by name, the newest version first, and loads
        them, unless they come at their first use or the budget for memory is spent.
        """
        models = self._settings.models
        said = orders.read(models)
        for entry in entries.folders(models, warn=True):
            retired = entry.version in said.get(entry.name, Order()).retired
            self._register.record(replace(entry, state="retired", reason=RETIRED) if retired else entry)
        for name, order in said.items():
            log.info("%s is served as %s says: %s.", name, orders.FILE, order.model_dump_json())
            self._register.want(name, order.shares)
        if self._settings.admin:
            sweep(models)
        self._executors = Executors(self._rotation, self._host.device.kind)
        self._started = True
        self._watch.start()
        self._residency.start()
        self._loader.start()
        self.lookout.start()

    def entries(self) -> list[Entry]:
        """Every model folder, by name, the newest version first."""
        return [entry.observed() for entry in self._register.entries]

    def shares(self, name: str) -> Mapping[int, float]:
        """The share of the requests of a model's name that each of its versions takes, of those that take jobs."""
        return self._register.shares(name)

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
        every = self._register.entries
        if not every:
            if not models.is_dir():
                return f"there is no folder {models}; name the folder of models with --models or GANYMEDE_MODELS"
            return f"{models} holds no model folder <name>/<version>/"
        if loading := [entry.reference for entry in every if entry.pending]:
            return f"still loading: {', '.join(loading)}"
        if not self._register.lines:
            none = "no model could be loaded" if any(e.state == "failed" for e in every) else "no model is in service"
            return f"{none}: " + "; ".join(f"{e.reference}: {e.reason}" for e in every)
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
        """The model that a request means: `name@version`, or `name` for its newest version that takes jobs, or the one
        that operators have said, or one of several, see `Split`.

        None means the default model, if it has the task and graphs of these roles, or else the first by name that has
        them and the classes. No task means any. Raises `UnknownModel`, `UnknownClass`, `InvalidParameter` if the model
        lacks the task or a graph, `NotReady` or `Draining`.
        """
        meant = self._settings.default_model if reference is None else reference
        if meant is None:
            return self._first(classes, task, roles)
        found = self.named(meant)
        manifest = found.manifest
        if lacks := _lacks(manifest, task, roles):
            if reference is None:
                return self._first(classes, task, roles)
            raise InvalidParameter.of("model", lacks)
        if unknown := [name for name in classes if name not in manifest.classes]:
            raise UnknownClass(unknown[0], manifest.classes, manifest.reference, unknown[1:])
        return found

    def refuse(self) -> None:
        """Finds no model for a request from now on, and changes none; those that have found theirs may still give it
        jobs.
        """
        self._closing = True
        self.lookout.close()
        self.changes.close()

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
            self.lookout.join(max(1, end - time.monotonic()))
        self._encode.shutdown(wait=False, cancel_futures=True)

    def named(self, reference: str) -> LiveModel:
        """The model `name@version`, or the version that `name` means, whatever its tasks.

        Raises `UnknownModel`, `NotReady` or `Draining`.
        """
        if self._closing:
            raise Draining
        meant = self._register.meant.get(reference)
        if meant is None:
            raise self._absent(reference)
        return meant.next() if isinstance(meant, Split) else meant

    def able(self, task: Task | None) -> list[LiveModel]:
        """The models that have a task, one at least, by name, of each first the version that its name means, and then
        the newest; raises `NotReady`, also while some are loading: before all are, the first one would be another at
        another moment; or `Draining`.
        """
        if self._closing:
            raise Draining
        if self._register.pending:
            raise NotReady(f"The models are not ready: {self.reason}.")
        models = [live for line in self._register.lines for live in line.preferred()]
        able = [model for model in models if task is None or task in model.manifest.tasks]
        if not able:
            raise NotReady(f"No model that can {task} is ready." if task else "No model is ready.")
        return able

    def _absent(self, reference: str) -> Problem:
        """Why there is no model of that name."""
        every = self._register.entries
        known = [entry for entry in every if reference in (entry.name, entry.reference)]
        if not known:
            return UnknownModel(reference, [entry.reference for entry in every])
        newest = known[0]
        if newest.state == "retired":
            return RetiredModel(reference, [entry.reference for entry in every if entry.model is not None])
        if newest.state == "loading":
            return NotReady(f"{newest.reference} is still loading.")
        return NotReady(f"{newest.reference} failed to load: {newest.reason}")

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
        for entry in self._register.entries:
            if self._closing:
                return
            if entry.state == "retired":
                continue
            try:
                live = LiveModel(contract.check(entry.folder), entry.folder, self._host, self._residency.call)
            except Exception as error:
                self._register.fail(entry, residency.reason(entry.reference, error))
                continue
            self._register.hold(entry.reference, live)
            if self._settings.load == "start":
                # The first in order stay: that they would leave again for the last ones helps nobody.
                self._residency.bring(live, evict=False)
            else:
                self._note(live, "unloaded", None)

    def _note(self, live: LiveModel, state: State, reason: str | None) -> None:
        """Notes the state that a model is in from now on, and what it is."""
        if state == "ready":
            recipe, processor = live.manifest.recipe, self._host.device.processor
            self._metrics.info(live.manifest.reference, recipe=recipe, device=processor, runtime=providers.RUNTIME)
        self._register.note(live, state, reason)


def _lacks(manifest: Manifest, task: Task | None, roles: Collection[str]) -> str | None:
    """What a model lacks of a task and of graphs of these roles, in words."""
    if task is not None and task not in manifest.tasks:
        return f"{manifest.reference} can {', '.join(manifest.tasks)}, not {task}"
    if roles and (missing := sorted(set(roles) - set(manifest.graphs))):
        has = f"it has {', '.join(manifest.graphs)}"
        return f"{manifest.reference} has no graph {' and no '.join(map(repr, missing))}; {has}"
    return None
