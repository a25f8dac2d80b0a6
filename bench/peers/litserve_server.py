"""LitServe: a worker process that collects a batch; its answers are encoded there too."""

# Its package is in an environment of its own, where no types are checked.
# mypy: disable-error-code="import-not-found", allow-subclassing-any, allow-untyped-decorators

from pathlib import Path

import litserve
import numpy as np
from fastapi import Response
from numpy.typing import NDArray

from bench.peers import work


class Generator(litserve.LitAPI):
    def __init__(self, folder: Path) -> None:
        super().__init__(max_batch_size=work.BATCH, batch_timeout=work.WAIT, api_path="/generate")
        self.folder = folder

    def setup(self, device: str) -> None:  # noqa: ARG002 (the framework's)
        self.work = work.Work(self.folder)

    def decode_request(self, request: dict[str, int]) -> int:
        return request["seed"]

    def batch(self, inputs: list[int]) -> list[int]:
        return inputs

    def predict(self, seeds: list[int]) -> NDArray[np.uint8]:
        return self.work.draw(seeds)

    def unbatch(self, output: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        return list(output)

    def encode_response(self, output: NDArray[np.uint8]) -> Response:
        return Response(work.png(output), media_type="image/png")


if __name__ == "__main__":
    folder, port = work.arguments()
    server = litserve.LitServer(Generator(folder), accelerator="cpu")
    server.run(host="127.0.0.1", port=port, generate_client_file=False, log_level="warning")
