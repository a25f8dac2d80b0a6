"""The three sets of pictures that an evaluation compares: drawn by the exported graph, real, and more real ones."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from app import contract
from training import data, runtime
from training.data import Pictures, Sampler
from training.data.decode import resize
from training.data.pictures import Labels, Pixels
from training.evaluation.request import EvaluationError, Request

log = logging.getLogger("ganymede.evaluate")

BATCH = 250
FEWEST = 10
"""Fewer pictures than this have no distribution to speak of."""


class Sets(NamedTuple):
    """Three sets of equal size, since distances depend on it. Labels are the model's, or None."""

    drawn: Pictures
    reference: Pictures
    other: Pictures
    """More real pictures: their distance to the reference is the floor."""


def collect(request: Request) -> Sets:
    """The reference from the data's test split, the others from its training split; without splits, from two halves.

    `samples` pictures each, or as many as the smaller split has; if the model has classes, each equally often as far
    as they last. The model is asked for the reference's classes one for one. Raises `EvaluationError`,
    `ContractError` and `DataError`.
    """
    manifest = request.manifest
    size, channels = _shape(manifest)
    reference, other = _real(request.data, size, channels, request.samples, evenly=bool(manifest.classes))
    if len(reference) < FEWEST:
        raise EvaluationError(
            f"there are {len(reference)} pictures of {reference.source} to compare with, at least {FEWEST} are needed: "
            "add pictures, or ask for more samples"
        )
    reference, other = (_relabel(pictures, manifest) for pictures in (reference, other))
    labels = reference.labels
    if labels is None and manifest.classes:
        log.warning("%s has other classes than %s: they are not compared", reference.source, manifest.reference)
        labels = np.arange(len(reference)) % len(manifest.classes)
    images = _draw(request, "generator", len(reference), labels)
    return Sets(_drawn(request, images, labels), reference, other)


def first_stage(request: Request, sets: Sets) -> Pictures:
    """The pictures that the first stage draws of the same latents, enlarged to the size of the second's."""
    small = _draw(request, "stage1", len(sets.drawn), sets.drawn.labels)
    size, channels = _shape(request.manifest)
    squeezed = (Image.fromarray(picture.squeeze()) for picture in small)
    images = np.stack([resize(picture, size, channels) for picture in squeezed])
    return _drawn(request, images, sets.drawn.labels)


def _drawn(request: Request, images: Pixels, labels: Labels | None) -> Pictures:
    source = f"drawn (seed {request.seed}, truncation {request.truncation:g})"
    return Pictures(images, labels, request.manifest.classes, source)


def _shape(manifest: contract.Manifest) -> tuple[int, int]:
    """The side and the channels of what is drawn; `EvaluationError` unless the graph is a native generator."""
    image = manifest.graphs["generator"].output("image")
    match image.shape:
        case (_, int(height), int(width), 1 | 3 as channels) if height == width and image.dtype == "uint8":
            return height, channels
    raise EvaluationError(
        f"{manifest.reference} draws {image.dtype} {list(image.shape)}: expected an exported generator of square "
        "pictures, uint8 [n, size, size, 1 or 3]"
    )


def _real(source: str | Path, size: int, channels: int, samples: int, *, evenly: bool) -> tuple[Pictures, Pictures]:
    """The reference and further real pictures, equally many."""
    train = data.load(source, size=size, channels=channels)
    try:
        test = data.load(source, size=size, channels=channels, split="test")
    except data.NoSplit:
        order, turn = _order(train, evenly=evenly)
        halves = order[turn % 2 == 0], order[turn % 2 == 1]
        count = min(samples, *map(len, halves))
        first, second = (train.take(half[:count]) for half in halves)
        return replace(first, source=f"half of {train.source}"), replace(second, source=f"other half of {train.source}")
    count = min(samples, len(test), len(train))
    first, second = (each.take(_order(each, evenly=evenly)[0][:count]) for each in (test, train))
    return first, second


def _order(pictures: Pictures, *, evenly: bool) -> tuple[Labels, Labels]:
    """A fixed shuffle of all pictures, and the turn of each: a turn is one picture, or, if `evenly`, one of every class
    that is left.
    """
    order = Sampler(len(pictures), seed=0).indices(0, len(pictures))
    turn = np.arange(len(order))
    if pictures.labels is None or not evenly:
        return order, turn
    labels = pictures.labels[order]
    for label in np.unique(labels):
        turn[labels == label] = np.arange(np.count_nonzero(labels == label))
    by_turn = np.argsort(turn, kind="stable")
    return order[by_turn], turn[by_turn]


def _relabel(pictures: Pictures, manifest: contract.Manifest) -> Pictures:
    """The pictures with the model's class indices, or without labels where the class names are not the model's."""
    if pictures.labels is None or set(pictures.classes) != set(manifest.classes):
        return replace(pictures, labels=None, classes=())
    index = np.array([manifest.classes.index(name) for name in pictures.classes], np.int64)
    return replace(pictures, labels=index[pictures.labels], classes=manifest.classes)


def _draw(request: Request, role: str, count: int, labels: Labels | None) -> Pixels:
    """Samples 0, 1, 2 … of the seed as the service draws them, class by class; row i shows class `labels[i]`."""
    manifest = request.manifest
    graph = manifest.graphs[role]
    try:
        session = runtime.load(contract.load(request.folder, manifest, graph.file))
    except contract.ContractError:
        raise
    except Exception as error:  # the runtime's errors have no other base
        raise EvaluationError(f"{request.folder / graph.file} can't be run: {error}") from error
    image = graph.output("image")
    images = np.empty((count, *image.sample), np.uint8)
    groups = [(None, np.arange(count))]
    if labels is not None:
        groups = [(label, np.flatnonzero(labels == label)) for label in np.unique(labels).tolist()]
    drawn = 0
    for label, rows in groups:
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            inputs = manifest.inputs(request.seed, range(drawn, drawn + len(part)), label, request.truncation)
            (images[part],) = session.run([image.name], inputs)
            drawn += len(part)
    return images
