"""The executors of one device: threads that take batches, run them, and hand the outputs back."""

import logging
import time
from threading import Thread

from app.engine.batching import Batch
from app.engine.rotation import Rotation

log = logging.getLogger(__name__)


class Executors:
    """As many threads as the rotation says, until `close`: on a CPU one for each core, on a GPU one.

    They are daemons: a run can't be interrupted, and one that hangs must not keep the process alive.
    """

    def __init__(self, rotation: Rotation[Batch], device: str) -> None:
        self._rotation = rotation
        self._threads = [
            Thread(target=self._serve, name=f"ganymede-{device}-{number}", daemon=True)
            for number in range(rotation.executors)
        ]
        for thread in self._threads:
            thread.start()

    def close(self, seconds: float = 1) -> None:
        """Ends the threads after the batches they are at; waits at most that long for them."""
        self._rotation.close()
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0, end - time.monotonic()))

    def _serve(self) -> None:
        while (batch := self._rotation.take()) is not None:
            execute(batch)


def execute(batch: Batch) -> None:
    """Runs a batch on the calling thread. Whatever it raises ends the jobs of this batch, and nothing else."""
    batcher = batch.batcher
    batch.expire()
    if not batch.parts:
        return
    batcher.metrics.batch_size.observe(batch.size)
    batcher.metrics.padding.inc(batcher.cost.size(batch.size) - batch.size)
    batcher.metrics.released[batch.release].inc()
    try:
        began = time.perf_counter()
        outputs = batcher.run(batch.inputs())
        batcher.cost.observe(batch.size, time.perf_counter() - began)
        batch.deliver(outputs)
    except Exception:
        log.exception("A batch of %d samples of %s failed.", batch.size, batcher.model)
        batch.fail()
