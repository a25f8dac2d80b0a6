"""Outputs to the body of an answer of `/interpolate`: beside what `answers` makes, animations and larger pixels.

Runs on the encode pool.
"""

from typing import cast

from app.api import answers
from app.api.interpolation import Interpolation
from app.engine.job import Arrays, Finish
from app.media import animation, images


def body(walked: Interpolation, image: str) -> Finish[bytes]:
    """What makes the file of the outputs, of which `image` is the picture, uint8 [h, w, c] of each sample."""
    if walked.moves:
        return lambda outputs: animation.encode(
            outputs[image],
            cast(animation.Format, walked.format),
            rate=walked.fps,
            loop=walked.walk.loop,
            scale=walked.upscale,
            xmp=walked.recipe().xmp,
        )
    if walked.upscale == 1:
        return answers.body(walked, image)

    def large(outputs: Arrays) -> bytes:
        pixels = images.sheet(outputs[image], walked.columns or 1)
        pixels = pixels.repeat(walked.upscale, axis=0).repeat(walked.upscale, axis=1)
        return images.encode(pixels, walked.picture, walked.recipe())

    return large
