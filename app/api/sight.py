"""An uploaded picture as a graph sees it that encodes or judges pictures."""

from starlette.requests import Request

from app.api.deps import service
from app.api.uploads import Upload
from app.contract import Tensor
from app.engine.model import LiveModel
from app.media import pictures
from app.media.framing import middle
from app.media.images import Pixels
from app.metrics import Lane


async def seen(
    request: Request, live: LiveModel, role: str, upload: Upload, *, deadline: float, lane: Lane
) -> tuple[dict[str, Pixels], float]:
    """The picture as the input of a model's graph, by ONNX name, uint8 [1, h, w, c], and the seconds that took.

    Decoded off the event loop. Raises what `pictures.decode` and `Intake.take` raise.
    """
    here = service(request)
    settings = here.settings
    taken: Tensor = live.manifest.graphs[role].given("image")

    def decoded() -> Pixels:
        picture = pictures.decode(upload.data, max_pixels=settings.max_pixels, max_frames=settings.max_frames)
        return middle(picture, taken)

    done = await here.intake.take(request, live, decoded, deadline=deadline, lane=lane, graph=role)
    return {taken.name: done.made}, done.seconds
