"""The peers: how each is started, and how it is asked for a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.servers import Command, ServerError
from bench.wire import BASE64_PNG, Ask

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / "build/peers"
V2 = '{"inputs": [{"name": "seed", "shape": [1, 1], "datatype": "INT64", "data": [{seed}]}]}'
"""A request of the Open Inference Protocol, which MLServer and Triton share."""


@dataclass(frozen=True)
class Peer:
    """A server: its name and that of its environment and module, and how a picture is asked of it."""

    name: str
    module: str
    ask: Ask

    @property
    def key(self) -> str:
        """Its name on the command line, and that of its environment."""
        return self.module.removesuffix("_server")

    @property
    def python(self) -> Path:
        return ENVIRONMENTS / self.key / "bin/python"

    def command(self, folder: Path, scratch: Path) -> Command:
        """Serves the model of `folder`; `scratch` is where it may write."""
        room = scratch / self.module
        room.mkdir()
        environment = {"PYTHONPATH": str(ROOT), "PEER_SCRATCH": str(room), "HOME": str(room)}
        arguments = ("-m", f"bench.peers.{self.module}", str(folder.resolve()))
        return Command(self.name, arguments, self.ask, str(self.python), environment)


PEERS = (
    Peer("LitServe", "litserve_server", Ask("/generate", '{"seed": {seed}}')),
    Peer("BentoML", "bentoml_server", Ask("/generate", '{"seeds": [{seed}]}', holds=BASE64_PNG)),
    Peer("MLServer", "mlserver_server", Ask("/v2/models/dcgan/infer", V2, holds=BASE64_PNG)),
    Peer("PyTriton", "pytriton_server", Ask("/v2/models/dcgan/infer", V2, holds=BASE64_PNG)),
)


def chosen(keys: Sequence[str]) -> list[Peer]:
    """Those with these keys, or all whose environment is there; `ServerError` where one is missing."""
    installed = {peer.key: peer for peer in PEERS if peer.python.exists()}
    if missing := [key for key in keys if key not in installed]:
        known = ", ".join(peer.key for peer in PEERS)
        raise ServerError(f"no environment for {', '.join(missing)}; bench/peers/install.sh makes those of {known}")
    return [installed[key] for key in keys] or list(installed.values())
