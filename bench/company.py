"""How a small request fares in company: beside one for many samples, and beside a model that everybody wants."""

from dataclasses import dataclass

from app.engine.cost import Cost
from bench import load
from bench.load import Group, Round, Window
from bench.servers import Server
from bench.wire import Ask

MANY = 256
CROWD = 32


@dataclass(frozen=True)
class Fairness:
    """One client that asks for one sample: idle, and while another has a request of `MANY` running all the time.

    `batch` are the milliseconds of the batch that the service likes best, by its own curve.
    """

    idle: Round
    beside: Round
    many: Round
    batch: float

    @property
    def bound(self) -> float:
        """Milliseconds that the 99th percentile may take: three times the idle median, and one batch."""
        return 3 * self.idle.p50 + self.batch


@dataclass(frozen=True)
class Mixed:
    """One client of the cold model: idle, and beside `CROWD` clients of the hot one."""

    idle: Round
    cold: Round
    hot: Round


def fairness(server: Server, reference: str, window: Window, first_seed: int) -> Fairness:
    """Asks a service that allows `MANY` samples of a request; `reference` is its default model."""
    one, many = server.ask, Ask(f"/generate?seed={{seed}}&n={MANY}")
    [idle] = load.run(server.port, window, first_seed, Group(one, 1))
    beside, large = load.run(server.port, window, first_seed + 500_000, Group(one, 1), Group(many, 1))
    seconds = server.json(f"/models/{reference}")["seconds_by_batch_size"]["generator"]
    cost = Cost({int(size): each for size, each in seconds.items()})
    return Fairness(idle, beside, large, 1000 * cost.seconds(cost.useful))


def mixed(server: Server, hot: str, cold: str, window: Window, first_seed: int) -> Mixed:
    """Asks for both models of a service, by reference."""
    of_cold, of_hot = (Ask(f"/generate?seed={{seed}}&model={reference}") for reference in (cold, hot))
    [idle] = load.run(server.port, window, first_seed, Group(of_cold, 1))
    beside, crowd = load.run(server.port, window, first_seed + 500_000, Group(of_cold, 1), Group(of_hot, CROWD))
    return Mixed(idle, beside, crowd)
