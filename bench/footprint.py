"""What the service takes of the machine: memory with one model and with twelve, the processor while it idles, and how
long its event loop keeps others waiting while it is loaded.

The loop is measured from outside, by asking `/healthz` every 10 ms while 32 clients draw: what the answer takes is the
lag, HTTP, and the wait of both processes for a core. So it is an upper bound of the lag.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app import contract
from bench import copies, load, processes, servers
from bench.load import Group, Round, Window
from bench.servers import Command, Server
from bench.wire import Ask

MODELS = 12
CLIENTS = 32
ALIVE = Ask("/healthz", method="GET", holds="alive")
INTERVAL = 0.01
SETTLE = 1.0
"""Seconds between the last request and the measurement of what an idle service takes."""


@dataclass(frozen=True)
class Footprint:
    """Megabytes resident, of one model and of `MODELS`, after a picture of each and after the load; the share of a core
    that the idle service takes; and the answers of `/healthz` under load.
    """

    one: float
    one_loaded: float
    many: float
    many_loaded: float
    idle: float
    health: Round


def measure(folder: Path, scratch: Path, window: Window, idle_seconds: float, first_seed: int) -> Footprint:
    """Starts services of their own, one after the other, with copies of the model of `folder` laid out in `scratch`."""
    name = contract.read(folder).name
    single, many = (
        copies.lay_out(folder, scratch / kind, names)
        for kind, names in (("one", [name]), ("many", [f"model{number}" for number in range(MODELS)]))
    )
    with servers.running(_serving(single)) as [service]:
        _draw_each(service, single)
        one = processes.resident(service.pid)
        time.sleep(SETTLE)
        idle = processes.busy(service.pid, idle_seconds)
        groups = (Group(service.ask, CLIENTS), Group(ALIVE, 1, INTERVAL))
        _, health = load.run(service.port, window, first_seed, *groups)
        one_loaded = processes.resident(service.pid)
    with servers.running(_serving(many)) as [service]:
        _draw_each(service, many)
        resident = processes.resident(service.pid)
        crowds = [Group(_of(folder), -(-CLIENTS // MODELS)) for folder in many]
        load.run(service.port, window, first_seed, *crowds)
        return Footprint(one, one_loaded, resident, processes.resident(service.pid), idle, health)


def _serving(folders: Sequence[Path]) -> Command:
    return servers.ganymede(folders[0].parent.parent, contract.read(folders[0]).reference)


def _of(folder: Path) -> Ask:
    return Ask(f"/generate?seed={{seed}}&model={contract.read(folder).reference}")


def _draw_each(service: Server, folders: Sequence[Path]) -> None:
    """A picture of each model, which may have to load first: afterwards all are there that the service keeps."""
    for folder in folders:
        servers.wait(replace(service, ask=_of(folder)))
