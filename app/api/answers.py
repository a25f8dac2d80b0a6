"""Pixels to the body of an answer, in each format that `/generate` speaks. Runs on the encode pool."""

from base64 import b64encode
from collections.abc import Sequence

from app.api.drawing import Drawing
from app.api.schemas import Format, Sample, Samples
from app.media import bundles, images

MEDIA_TYPES: dict[Format, str] = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "json": "application/json",
    "zip": "application/zip",
    "npy": "application/x-npy",
}
"""In order of preference: the first is what a client gets that doesn't say."""


def body(drawing: Drawing, labels: Sequence[int | None], pixels: images.Pixels) -> bytes:
    """The samples, uint8 [n, h, w, c] with their classes, as a file of `drawing.format`."""
    if drawing.format == "npy":
        return bundles.npy(pixels)
    if drawing.format == "zip":
        return _archive(drawing, labels, pixels)
    if drawing.format == "json":
        return _document(drawing, labels, pixels)
    picture = pixels[0] if drawing.columns is None else images.sheet(pixels, drawing.columns)
    return images.encode(picture, drawing.format, drawing.recipe(labels))


def _archive(drawing: Drawing, labels: Sequence[int | None], pixels: images.Pixels) -> bytes:
    singles = [drawing.single(offset, label) for offset, label in enumerate(labels)]
    return bundles.archive(
        (single.file_name(), images.encode(picture, "png", single.recipe([single.label])))
        for single, picture in zip(singles, pixels, strict=True)
    )


def _document(drawing: Drawing, labels: Sequence[int | None], pixels: images.Pixels) -> bytes:
    samples = []
    for offset, (label, picture) in enumerate(zip(labels, pixels, strict=True)):
        single = drawing.single(offset, label)
        recipe = single.recipe([label])
        samples.append(
            Sample(
                index=single.index,
                class_=recipe.class_,
                image=b64encode(images.encode(picture, "png", recipe)).decode(),
                url=single.address(),
                recipe=recipe,
            )
        )
    answer = Samples(model=drawing.manifest.reference, seed=drawing.seed, samples=samples)
    return answer.model_dump_json(exclude_none=True).encode()
