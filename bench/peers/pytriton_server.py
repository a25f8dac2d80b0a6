"""PyTriton: Triton's own scheduler in front of a Python function. Its wheel fits Debian's Python 3.11 only."""

# Its package is in an environment of its own, where no types are checked.
# mypy: disable-error-code="import-not-found", allow-subclassing-any, allow-untyped-decorators

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from bench.peers import work


def serve(folder: Path, port: int) -> None:
    """Answers at `/v2/models/dcgan/infer` until it is ended."""
    worker = work.Work(folder)

    @batch
    def draw(seed: NDArray[np.int64]) -> dict[str, NDArray[np.bytes_]]:
        pictures = [work.text(picture).encode() for picture in worker.draw(seed.ravel().tolist())]
        return {"image": np.array(pictures, np.bytes_)[:, None]}

    config = TritonConfig(
        http_address="127.0.0.1",
        http_port=port,
        grpc_port=port + 1,
        metrics_port=port + 2,
        log_verbose=0,
    )
    with Triton(config=config, workspace=os.environ["PEER_SCRATCH"] + "/workspace") as triton:
        triton.bind(
            "dcgan",
            draw,
            inputs=[Tensor(name="seed", dtype=np.int64, shape=(1,))],
            outputs=[Tensor(name="image", dtype=np.bytes_, shape=(1,))],
            config=ModelConfig(
                max_batch_size=work.BATCH,
                batcher=DynamicBatcher(max_queue_delay_microseconds=round(1e6 * work.WAIT)),
            ),
        )
        triton.serve()


if __name__ == "__main__":
    serve(*work.arguments())
