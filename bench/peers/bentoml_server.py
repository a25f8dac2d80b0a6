"""BentoML: an endpoint that is batched by what it learns of its latency."""

# Its package is in an environment of its own, where no types are checked.
# mypy: disable-error-code="import-not-found", allow-subclassing-any, allow-untyped-decorators

import os
import sys
from pathlib import Path

import bentoml

from bench.peers import work

FOLDER = "PEER_MODEL"
"""The variable that names the model folder to its worker, which imports this module anew."""


@bentoml.service(workers=1, traffic={"timeout": 60})
class Generator:
    def __init__(self) -> None:
        self.work = work.Work(Path(os.environ[FOLDER]))

    @bentoml.api(route="/generate", batchable=True, max_batch_size=work.BATCH, max_latency_ms=60_000)
    def generate(self, seeds: list[int]) -> list[str]:
        return [work.text(picture) for picture in self.work.draw(seeds)]


if __name__ == "__main__":
    folder, port = work.arguments()
    os.environ[FOLDER] = str(folder)
    os.environ["BENTOML_HOME"] = os.environ["PEER_SCRATCH"]
    os.environ["BENTOML_DO_NOT_TRACK"] = "true"
    command = ("bentoml", "serve", "bench.peers.bentoml_server:Generator", "--host", "127.0.0.1", "--port", str(port))
    os.execv(Path(sys.executable).with_name("bentoml"), command)  # noqa: S606 (no shell is wanted)
