"""What a request for samples comes to, once model, class, seed and format are settled.

Its address, its entity tag, its file names and the recipe of each picture all follow from it, before anything is drawn.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast, get_args
from urllib.parse import quote_plus

from starlette.concurrency import run_in_threadpool

from app import classes
from app.api.caching import entity_tag
from app.api.schemas import Format, GenerateParameters
from app.contract import Manifest
from app.engine.job import Arrays
from app.engine.model import LiveModel
from app.errors import InvalidParameter, UnknownClass
from app.latents import MAX_SEED
from app.media import images
from app.media.provenance import Recipe

PICTURES: tuple[images.Format, ...] = get_args(images.Format)
ALBUMS: tuple[Format, ...] = ("json", "zip", "ndjson", "multipart")
"""Formats that hold pictures apart, each a file."""
STREAMS: tuple[Format, ...] = ("ndjson", "multipart")
"""Albums whose pictures are sent as they are done."""

# Drawing latents costs 13 µs a sample: cheaper than a thread for a few, too long on the event loop for many.
FEW = 16


@dataclass(frozen=True)
class Drawing:
    """`n` samples of one seed, from `index` on, of one model, in one format.

    `picture` is the form of each picture, be it the answer or in it. `label` is the class asked for, None when there is
    none or each sample draws its own. `columns` is set when the samples are laid in a sheet.
    """

    live: LiveModel
    seed: int
    index: int
    n: int
    label: int | None
    truncation: float
    format: Format
    picture: images.Format
    columns: int | None

    @property
    def manifest(self) -> Manifest:
        return self.live.manifest

    @property
    def streamed(self) -> bool:
        """Whether pictures are sent one by one, as they are done."""
        return self.format in STREAMS

    def single(self, offset: int, label: int | None) -> "Drawing":
        """The drawing of one of the samples, alone as a picture; naming the class that it drew changes no pixel."""
        return replace(self, index=self.index + offset, n=1, label=label, format=self.picture, columns=None)

    @property
    def lasting(self) -> bool:
        """Whether its address gives the same pictures again: not if the graph draws noise of its own."""
        return self.manifest.reproducible

    @property
    def indices(self) -> range:
        return range(self.index, self.index + self.n)

    @property
    def image(self) -> str:
        """The name of the output that is the picture."""
        return self.manifest.graphs["generator"].output("image").name

    async def inputs(self) -> Arrays:
        """What the generator eats for these samples, by ONNX name."""
        if self.n <= FEW:
            return self._draw()
        return await run_in_threadpool(self._draw)

    def labels(self, inputs: Arrays) -> list[int | None]:
        """The class of each sample: the one asked for, those that the seed drew, or None without a single one."""
        label = self.manifest.graphs["generator"].input("label")
        return [None] * self.n if label is None else classes.single(inputs[label.name])

    def address(self) -> str:
        """The path and query where this answer lies for ever: version pinned, defaults left out."""
        name = self.class_name(self.label)
        parts = (
            f"/generate?model={self.manifest.reference}",
            f"class={quote_plus(name)}" if name is not None else "",
            f"n={self.n}" if self.n > 1 else "",
            f"seed={self.seed}",
            f"index={self.index}" if self.index else "",
            f"truncation={self.truncation}" if self.truncation < 1 else "",
            f"format={self.format}",
            f"picture={self.picture}" if self.format not in PICTURES and self.picture != "png" else "",
            f"grid={self.columns}" if self.columns is not None else "",
        )
        return "&".join(filter(None, parts))

    def tag(self) -> str:
        """The strong entity tag: the weights, what they ran on, the address, and the encoder."""
        return entity_tag([self.live.digest, self.live.identity, self.address(), images.ENCODER])

    def class_name(self, label: int | None) -> str | None:
        """The name of class `label`, None for None."""
        return None if label is None else self.manifest.classes[label]

    def class_of(self, labels: Sequence[int | None]) -> str | None:
        """The name of the class that samples with these labels have in common; None if they differ or have none."""
        [label, *others] = dict.fromkeys(labels)
        return None if others else self.class_name(label)

    def recipe(self, labels: Sequence[int | None]) -> Recipe:
        """The recipe of the sheet, or of the one picture, whose samples have these classes."""
        return Recipe(
            model=self.manifest.name,
            version=self.manifest.version,
            digest=self.live.digest,
            seed=self.seed,
            index=self.index,
            n=self.n,
            columns=self.columns,
            class_=self.class_of(labels),
            truncation=self.truncation,
        )

    def stem(self) -> str:
        """A file name without its ending, made of letters, digits, `-` and `_` on any system."""
        parts = [f"{self.manifest.name}-{self.manifest.version}", f"seed{self.seed}"]
        if name := self.class_name(self.label):
            parts.insert(1, re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or f"class{self.label}")
        if self.index:
            parts.append(str(self.index))
        if self.n > 1:
            parts.append(f"x{self.n}")
        return "_".join(parts)

    def file_name(self) -> str:
        return f"{self.stem()}.{self.format}"

    def _draw(self) -> Arrays:
        return self.manifest.inputs(self.seed, self.indices, self.label, self.truncation)


def settle(asked: GenerateParameters, live: LiveModel, seed: int, file_format: Format) -> Drawing:
    """The drawing that `asked` comes to with this model.

    Raises `UnknownClass`, and `InvalidParameter` for a class that an unconditional model can't have, samples past the
    largest index, or a sheet that the format can't hold.
    """
    if asked.index + asked.n - 1 > MAX_SEED:
        message = f"must be an integer from 0 to {MAX_SEED - asked.n + 1} where n is {asked.n}"
        raise InvalidParameter([{"field": "index", "message": message}])
    drawing = Drawing(
        live=live,
        seed=seed,
        index=asked.index,
        n=asked.n,
        label=_label(live.manifest, asked.class_),
        truncation=asked.truncation,
        format=file_format,
        picture=_picture(asked, file_format),
        columns=_columns(asked, file_format),
    )
    _check_size(drawing)
    return drawing


def _label(manifest: Manifest, name: str | None) -> int | None:
    """The index of a class given by name, or by index where no class has that name."""
    if name is None:
        return None
    if not manifest.classes:
        message = f"{manifest.reference} is unconditional, it has no classes; leave class out"
        raise InvalidParameter([{"field": "class", "message": message}])
    for names in (manifest.classes, [str(index) for index in range(len(manifest.classes))]):
        if name in names:
            return names.index(name)
    raise UnknownClass(name, manifest.classes, manifest.reference)


def _picture(asked: GenerateParameters, file_format: Format) -> images.Format:
    """The form of each picture: that of the answer, or of the files in it."""
    if asked.picture is not None and file_format not in ALBUMS:
        message = f"only {', '.join(ALBUMS)} hold pictures of a form of their own, not {file_format}; leave picture out"
        raise InvalidParameter([{"field": "picture", "message": message}])
    return file_format if file_format in PICTURES else asked.picture or "png"


def _columns(asked: GenerateParameters, file_format: Format) -> int | None:
    """The columns of the sheet; None for a single picture and for formats that hold samples apart."""
    if file_format not in PICTURES:
        if asked.grid is not None:
            message = f"only png, jpeg and webp are laid in a sheet, not {file_format}; leave grid out"
            raise InvalidParameter([{"field": "grid", "message": message}])
        return None
    if asked.n == 1:
        return None
    return min(asked.grid or images.square(asked.n), asked.n)


def _check_size(drawing: Drawing) -> None:
    """Refuses a sheet that is too long a side for its format, before it is drawn in vain."""
    limit = images.LONGEST_SIDE.get(cast(images.Format, drawing.format))
    if drawing.columns is None or limit is None:
        return
    _, height, width, _ = drawing.manifest.graphs["generator"].output("image").shape
    rows = -(-drawing.n // drawing.columns)
    sides = ((rows, height), (drawing.columns, width))
    longest = max((cells * side for cells, side in sides if isinstance(side, int)), default=0)
    if longest > limit:
        message = f"makes a sheet of {longest} pixels a side, {drawing.format} holds {limit}; use png, or fewer samples"
        raise InvalidParameter([{"field": "grid", "message": message}])
