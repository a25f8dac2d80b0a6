"""Outputs to the body of an answer, in each format that verbs which draw pictures speak. Runs on the encode pool.

Pictures that stay apart are encoded one by one, as soon as each is computed and side by side; a sheet and an array need
all of them at once.
"""

import json
from base64 import b64encode
from typing import Any, Protocol

from app.api.media_types import offered
from app.api.schemas import Format
from app.engine.job import Arrays, Finish, Piecewise
from app.media import bundles, images
from app.media.provenance import Provenance

MEDIA_TYPES: dict[Format, str] = offered("png", "jpeg", "webp", "json", "zip", "npy", "ndjson", "multipart")
"""In order of preference: the first is what a client gets that doesn't say."""


class Pictured(Protocol):
    """Pictures as they are answered: what they came from and in which form they go."""

    @property
    def format(self) -> str:
        """Form of the answer."""
        ...

    @property
    def picture(self) -> images.Format:
        """Form of each picture, be it the answer or in it."""
        ...

    @property
    def columns(self) -> int | None:
        """Columns of the sheet, None if there is one picture, or each stays apart."""
        ...

    def single(self, offset: int) -> "Pictured":
        """One of the pictures alone."""
        ...

    def recipe(self) -> Provenance:
        """What the one picture, or the sheet, says of itself."""
        ...

    def head(self) -> dict[str, Any]:
        """What a JSON answer says of all pictures."""
        ...

    def member(self, image: str) -> bytes:
        """The JSON of the one picture, which is given in base64."""
        ...

    def file_name(self) -> str: ...


def body(pictured: Pictured, image: str) -> Finish[bytes]:
    """What makes a file of `pictured.format`, which is no stream, of the outputs.

    `image` names the output that is the picture, uint8 [h, w, c] of each sample.
    """
    if pictured.format == "npy":
        return lambda outputs: bundles.npy(outputs[image])
    if pictured.format == "zip":

        def entry(offset: int, outputs: Arrays) -> tuple[str, bytes]:
            single = pictured.single(offset)
            return single.file_name(), picture(single, outputs[image])

        return Piecewise(entry, bundles.archive)
    if pictured.format == "json":

        def member(offset: int, outputs: Arrays) -> bytes:
            return sample(pictured.single(offset), outputs[image])

        # Its members are JSON already, made side by side; to parse and write them again would take as long.
        head = json.dumps(pictured.head(), separators=(",", ":"))[:-1]
        return Piecewise(member, lambda members: b'%b,"samples":[%b]}' % (head.encode(), b",".join(members)))
    columns = pictured.columns
    if columns is None:
        return lambda outputs: picture(pictured.single(0), outputs[image][0])
    recipe = pictured.recipe()
    return lambda outputs: images.encode(images.sheet(outputs[image], columns), pictured.picture, recipe)


def picture(single: Pictured, pixels: images.Pixels) -> bytes:
    """One picture, uint8 [h, w, c], as a file with its recipe."""
    return images.encode(pixels, single.picture, single.recipe())


def sample(single: Pictured, pixels: images.Pixels) -> bytes:
    """One picture, uint8 [h, w, c], as a JSON object on one line."""
    return single.member(b64encode(picture(single, pixels)).decode())
