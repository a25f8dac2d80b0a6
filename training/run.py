"""One training run in memory: networks, averages, optimisers, data and counters, and the step that moves them on.

Everything is counted in real pictures seen, over all processes. What is random in a step is seeded by the run's seed
and that count, and the sampler is a function of it too: a resumed run equals the unbroken one, bit for bit on the CPU
while the budget is in pictures (a budget in time depends on the clock). Not so a run of several processes whose recipe
has a pool of pictures: each process has its own, and only the first one's is kept.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training import average, config, distributed, pretrained
from training.batches import batch_of, fixed
from training.capture import Captured, require_capture
from training.checkpoint import Checkpoint, CheckpointError, Progress
from training.config import ConfigError
from training.data import DataError, Examples, Sampler
from training.data.pictures import Labels
from training.journal import log
from training.nets.blocks import finite_
from training.recipes import Batch, Networks, Phase, Recipe, Source
from training.settings import Precision


class Run:
    """A run as `values` (see `config.parse`) describe it, at its start; `restore` takes it to where it was."""

    def __init__(self, values: dict[str, Any], rank: int = 0, world: int = 1) -> None:
        self.values = values
        self.recipe, self.settings = config.build(values)
        self.rank, self.world = rank, world
        self.device = torch.device(device_of(self.settings.device))
        self.examples = self.recipe.examples(self.settings)
        self._check(self.examples)
        self.source = source_of(self.recipe, self.examples)
        torch.manual_seed(self.settings.seed)
        self.networks: Networks = self.recipe.networks(self.source)
        if self.settings.pretrained and not self.settings.resume:
            fitted = pretrained.begin(self.recipe, self.networks, self.settings.pretrained)
            log.info("begins with %d tensors of %s", fitted, self.settings.pretrained)
        for network in self.networks.values():
            network.to(device=self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averages = {name: average.average_of(self.networks[name]) for name in self.recipe.averaged}
        self.newest = torch.zeros((), device=self.device)
        self.optimisers = {phase.name: self._optimiser(phase) for phase in self.recipe.phases()}
        share = self.settings.batch // world
        self.sampler = Sampler(len(self.examples), self.settings.seed, rank, world)
        self.share, self.batch = share, share * world
        self.progress = Progress()
        self.update = Captured(self._update, self._kind) if self.settings.captured else self._update

    def _check(self, examples: Examples) -> None:
        _ = self.recipe.measured_by  # an error now, and not when there is something to measure
        if self.settings.batch < self.world:
            raise DataError(f"--batch {self.settings.batch} can't be shared by {self.world} processes")
        examples.require(self.settings.batch)
        if self.settings.captured:
            require_capture(self.recipe, self.device, self.world)
        if self.recipe.conditional:
            examples.require_classes()

    def _optimiser(self, phase: Phase) -> torch.optim.Adam:
        trained = [p for name in phase.learns for p in self.networks[name].parameters() if p.requires_grad]
        s = self.settings
        betas = (float(s.beta1), float(s.beta2))
        rate = torch.full((), s.rate, device=self.device)
        return torch.optim.Adam(trained, lr=rate, betas=betas, fused=True, capturable=s.captured)

    @property
    def served(self) -> Networks:
        """The networks, with the averages in the place of what they average."""
        return {**self.networks, **self.averages}

    @property
    def done(self) -> float:
        """The share of the budget that is used, in [0, 1]: of pictures or of time, whichever is further."""
        s, p = self.settings, self.progress
        return min(1.0, max(p.images / s.images, p.seconds / s.time if s.time else 0.0))

    @property
    def due(self) -> list[Phase]:
        """The phases that take place in this step."""
        return [phase for phase in self.recipe.phases() if 0 <= phase.done(self.done) < 1]

    def fetch(self, indices: Labels, rng: np.random.Generator | None = None) -> Batch:
        """The examples of those indices, as the recipe sees them; `rng` varies them."""
        drawn = self.examples.draw(indices, rng)
        return batch_of(drawn, self.device, step=self.progress.step, progress=self.done)

    def step(self) -> dict[str, Tensor]:
        """One update of every phase; the losses by `phase/name` and the gradient norms by `phase/gradient`."""
        seed = self._seed()
        torch.manual_seed(seed)
        rng = np.random.Generator(np.random.Philox(key=[seed, 0]))
        batch = self.fetch(self.sampler.indices(self.progress.images, self.share), rng)
        self._pace()
        told = self.update(batch)
        self.progress.step += 1
        self.progress.images += self.batch
        return told

    def _pace(self) -> None:
        """The numbers that change with the step, where a step that was captured reads them too."""
        for phase in self.due:
            late = (1 - phase.done(self.done)) / (1 - self.settings.decay_from)
            for group in self.optimisers[phase.name].param_groups:
                group["lr"].fill_(self.settings.rate * min(1.0, late))
        seen = self.progress.images + self.batch
        self.newest.fill_(average.share(batch=self.batch, seen=seen, half_life=self.settings.average))

    def _kind(self, step: int) -> tuple[int | Phase, ...]:
        """Steps that are captured together: the recipe's kind, with the same phases."""
        return (self.recipe.kind(step), *self.due)

    def _update(self, batch: Batch) -> dict[str, Tensor]:
        """What of a step happens on the device."""
        told: dict[str, Tensor] = {}
        for phase in self.due:
            for name, network in self.networks.items():
                network.requires_grad_(name in phase.learns)
            with autocast(self.device, self.settings.precision):
                terms = self.recipe.terms(phase.name, self.networks, batch)
            optimiser = self.optimisers[phase.name]
            torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
            told |= {f"{phase.name}/{name}": term.detach() for name, term in terms.items()}
            told[f"{phase.name}/gradient"] = self._follow(optimiser)
        for name, kept in self.averages.items():
            average.update(kept, self.networks[name], self.newest)
        return told

    def _seed(self) -> int:
        """The seed of this step: what is random in it depends on nothing that came before."""
        entropy = (self.settings.seed, self.rank, self.progress.images)
        return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1)

    def _follow(self, optimiser: torch.optim.Adam) -> Tensor:
        """One optimiser step along the gradients averaged over the processes; their norm."""
        gradients = [p.grad for group in optimiser.param_groups for p in group["params"] if p.grad is not None]
        distributed.average_(gradients)
        finite_(gradients)
        optimiser.step()
        norm = torch.nn.utils.get_total_norm(gradients)
        optimiser.zero_grad(set_to_none=True)
        return norm

    @torch.no_grad()
    def observe(self, ask: Callable[[Networks, Batch], Any], count: int) -> Any:
        """What the recipe says of the served networks and `count` fixed examples, in fp32, without leaving a trace."""
        networks = self.served
        modes = {name: network.training for name, network in networks.items()}
        with torch.random.fork_rng(devices=[]):
            for network in networks.values():
                network.eval()
            try:
                return ask(networks, self.fetch(fixed(self.examples, count)))
            finally:
                for name, network in networks.items():
                    network.train(modes[name])

    def checkpoint(self) -> Checkpoint:
        """The run as it stands."""
        return Checkpoint(
            settings=config.flat(self.values["recipe"], self.recipe, self.settings),
            source=asdict(self.source),
            progress=asdict(self.progress),
            networks={name: network.state_dict() for name, network in self.networks.items()},
            averages={name: kept.state_dict() for name, kept in self.averages.items()},
            optimisers={name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            device=torch.cuda.get_device_name() if self.device.type == "cuda" else "CPU",
            world=self.world,
        )

    def restore(self, saved: Checkpoint) -> None:
        """Goes on where `saved` stood; CheckpointError, with what differs, if it was another run."""
        # Settings that there were not yet when it was saved stood at their defaults.
        before, now = (config.flat(one["recipe"], *config.build(one)) for one in (saved.settings, self.values))
        changed = config.differences(before, now)
        if dict(saved.source) != asdict(self.source):
            changed.append(f"the data: {saved.source} before, {asdict(self.source)} now")
        if saved.world not in (None, self.world):
            changed.append(f"processes: {saved.world} before, {self.world} now")
        if changed:
            raise CheckpointError("this run was started otherwise: " + "; ".join(changed))
        for name, network in self.networks.items():
            network.load_state_dict(saved.networks[name])
        for name, kept in self.averages.items():
            kept.load_state_dict(saved.averages[name])
        for name, optimiser in self.optimisers.items():
            groups = optimiser.state_dict()["param_groups"]
            optimiser.load_state_dict({"state": saved.optimisers[name]["state"], "param_groups": groups})
        self.progress = Progress(**saved.progress)


def device_of(setting: str) -> str:
    """`auto` resolved to `cuda` where there is a GPU, else `cpu`; ConfigError for a GPU that isn't there."""
    there = torch.cuda.is_available()
    if setting == "cuda" and not there:
        raise ConfigError(
            "--device cuda: torch sees no GPU; does nvidia-smi list one, and is this torch built for CUDA?"
        )
    return "cuda" if there and setting != "cpu" else "cpu"


def source_of(recipe: Recipe, examples: Examples) -> Source:
    """What the networks must know of the data; an unconditional recipe is not told of classes."""
    facts = examples.facts
    return Source(facts.size, facts.channels, facts.classes if recipe.conditional else ())


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """bfloat16 for the networks' arithmetic, or none; logits and losses are fp32 by the networks' own casts."""
    half = halves(device) if precision == "auto" else precision == "bf16"
    return torch.autocast(device.type, torch.bfloat16, enabled=half)


def halves(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 by itself. A processor that does not takes 8 times as long as in fp32."""
    # Named as private in torch 2.13, which is pinned; nothing public tells.
    return device.type != "cpu" or torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
