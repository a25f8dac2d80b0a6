"""What a request for an interpolation comes to, once model, stops, layout and format are settled.

Its inputs, the recipe of each picture and the names of files all follow from it, before anything is drawn.
"""

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app import classes, latents, walks
from app.api.classes import name_of
from app.api.derived import derivation
from app.api.drawing import Drawing
from app.api.forms import PICTURES
from app.api.layouts import APART, Format, Layout
from app.api.walks.schemas import InterpolatedSample, Mode
from app.api.walks.stops import Stop
from app.classes import Class
from app.contract import Manifest, Tensor
from app.engine.job import Arrays
from app.engine.model import LiveModel
from app.media import images
from app.media.provenance import Derivation, Recipe
from app.walks import Walk

BETWEEN: dict[Mode, walks.Between] = {"slerp": latents.slerp, "lerp": latents.lerp}

SPELT = 4
"""Stops that a file's name spells out; of more, it names the first and the last."""


@dataclass(frozen=True)
class Interpolation:
    """A walk from stop to stop in the latent space of one model, in one layout and format.

    `picture` is the form of each picture, be it the answer or in it. `frame` is set when one picture of the walk is
    wanted, and not the others. `labels` are the classes of those that are drawn, once they are known.
    """

    live: LiveModel
    stops: tuple[Stop, ...]
    walk: Walk
    mode: Mode
    truncation: float
    layout: Layout
    format: Format
    picture: images.Format
    frame: int | None
    upscale: int
    fps: float
    labels: tuple[Class, ...] = ()

    @property
    def manifest(self) -> Manifest:
        return self.live.manifest

    @property
    def moves(self) -> bool:
        """Whether the answer is a film."""
        return self.layout == "animation" and self.format not in APART

    @property
    def loop(self) -> bool:
        """Whether a film is shown again and again."""
        return self.walk.loop

    @property
    def numbers(self) -> range:
        """Which pictures of the walk are drawn."""
        return range(len(self.walk)) if self.frame is None else range(self.frame, self.frame + 1)

    @property
    def columns(self) -> int | None:
        """The columns of the sheet; None for a picture alone, and where pictures stay apart."""
        if self.format not in PICTURES or self.moves or self.frame is not None:
            return None
        return self.walk.steps if self.walk.grid else len(self.walk)

    def inputs(self) -> Arrays:
        """What the generator eats for each picture, by ONNX name: at a stop, the very bits of its sample's input."""
        stops = [stop.inputs(self.manifest, self.truncation) for stop in self.stops]
        inputs = {}
        for tensor in self.manifest.graphs["generator"].inputs:
            values = np.concatenate([stop[tensor.name] for stop in stops])
            between = self._between(tensor)
            inputs[tensor.name] = np.stack([self.walk.at(number, values, between) for number in self.numbers])
        return inputs

    def of(self, inputs: Arrays) -> "Interpolation":
        """The same, of pictures whose inputs, and so their classes, are known."""
        label = self.manifest.graphs["generator"].input("label")
        if label is None:
            return self
        rows = inputs[label.name]
        found = (_mixture(row) if one is None else one for one, row in zip(classes.single(rows), rows, strict=True))
        return replace(self, labels=tuple(found))

    def single(self, offset: int) -> "Interpolation":
        """One of the pictures that are drawn, alone."""
        return replace(
            self,
            layout="grid" if self.walk.grid else "strip",
            format=self.picture,
            frame=self.numbers[offset],
            upscale=1,
            labels=self.labels[offset : offset + 1],
        )

    def sample(self) -> Drawing | None:
        """The sample that the one picture is, byte for byte; None for what is no sample of a seed."""
        landed = None if self.frame is None else self.walk.landings.get(self.frame)
        stop = None if landed is None else self.stops[landed]
        if stop is None or stop.seed is None or self.moves or self.upscale > 1:
            return None
        return Drawing(
            live=self.live,
            seed=stop.seed,
            index=stop.index,
            n=1,
            label=stop.label(self.manifest),
            truncation=self.truncation,
            format=self.picture,
            picture=self.picture,
            columns=None,
        )

    def recipe(self) -> Recipe | Derivation:
        """What stands in the file: the recipe of a sample, where it is one."""
        sample = self.sample()
        return self.derivation() if sample is None else sample.recipe()

    def head(self) -> dict[str, Any]:
        """What a JSON answer says of all pictures."""
        return {"model": self.manifest.reference}

    def member(self, image: str) -> bytes:
        """This picture, in base64, as a JSON object on one line; see `InterpolatedSample`."""
        [number], sample = self.numbers, self.sample()
        member = InterpolatedSample(
            frame=number,
            stop=self.walk.landings.get(number),
            class_=name_of(self.manifest, self.labels[0] if self.labels else None),
            image=image,
            url=sample.address() if sample is not None and sample.lasting else None,
            recipe=self.recipe(),
        )
        return member.model_dump_json(exclude_none=True).encode()

    def derivation(self) -> Derivation:
        """What it takes to make the answer again: each parameter, though it be the default of now."""
        parameters = {
            "stops": self._spelt_out(),
            "steps": self.walk.steps,
            "mode": self.mode,
            "easing": self.walk.easing,
            "truncation": self.truncation,
            "layout": self.layout,
            "loop": None if self.walk.grid else int(self.walk.loop),
            "frame": self.frame,
            "upscale": None if self.upscale == 1 else self.upscale,
            "fps": self.fps if self.moves else None,
        }
        return derivation(self.live, "interpolate", parameters)

    def stem(self) -> str:
        """A file name without its ending, made of letters, digits, `-` and `_` on any system."""
        names = ["latent" if stop.seed is None else str(stop.seed) for stop in self.stops]
        spelt = "-".join(names) if len(names) <= SPELT else f"{names[0]}-to-{names[-1]}"
        parts = [f"{self.manifest.name}-{self.manifest.version}", spelt]
        if self.frame is not None:
            # As many digits as the last one has, so that files lie in their order.
            parts.append(str(self.frame).zfill(len(str(len(self.walk) - 1))))
        return "_".join(parts)

    def file_name(self) -> str:
        return f"{self.stem()}.{self.format}"

    def _between(self, tensor: Tensor) -> walks.Between:
        """How an input goes from stop to stop: latents as asked, weights of classes in proportion, others at once."""
        if tensor.meaning == "latent":
            return BETWEEN[self.mode]
        return latents.lerp if tensor.meaning == "label" and tensor.dtype == "float32" else walks.nearest

    def _spelt_out(self) -> str:
        """The stops as the parameter `stops` takes them: seeds, or JSON where they say more."""
        said = [stop.canonical(self.manifest) for stop in self.stops]
        if all(isinstance(stop, int) for stop in said):
            return ",".join(map(str, said))
        return json.dumps(said, separators=(",", ":"))


def _mixture(weights: NDArray[np.float32]) -> dict[int, float]:
    """The classes that have a weight, without the digits that float32 makes up."""
    shares = ((index, round(float(weight), 6)) for index, weight in enumerate(weights))
    return {index: share for index, share in shares if share}
