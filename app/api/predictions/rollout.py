"""A clip carried on by a model: each new frame joins it, its oldest drops out, and the next one is made from that.

A frame is one job of the engine. All of them share a deadline, and whoever hangs up takes along what isn't drawn yet.
"""

from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from starlette.requests import Request

from app.api.jobs import carried_out, require_time
from app.api.predictions import predicted
from app.api.predictions.predicted import Prediction
from app.engine.job import Arrays, Finish, Timing
from app.errors import DeadlineExceeded, UnfinishedClip
from app.media.framing import Framed
from app.media.images import Pixels
from app.metrics import Lane

Made = TypeVar("Made")


@dataclass(frozen=True)
class Rollout:
    """A clip as the model sees it by now, and the frames drawn so far, each uint8 [h, w, c]."""

    clip: Framed
    drawn: tuple[Pixels, ...] = ()

    def after(self, answers: Pixels) -> "Rollout":
        """One frame later, of the model's `answers` to the clip's samples.

        What goes back into the clip is the frame that the tiles make together, so that they can't drift apart.
        """
        joined = self.clip.joined(answers)
        return Rollout(self.clip.followed(joined), (*self.drawn, self.clip.restored(joined)))


async def rolled_out(
    request: Request, prediction: Prediction, *, deadline: float, waited: float, lane: Lane
) -> tuple[bytes, Timing]:
    """The answer's file, and where the time of all frames went.

    Raises what ends one of them, as `carried_out` does, and `UnfinishedClip` where that is the deadline; before the
    first one what `require_time` does, for a clip that `waited` so long, if they can't all be done by then.
    """
    graph = prediction.manifest.graphs["generator"]
    taken, image = graph.given("frames").name, graph.output("image").name
    timings: list[Timing] = []

    async def step(rollout: Rollout, finish: Finish[Made]) -> Made:
        inputs = {taken: rollout.clip.samples}
        try:
            job = await carried_out(request, prediction.live, inputs, finish, deadline=deadline, lane=lane)
        except DeadlineExceeded as problem:
            raise UnfinishedClip(len(timings), prediction.steps, problem.headers) from problem
        timings.append(job.timing)
        return job.result()

    def next_one(rollout: Rollout, outputs: Arrays) -> Rollout:
        return rollout.after(outputs[image])

    def last_one(rollout: Rollout, outputs: Arrays) -> bytes:
        return predicted.file(prediction, np.stack(rollout.after(outputs[image]).drawn))

    rollout = Rollout(prediction.clip)
    inputs, advice = {taken: rollout.clip.samples}, "ask for fewer steps, or send smaller frames"
    require_time(prediction.live, inputs, deadline, waited=waited, times=prediction.steps, advice=advice)
    for _ in range(prediction.steps - 1):
        rollout = await step(rollout, partial(next_one, rollout))
    file = await step(rollout, partial(last_one, rollout))
    return file, sum(timings, Timing())
