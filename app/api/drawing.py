"""What a request for samples comes to, once model, class, seed and format are settled.

Its address, its entity tag, its file names and the recipe of each picture all follow from it, before anything is drawn.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote_plus

from starlette.concurrency import run_in_threadpool

from app.api.caching import entity_tag
from app.api.classes import class_of, name_of
from app.api.forms import PICTURES, STREAMS, form_of, require_room, require_short
from app.api.schemas import Format, GenerateParameters, Sample
from app.classes import Class, single
from app.contract import Graph, Manifest
from app.engine.job import Arrays
from app.engine.model import LiveModel
from app.errors import InvalidParameter
from app.latents import MAX_SEED
from app.media import images
from app.media.provenance import Recipe


@dataclass(frozen=True)
class Drawn:
    """One sample: its index, its class, None where there is none, and what a critic says of it, if one was asked."""

    index: int
    label: Class | None
    scores: Mapping[str, float] | None = None


# Drawing latents costs 13 µs a sample: cheaper than a thread for a few, too long on the event loop for many.
FEW = 16


@dataclass(frozen=True)
class Drawing:
    """`n` samples of one seed, from `index` on, of one model, in one format.

    `picture` is the form of each picture, be it the answer or in it. `label` is the class asked for, None when there is
    none or each sample draws its own. `columns` is set when the samples are laid in a sheet. With `best_of`, so many
    times `n` are drawn, and the critic chooses. `role` is that of the graph that draws. `samples` are those that are
    sent, in their order, once they are known.
    """

    live: LiveModel
    seed: int
    index: int
    n: int
    label: Class | None
    truncation: float
    format: Format
    picture: images.Format
    columns: int | None
    best_of: int | None = None
    role: str = "generator"
    samples: tuple[Drawn, ...] = ()

    @property
    def manifest(self) -> Manifest:
        return self.live.manifest

    @property
    def graph(self) -> Graph:
        """The graph that draws."""
        return self.manifest.graphs[self.role]

    @property
    def streamed(self) -> bool:
        """Whether pictures are sent one by one, as they are done."""
        return self.format in STREAMS

    @property
    def lasting(self) -> bool:
        """Whether its address gives the same pictures again: not if the graph draws noise of its own."""
        return self.manifest.reproducible

    @property
    def indices(self) -> range:
        """Those of all samples that are drawn."""
        return range(self.index, self.index + self.n * (self.best_of or 1))

    def of(self, labels: Sequence[Class | None]) -> "Drawing":
        """The same, of samples whose classes are known."""
        samples = tuple([Drawn(index, label) for index, label in zip(self.indices, labels, strict=True)])
        return replace(self, samples=samples)

    def single(self, offset: int) -> "Drawing":
        """The drawing of one of its samples, alone as a picture; naming the class that it drew changes no pixel."""
        sample = self.samples[offset]
        if self.n == 1 and self.format == self.picture and self.label == sample.label and self.best_of is None:
            return self
        return replace(
            self,
            index=sample.index,
            n=1,
            label=sample.label,
            format=self.picture,
            columns=None,
            best_of=None,
            samples=(sample,),
        )

    @property
    def image(self) -> str:
        """The name of the output that is the picture."""
        return self.graph.output("image").name

    async def inputs(self) -> Arrays:
        """What its graph eats for all samples that are drawn, by ONNX name."""
        if len(self.indices) <= FEW:
            return self._draw()
        return await run_in_threadpool(self._draw)

    def known(self, inputs: Arrays) -> "Drawing":
        """The same, of samples whose classes are known by these inputs: the one asked for, or those that the seed drew,
        None without classes.
        """
        if self.samples:
            return self
        label = self.graph.input("label")
        if label is None or self.label is not None:
            return self.of([self.label] * len(self.indices))
        return self.of(single(inputs[label.name]))

    def address(self) -> str:
        """The path and query where this answer lies for ever: version pinned, defaults left out."""
        name = name_of(self.manifest, self.label)
        parts = (
            f"/generate?model={self.manifest.reference}",
            f"class={quote_plus(name, safe=':,')}" if name is not None else "",
            f"n={self.n}" if self.n > 1 else "",
            f"seed={self.seed}",
            f"index={self.index}" if self.index else "",
            f"truncation={self.truncation}" if self.truncation < 1 else "",
            f"best_of={self.best_of}" if self.best_of is not None else "",
            "stage=1" if self.role == "stage1" else "",
            f"format={self.format}",
            f"picture={self.picture}" if self.format not in PICTURES and self.picture != "png" else "",
            f"grid={self.columns}" if self.columns is not None else "",
        )
        return "&".join(filter(None, parts))

    def tag(self) -> str:
        """The strong entity tag: the weights, what they ran on, the address, and the encoder."""
        return entity_tag([self.live.digest, self.live.identity, self.address(), images.ENCODER])

    @property
    def class_name(self) -> str | None:
        """The class asked for, or the one that all samples have in common; None if they differ or have none."""
        if self.label is not None or not self.samples:
            return name_of(self.manifest, self.label)
        first, *others = self.samples
        return None if any(other.label != first.label for other in others) else name_of(self.manifest, first.label)

    def recipe(self) -> Recipe:
        """The recipe of the sheet, or of the one picture."""
        return Recipe(
            model=self.manifest.name,
            version=self.manifest.version,
            digest=self.live.digest,
            seed=self.seed,
            index=self.index,
            n=self.n,
            columns=self.columns,
            class_=self.class_name,
            truncation=self.truncation,
            best_of=self.best_of,
            stage=1 if self.role == "stage1" else None,
        )

    def head(self) -> dict[str, Any]:
        """What a JSON answer says of all its samples."""
        return {"model": self.manifest.reference, "seed": self.seed}

    def member(self, image: str) -> bytes:
        """This picture, in base64, as a JSON object on one line; see `Sample`."""
        recipe = self.recipe()
        [sample] = self.samples
        member = Sample(
            index=self.index,
            class_=recipe.class_,
            scores=sample.scores,
            image=image,
            url=self.address() if self.lasting else None,
            recipe=recipe,
        )
        return member.model_dump_json(exclude_none=True).encode()

    def stem(self) -> str:
        """A file name without its ending, made of letters, digits, `-` and `_` on any system."""
        parts = [f"{self.manifest.name}-{self.manifest.version}", f"seed{self.seed}"]
        if name := name_of(self.manifest, self.label):
            parts.insert(1, re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or f"class{self.label}")
        if self.index:
            parts.append(str(self.index))
        if self.n > 1:
            parts.append(f"x{self.n}")
        return "_".join(parts)

    def file_name(self) -> str:
        return f"{self.stem()}.{self.format}"

    def _draw(self) -> Arrays:
        return self.manifest.inputs(self.seed, self.indices, self.label, self.truncation, self.role)


def settle(asked: GenerateParameters, live: LiveModel, seed: int, file_format: Format) -> Drawing:
    """The drawing that `asked` comes to with this model.

    Raises `UnknownClass`, and `InvalidParameter` for a class that an unconditional model can't have, samples past the
    largest index, a stage that it hasn't, or a sheet or a mixture that the format can't hold.
    """
    beyond = asked.drawn - 1
    if asked.index + beyond > MAX_SEED:
        drawn = "n" if asked.best_of is None else "n × best_of"
        message = f"must be an integer from 0 to {MAX_SEED - beyond} where {drawn} is {beyond + 1}"
        raise InvalidParameter.of("index", message)
    label = None if asked.class_ is None else class_of(live.manifest, asked.class_)
    form = form_of(file_format, asked.n, asked.picture, asked.grid)
    role = _role(live.manifest, asked.stage)
    require_room(form, asked.n, live.manifest.graphs[role].output("image"))
    # One sample is known already, unless the seed draws its class.
    alone = asked.drawn == 1 and (label is not None or live.manifest.graphs[role].input("label") is None)
    drawing = Drawing(
        live=live,
        seed=seed,
        index=asked.index,
        n=asked.n,
        label=label,
        truncation=asked.truncation,
        format=form.format,
        picture=form.picture,
        columns=form.columns,
        best_of=asked.best_of,
        role=role,
        samples=(Drawn(asked.index, label),) if alone else (),
    )
    if isinstance(label, Mapping):
        require_short(len(drawing.recipe().xmp), drawing.picture, "class", "fewer classes")
    return drawing


def _role(manifest: Manifest, stage: int | None) -> str:
    """The graph that draws: the generator is the last stage."""
    if stage is not None and "stage1" not in manifest.graphs:
        message = f"{manifest.reference} draws in one stage; leave stage out"
        raise InvalidParameter.of("stage", message)
    return "stage1" if stage == 1 else "generator"
