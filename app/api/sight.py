"""An uploaded picture as a graph sees it that encodes or judges pictures."""

import time

from starlette.concurrency import run_in_threadpool

from app.api.uploads import Upload
from app.contract import Tensor
from app.engine.model import LiveModel
from app.media import pictures
from app.media.framing import middle
from app.media.images import Pixels
from app.settings import Settings


async def seen(live: LiveModel, role: str, upload: Upload, settings: Settings) -> tuple[dict[str, Pixels], float]:
    """The picture as the input of a model's graph, by ONNX name, uint8 [1, h, w, c], and the seconds that took.

    Decoded off the event loop. Raises what `pictures.decode` raises.
    """
    taken: Tensor = live.manifest.graphs[role].given("image")

    def decoded() -> Pixels:
        picture = pictures.decode(upload.data, max_pixels=settings.max_pixels, max_frames=settings.max_frames)
        return middle(picture, taken)

    received = time.monotonic()
    sample = await run_in_threadpool(decoded)
    seconds = time.monotonic() - received
    live.metrics.decode.observe(seconds)
    return {taken.name: sample}, seconds
