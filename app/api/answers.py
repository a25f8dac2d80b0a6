"""Outputs to the body of an answer, in each format that `/generate` speaks. Runs on the encode pool.

Pictures that stay apart are encoded one by one, as soon as each is computed and side by side; a sheet and an array need
all of them at once.
"""

import json
from base64 import b64encode
from collections.abc import Sequence

from app.api.drawing import Drawing
from app.api.schemas import Format, Sample
from app.engine.job import Arrays, Finish, Piecewise
from app.media import bundles, images

MEDIA_TYPES: dict[Format, str] = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "json": "application/json",
    "zip": "application/zip",
    "npy": "application/x-npy",
    "ndjson": "application/x-ndjson",
    "multipart": "multipart/mixed",
}
"""In order of preference: the first is what a client gets that doesn't say."""


def body(drawing: Drawing, labels: Sequence[int | None], image: str) -> Finish[bytes]:
    """What makes a file of `drawing.format`, which is no stream, of the samples' outputs and classes.

    `image` names the output that is the picture, uint8 [h, w, c] of each sample.
    """
    if drawing.format == "npy":
        return lambda outputs: bundles.npy(outputs[image])
    if drawing.format == "zip":

        def entry(offset: int, outputs: Arrays) -> tuple[str, bytes]:
            single = drawing.single(offset, labels[offset])
            return single.file_name(), picture(single, outputs[image])

        return Piecewise(entry, bundles.archive)
    if drawing.format == "json":

        def member(offset: int, outputs: Arrays) -> bytes:
            return sample(drawing.single(offset, labels[offset]), outputs[image])

        # Its members are JSON already, made side by side; to parse and write them again would take as long.
        head = json.dumps({"model": drawing.manifest.reference, "seed": drawing.seed}, separators=(",", ":"))[:-1]
        return Piecewise(member, lambda members: b'%b,"samples":[%b]}' % (head.encode(), b",".join(members)))
    recipe = drawing.recipe(labels)
    if drawing.columns is None:
        return lambda outputs: images.encode(outputs[image][0], drawing.picture, recipe)
    columns = drawing.columns
    return lambda outputs: images.encode(images.sheet(outputs[image], columns), drawing.picture, recipe)


def picture(single: Drawing, pixels: images.Pixels) -> bytes:
    """One sample, uint8 [h, w, c], as a file with its recipe."""
    return images.encode(pixels, single.picture, single.recipe([single.label]))


def sample(single: Drawing, pixels: images.Pixels) -> bytes:
    """One sample, uint8 [h, w, c], as a JSON object on one line; see `Sample`."""
    recipe = single.recipe([single.label])
    return (
        Sample(
            index=single.index,
            class_=recipe.class_,
            image=b64encode(images.encode(pixels, single.picture, recipe)).decode(),
            url=single.address() if single.lasting else None,
            recipe=recipe,
        )
        .model_dump_json(exclude_none=True)
        .encode()
    )
