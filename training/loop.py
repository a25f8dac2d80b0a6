"""The one loop: steps a run until its budget ends or it is told to stop, and tells and keeps how it goes."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from training import checkpoint, config, distributed
from training.checkpoint import BEST, LAST, CheckpointError
from training.config import ConfigError
from training.journal import Journal, log, sheet, warnings
from training.run import Run, device_of


def train(values: dict[str, Any]) -> Path:
    """Trains, or goes on training, what `values` (see `config.parse`) say; the run's folder.

    Ctrl-C and SIGTERM end it after the step in hand, with a checkpoint. Raises ConfigError, DataError or
    CheckpointError before the first step.
    """
    _, settings = config.build(values)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    rank, world = distributed.start(device_of(settings.device))
    try:
        run = Run(values, rank, world)
        folder = settings.out
        if settings.resume:
            run.restore(checkpoint.load(folder / LAST))
        elif (folder / LAST).exists():
            raise CheckpointError(f"{folder} holds a run already: go on with --resume, or choose another --out")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"--out {folder} can't be made: {error.strerror}") from error
        with stop_signals() as stopped:
            _train(run, folder, stopped)
    finally:
        distributed.stop()
    return folder


def _train(run: Run, folder: Path, stopped: list[int]) -> None:
    s, p = run.settings, run.progress
    main = run.rank == 0
    journal = Journal(folder) if main else None
    started, before = time.monotonic() - p.seconds, (p.seconds, run.done)
    saved = shown = time.monotonic()
    images = p.images
    asked_to_stop = False
    while run.done < 1 and not asked_to_stop:
        told = run.step()
        p.seconds, stop = distributed.largest([time.monotonic() - started, len(stopped)], run.device)
        asked_to_stop = stop > 0
        status = crossed(p.images, run.batch, s.status_every)
        if status:
            distributed.average_(told.values())
        if not main or journal is None:
            continue

        # A line for people, and one for programs.
        if status:
            now = time.monotonic()
            rate = (p.images - images) / (now - shown)
            images, shown = p.images, now
            values = {name: float(value) for name, value in told.items()}
            values |= run.observe(run.recipe.health, 64)
            journal.status(
                p.images, values, rate=rate, left=(p.seconds - before[0]) * (1 - run.done) / (run.done - before[1])
            )
            for warning in warnings(values):
                log.warning(warning)

        # A sheet at fixed latents, and the measure by which the best weights are kept.
        if crossed(p.images, run.batch, s.sheet_every) or run.done >= 1:
            sheet(run.observe(run.recipe.preview, 64)).save(folder / f"sheet-{p.images:09}.png")
            measure = run.observe(run.recipe.measure, run.recipe.measured)
            log.info("%8.1fk  %s %.4g, best %.4g", p.images / 1000, measure.name, measure.value, p.best)
            journal.status(p.images, {measure.name: measure.value}, rate=0, left=0)
            if measure.value < p.best:
                p.best = measure.value
                checkpoint.save(folder / BEST, run.checkpoint())

        if time.monotonic() - saved > s.save_every:
            checkpoint.save(folder / LAST, run.checkpoint())
            saved = time.monotonic()
    if main and journal is not None:
        checkpoint.save(folder / LAST, run.checkpoint())
        log.info("%s after %d pictures, saved in %s", "stopped" if asked_to_stop else "done", p.images, folder)
        journal.close()


def crossed(images: int, batch: int, every: int) -> bool:
    """Whether the step that ended at `images` pictures passed a multiple of `every`."""
    return images // every > (images - batch) // every


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """The stop signals that came meanwhile: the first of a kind is kept for the loop, a second one ends the program."""
    caught: list[int] = []
    kinds = (signal.SIGINT, signal.SIGTERM)
    before: dict[int, Any] = {kind: signal.getsignal(kind) for kind in kinds}

    def note(kind: int, _frame: object) -> None:
        caught.append(kind)
        signal.signal(kind, before[kind])

    for kind in kinds:
        signal.signal(kind, note)
    try:
        yield caught
    finally:
        for kind in kinds:
            signal.signal(kind, before[kind])
