"""What a request for an edit comes to, once model, start, amounts, layout and format are settled.

Its inputs, its address, the recipe of each picture and the names of files all follow from it, before anything is drawn.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from urllib.parse import quote_plus

import numpy as np
from starlette.concurrency import run_in_threadpool

from app import latents
from app.api.caching import entity_tag
from app.api.classes import name_of
from app.api.derived import derivation
from app.api.drawing import FEW, Drawing
from app.api.edits import amounts
from app.api.edits.amounts import Shift
from app.api.edits.schemas import EditedSample
from app.api.edits.starts import Start
from app.api.forms import PICTURES
from app.api.layouts import APART, FPS, Format
from app.contract import Graph, Manifest
from app.engine.job import Arrays
from app.engine.model import LiveModel
from app.latents import Floats
from app.media import animation, images
from app.media.provenance import Derivation, Recipe
from app.walks import Walk


@dataclass(frozen=True)
class Editing:
    """Samples or latents of one model, moved along its directions, in one layout and format.

    With a `walk`, each is drawn at so many amounts, from the start of each shift to its end; else at the end alone.
    `picture` is the form of each picture, be it the answer or in it. `columns` is set when pictures are laid in a
    sheet. `step` is where in a walk the one picture was.
    """

    live: LiveModel
    start: Start
    shifts: tuple[Shift, ...]
    walk: Walk | None
    format: Format
    picture: images.Format
    columns: int | None
    moves: bool = False
    upscale: int = 1
    fps: float = FPS
    step: str = ""

    @property
    def manifest(self) -> Manifest:
        return self.live.manifest

    @property
    def graph(self) -> Graph:
        """The graph that draws."""
        return self.manifest.graphs[self.role]

    @property
    def role(self) -> str:
        """That of the graph that draws."""
        return "generator"

    @property
    def seed(self) -> int | None:
        """That of its samples; None where it began at latents or a picture."""
        return self.start.seed

    @property
    def image(self) -> str:
        """The name of the output that is the picture."""
        return self.graph.output("image").name

    @property
    def loop(self) -> bool:
        """Whether a film is shown again and again."""
        return self.walk is not None and self.walk.loop

    @property
    def numbers(self) -> range:
        """The numbers of all pictures: of each sample those of its walk, one sample after the other."""
        return range(self.start.n * len(self.amounts))

    @property
    def lasting(self) -> bool:
        """Whether it has an address that gives the same again: samples of a seed have, of a graph without noise."""
        return self.start.seed is not None and self.manifest.reproducible

    @cached_property
    def amounts(self) -> Floats:
        """How far along each direction, float32 [pictures of one sample, shifts]."""
        ends = amounts.ends(self.shifts)
        return ends[1:] if self.walk is None else self.walk.along(ends, latents.lerp)

    async def inputs(self) -> Arrays:
        """What the generator eats for each picture, by ONNX name."""
        return self._draw() if len(self.numbers) <= FEW else await run_in_threadpool(self._draw)

    def known(self, inputs: Arrays) -> "Editing":
        """The same, of pictures whose inputs, and so the classes of its samples, are known."""
        each = len(self.amounts)
        return replace(
            self,
            start=self.start.known(self.manifest, {name: values[::each] for name, values in inputs.items()}),
        )

    def single(self, offset: int) -> "Editing":
        """One of its pictures, alone."""
        row, step = divmod(offset, len(self.amounts))
        ends = self.amounts[step].tolist()
        return replace(
            self,
            start=self.start.single(row),
            shifts=tuple(shift.at(end) for shift, end in zip(self.shifts, ends, strict=True)),
            walk=None,
            format=self.picture,
            columns=None,
            moves=False,
            upscale=1,
            # As many digits as the last one has, so that files lie in their order.
            step="" if self.walk is None else "step" + str(step).zfill(len(str(len(self.amounts) - 1))),
        )

    def sample(self) -> Drawing | None:
        """What it is if nothing moves: samples of a seed, byte for byte; None if it is anything else."""
        moving = self.walk is not None or any(shift.end for shift in self.shifts)
        if moving or self.start.seed is None or self.upscale > 1 or self.format not in PICTURES:
            return None
        drawing = Drawing(
            live=self.live,
            seed=self.start.seed,
            index=self.start.index,
            n=self.start.n,
            label=self.start.label,
            truncation=self.start.truncation,
            format=self.format,
            picture=self.picture,
            columns=self.columns,
        )
        return drawing.of(self.start.labels)

    def recipe(self) -> Recipe | Derivation:
        """What stands in the file: the recipe of samples, where it is no more."""
        sample = self.sample()
        return self.derivation() if sample is None else sample.recipe()

    def derivation(self) -> Derivation:
        """What it takes to make the answer again: each parameter, though it be the default of now."""
        given = self.start.parameters(self.manifest) | self._form()
        return derivation(self.live, "edit", given, self.start.source)

    def address(self) -> str:
        """The path and query where this answer, if it is lasting, lies for ever: version pinned, defaults left out."""
        given = {
            "class": name_of(self.manifest, self.start.label),
            "n": self.start.n if self.start.n > 1 else None,
            "seed": self.start.seed,
            "index": self.start.index or None,
            "truncation": self.start.truncation if self.start.truncation < 1 else None,
            **self._form(),
            "format": self.format,
            "picture": self.picture if self.format in APART and self.picture != "png" else None,
        }
        query = (f"{name}={quote_plus(str(value), safe=':,')}" for name, value in given.items() if value is not None)
        return "&".join([f"/edit?model={self.manifest.reference}", *query])

    def tag(self) -> str:
        """The strong entity tag: the weights, what they ran on, the address, and the encoder."""
        encoder = animation.ENCODER if self.moves else images.ENCODER
        return entity_tag([self.live.digest, self.live.identity, self.address(), encoder])

    def head(self) -> dict[str, Any]:
        """What a JSON answer says of all its pictures."""
        seeded = {} if self.start.seed is None else {"seed": self.start.seed}
        return {"model": self.manifest.reference} | seeded

    def member(self, image: str) -> bytes:
        """This picture, in base64, as a JSON object on one line; see `EditedSample`."""
        sample = self.sample()
        member = EditedSample(
            index=self.start.index,
            # As the address says them: the digits that float32 makes up are no part of an amount.
            amounts={shift.direction.name: float(amounts.plain(shift.end)) for shift in self.shifts},
            class_=self.start.class_name(self.manifest),
            image=image,
            url=(sample or self).address() if self.lasting else None,
            recipe=self.recipe(),
        )
        return member.model_dump_json(exclude_none=True).encode()

    def file_name(self) -> str:
        """Made of letters, digits, `-` and `_` on any system."""
        parts = [f"{self.manifest.name}-{self.manifest.version}", "edited", self.start.stem(), self.step]
        return f"{'_'.join(filter(None, parts))}.{self.format}"

    def _form(self) -> dict[str, Any]:
        """The parameters that say how far it moves and how it is laid out."""
        form: dict[str, Any] = {"directions": amounts.names(self.shifts, ranges=self.walk is not None)}
        if self.walk is None:
            form["grid"] = self.columns
        else:
            form |= {"steps": self.walk.steps, "easing": self.walk.easing, "loop": int(self.walk.loop)}
            form["layout"] = "animation" if self.moves else "strip"
        return form | {"upscale": None if self.upscale == 1 else self.upscale, "fps": self.fps if self.moves else None}

    def _draw(self) -> Arrays:
        inputs, each = self.start.inputs(self.manifest), len(self.amounts)
        moved = {}
        for tensor in self.graph.inputs:
            values = inputs[tensor.name]
            if tensor.meaning == "latent":
                # [n, steps, size]: of each sample all of its amounts.
                rows = np.stack([amounts.moved(values, self.shifts, one) for one in self.amounts], axis=1)
                moved[tensor.name] = rows.reshape(-1, values.shape[1])
            else:
                moved[tensor.name] = values.repeat(each, axis=0)
        return moved
