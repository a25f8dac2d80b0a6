"""The contract between training and serving: what a folder `models/<name>/<version>/` is.

`Manifest` is `model.json`. `training.export` writes folders by it; `app.engine` reads and serves them.
Knows neither ONNX nor torch: pydantic, numpy and the standard library only.
"""

import base64
import hashlib
import platform
import zlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from app import classes, directions, latents
from app.classes import Class
from app.directions import Direction
from app.foreign import Foreign

MANIFEST = "model.json"

VECTORS = ("fma", "avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "asimddp", "sve", "i8mm")
"""Processor flags by which a runtime picks its kernels, and with them the order in which it sums."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Task = Literal["generate", "translate", "style", "reconstruct", "enhance", "predict"]
Meaning = Literal["latent", "deviation", "label", "image", "audio", "frames", "score"]
Pixels = NDArray[np.uint8]
Values = NDArray[np.generic]


SCORES = ("realness", "match")
"""Outputs of a critic by name, logits: how real a picture is, and, if it can say, how well it matches a class."""

GIVEN: dict[Task, Meaning] = {"translate": "image", "style": "image", "enhance": "audio", "predict": "frames"}
"""What the generator takes in the tasks that don't start from noise."""


PATCH = 8
"""Pixels in the side of a probe's patches."""


class ContractError(ValueError):
    """A model folder that can't be served; the message says what is wrong, where, and what was expected."""


class Part(BaseModel):
    """Base of the manifest's parts: immutable, and unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Tensor(Part):
    """One input or output of a graph. `shape` holds ints, or names for dynamic axes; the first axis is the batch.

    Pictures are uint8 [n, h, w, c], frames uint8 [n, k, h, w, c], the oldest first, audio float32 [n, t] in [-1, 1].
    A label is the class's index, int64 [n], or weights of all classes, float32 [n, classes].
    That is what the service sees. A graph that was made elsewhere may hold it otherwise: then `foreign` says how.
    """

    name: str
    meaning: Meaning
    dtype: Literal["float32", "int64", "uint8"]
    shape: tuple[int | str, ...]
    layout: Literal["NHWC"] | None = None
    range: tuple[float, float] | None = None
    usual: tuple[int, ...] | None = None
    """One sample's shape as it was in training, where `shape` leaves it open."""
    multiple: int = Field(1, ge=1)
    """What the dynamic axes must be multiples of."""
    rate: int | None = Field(None, gt=0)
    """Of audio: values a second."""
    foreign: Foreign | None = None

    @model_validator(mode="after")
    def _can_be_held_so(self) -> "Tensor":
        if self.foreign is not None and (flaw := self.foreign.flaw(self.meaning, self.shape)):
            raise ValueError(f"{self.name} is foreign: {flaw}")
        return self

    @property
    def sample(self) -> tuple[int, ...]:
        """The shape of one sample, open axes as they were in training; `ContractError` if that isn't stated."""
        fixed = tuple(side for side in self.shape[1:] if isinstance(side, int))
        if self.usual is None and len(fixed) != len(self.shape) - 1:
            raise ContractError(f"{self.name} is {list(self.shape)}, and no usual shape is stated")
        return fixed if self.usual is None else self.usual

    def labels(self, asked: Sequence[Class]) -> Values:
        """What this input, a label, takes for the class of each sample: int64 [n], or float32 [n, classes].

        ValueError for a mixture where it takes an index; else for weights that are none, or a class that is not there.
        """
        if self.dtype == "int64":
            return classes.indices(asked)
        (count,) = self.sample
        return classes.weights(asked, count)


class Graph(Part):
    """One ONNX file of the folder and what goes in and comes out of it."""

    file: FileName
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    unread: tuple[str, ...] = ()
    """Further outputs that the graph has, by name: nobody computes them."""
    random: bool = False
    """Whether it draws noise of its own, so that equal inputs give other outputs each time."""

    @model_validator(mode="after")
    def _takes_one_batch(self) -> "Graph":
        batches = {one.foreign.batch for one in (*self.inputs, *self.outputs) if one.foreign and one.foreign.batch}
        if len(batches) > 1:
            raise ValueError(f"{self.file} can't have batches of {' and of '.join(map(str, sorted(batches)))} only")
        return self

    @property
    def native(self) -> bool:
        """Whether all that it takes and gives is as the service sees it."""
        return all(one.foreign is None for one in (*self.inputs, *self.outputs))

    @property
    def batch(self) -> int | None:
        """The only batch size that it takes; None if it takes any."""
        tensors = (*self.inputs, *self.outputs)
        return next((one.foreign.batch for one in tensors if one.foreign and one.foreign.batch), None)

    def input(self, meaning: Meaning) -> Tensor | None:
        """The input of that meaning, or None."""
        return next((tensor for tensor in self.inputs if tensor.meaning == meaning), None)

    def given(self, meaning: Meaning) -> Tensor:
        """The input of that meaning; `ContractError` if the graph has none."""
        if (tensor := self.input(meaning)) is None:
            raise ContractError(f"{self.file} has no input that means {meaning!r}")
        return tensor

    def output(self, meaning: Meaning) -> Tensor:
        """The output of that meaning; `ContractError` if the graph has none."""
        for tensor in self.outputs:
            if tensor.meaning == meaning:
                return tensor
        raise ContractError(f"{self.file} has no output that means {meaning!r}")


class Latent(Part):
    """The latent space: vectors of `size` values drawn from `prior`."""

    size: int = Field(gt=0)
    prior: Literal["normal"] = "normal"


class Curve(Part):
    """How a measure went while training: `points` of real pictures seen so far, and its value; less is better."""

    measure: str
    points: tuple[tuple[int, Annotated[float, Field(allow_inf_nan=False)]], ...] = Field(min_length=2, max_length=100)

    @model_validator(mode="after")
    def _goes_on(self) -> "Curve":
        seen = [images for images, _ in self.points]
        if any(later <= earlier for earlier, later in pairwise(seen)):
            raise ValueError("a curve's pictures grow from point to point")
        return self


class Training(Part):
    """Where the weights come from. `images` counts the real pictures that the discriminator saw."""

    recipe: str
    data: str
    images: int
    seed: int
    revision: str
    device: str
    seconds: float
    date: str
    settings: dict[str, str | int | float | bool | None] = {}
    curve: Curve | None = None
    """Of the measure by which the weights were chosen, over the whole run, which may have gone on after them."""


class Origin(Part):
    """Where the weights come from if they were not trained here: what the file says, and whoever added it."""

    file: str
    """The name that it had."""
    producer: str = ""
    """What wrote it, by its own account."""
    source: str = ""
    """Where it was got, in words or as an address."""
    date: str
    """When it was added."""


class Metric(Part):
    """A measured number. `floor` is the same number for real data against real data.

    `others` are what it must be compared with, by name: an ablation, a baseline, the untouched input.
    """

    name: str
    value: float
    floor: float | None = None
    others: dict[str, float] = {}
    protocol: str


class Licence(Part):
    data: str
    weights: str


class Golden(Part):
    """What the exporter's generator answered for one seed: values of `shape`, deflated and in base64."""

    seed: int
    label: int | None = None
    shape: tuple[int, ...]
    dtype: Literal["uint8", "float32"] = "uint8"
    pixels: str

    @classmethod
    def of(cls, seed: int, label: int | None, values: Values) -> "Golden":
        packed = base64.b64encode(zlib.compress(np.ascontiguousarray(values).tobytes(), 9)).decode()
        return cls(seed=seed, label=label, shape=values.shape, dtype=str(values.dtype), pixels=packed)

    def array(self) -> Values:
        """The values, of `dtype` and `shape`; `ContractError` if they are not that many bytes."""
        size = int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize
        try:
            data = zlib.decompressobj().decompress(base64.b64decode(self.pixels, validate=True), size + 1)
        except (ValueError, zlib.error) as error:
            raise ContractError(f"golden sample of seed {self.seed} can't be unpacked: {error}") from error
        if len(data) != size:
            raise ContractError(f"golden sample of seed {self.seed} holds {len(data)} bytes, its shape says {size}")
        return np.frombuffer(data, self.dtype).reshape(self.shape)


class Exporter(Part):
    """What drew the golden samples: same processor and runtime must give the same bytes."""

    runtime: str
    processor: str


class Manifest(Part):
    """`model.json`: everything that the service needs to know of a model."""

    format: Literal[1] = 1
    name: Name
    version: int = Field(ge=1)
    title: str
    tasks: tuple[Task, ...] = Field(min_length=1)
    graphs: dict[str, Graph] = Field(min_length=1)
    latent: Latent | None = None
    classes: tuple[str, ...] = ()
    styles: dict[Name, str] = {}
    """Of the task `style`: the role of the graph that draws each style."""
    directions: tuple[Direction, ...] = ()
    training: Training | None = None
    origin: Origin | None = None
    """In the place of `training` where the graph was made elsewhere."""
    metrics: tuple[Metric, ...] = ()
    licence: Licence
    notes: str = ""
    """What people should know besides: how it was chosen, what it is bad at. Markdown."""
    exporter: Exporter
    golden: tuple[Golden, ...] = ()
    files: dict[FileName, Sha256]

    @model_validator(mode="after")
    def _hangs_together(self) -> "Manifest":
        if (self.training is None) == (self.origin is None):
            raise ValueError("it says where its weights come from: by `training`, or by `origin` if made elsewhere")
        for role, graph in self.graphs.items():
            if graph.file not in self.files:
                raise ValueError(f"graph {role!r} names {graph.file}, which `files` does not list")
        for task in self.tasks:
            self._can(task)
        if unknown := [role for role in self.styles.values() if role not in self.graphs]:
            raise ValueError(f"styles name {', '.join(unknown)}, which is no graph")
        directions.check(self.directions, self.latent.size if self.latent else None)
        self._judges(self.graphs.get("critic"))
        self._begins(self.graphs.get("stage1"))
        if not self.golden:
            raise ValueError(f"the task {self.tasks[0]!r} needs golden samples")
        return self

    def _can(self, task: Task) -> None:
        """Raises ValueError unless the graphs that the task needs are there and take what it gives them."""
        generator = self.graphs.get("generator")
        if generator is None:
            raise ValueError(f"the task {task!r} needs a graph 'generator'")
        if task in ("generate", "reconstruct"):
            self._decodes(generator, task)
        elif generator.input(GIVEN[task]) is None:
            raise ValueError(f"the task {task!r} needs a generator that takes {GIVEN[task]}")
        if task == "predict":
            self._continues(generator)
        if task == "reconstruct":
            self._encodes()
        if task == "style" and not self.styles:
            raise ValueError("the task 'style' needs the names of its styles")

    def _continues(self, generator: Graph) -> None:
        """Raises ValueError unless the picture that the generator gives can be the newest of the frames it takes."""
        drawn, (_, *frame) = generator.output("image").sample, generator.given("frames").sample
        if drawn != tuple(frame):
            sizes = ["×".join(map(str, sides)) for sides in (frame, drawn)]
            raise ValueError(f"the task 'predict' needs an image like the frames, of {sizes[0]} values, not {sizes[1]}")

    def _decodes(self, generator: Graph, task: Task) -> None:
        if self.latent is None:
            raise ValueError(f"the task {task!r} needs a graph 'generator' and a latent")
        drawn = generator.input("latent")
        if drawn is None or drawn.shape[1:] != (self.latent.size,):
            raise ValueError(f"the generator must take a latent of shape [n, {self.latent.size}]")
        label = generator.input("label")
        if (label is not None) != bool(self.classes):
            raise ValueError("a generator with a label needs class names, and one without has none")
        weights = ("float32", (len(self.classes),))
        if label is not None and (label.dtype, label.shape[1:]) not in (("int64", ()), weights):
            raise ValueError(
                f"a label of {len(self.classes)} classes must be int64 [n] or float32 [n, {len(self.classes)}], "
                f"{label.name} is {label.dtype} [{', '.join(map(str, label.shape))}]"
            )
        if label and label.foreign and label.foreign.one_hot and label.foreign.shape[1] != len(self.classes):
            raise ValueError(
                f"its label has {label.foreign.shape[1]} values, and there are {len(self.classes)} classes"
            )

    def _encodes(self) -> None:
        """Raises ValueError unless there is an encoder, from a picture to the latent."""
        encoder = self.graphs.get("encoder")
        if encoder is None:
            raise ValueError("the task 'reconstruct' needs a graph 'encoder'")
        size = self.latent.size if self.latent else 0
        codes = [tensor for tensor in encoder.outputs if tensor.meaning in ("latent", "deviation")]
        means = [tensor.meaning for tensor in codes]
        if encoder.input("image") is None or means.count("latent") != 1 or means.count("deviation") > 1:
            raise ValueError("an encoder takes an image and answers with a latent, and at most one deviation")
        if wrong := [tensor.name for tensor in codes if tensor.shape[1:] != (size,)]:
            raise ValueError(f"the encoder's {' and '.join(wrong)} must be of shape [n, {size}], as the latent is")

    def _judges(self, critic: Graph | None) -> None:
        """Raises ValueError unless the critic, if there is one, takes a picture, and its class if classes there are."""
        if critic is None:
            return
        picture = critic.input("image")
        if picture is None or SCORES[0] not in [tensor.name for tensor in critic.outputs]:
            raise ValueError(f"a critic takes an image and answers with {SCORES[0]}, and {SCORES[1]} if it can")
        drawn = self.graphs["generator"].output("image").sample
        if picture.sample != drawn:
            raise ValueError(
                f"a critic judges pictures as the generator draws them, of {'×'.join(map(str, drawn))} values"
            )
        label = critic.input("label")
        if label is not None and (label.dtype != "int64" or not self.classes):
            raise ValueError("a critic's label is the index, int64 [n], of one of the model's classes")

    def _begins(self, stage1: Graph | None) -> None:
        """Raises ValueError unless the first stage, if there is one, draws a picture from what the generator takes."""
        if stage1 is None:
            return
        both = (stage1, self.graphs["generator"])
        small, large = ({(one.meaning, one.dtype, one.shape[1:]) for one in graph.inputs} for graph in both)
        if small != large or "image" not in [tensor.meaning for tensor in stage1.outputs]:
            raise ValueError("a graph 'stage1' must take what the generator takes, and draw an image")

    @property
    def reference(self) -> str:
        """`name@version`, the model's address."""
        return f"{self.name}@{self.version}"

    @property
    def recipe(self) -> str:
        """The recipe that trained it; `elsewhere` if none of ours did."""
        return self.training.recipe if self.training else "elsewhere"

    @property
    def settings(self) -> Mapping[str, str | int | float | bool | None]:
        """The settings that it was trained with; none if it was trained elsewhere."""
        return self.training.settings if self.training else {}

    @property
    def reproducible(self) -> bool:
        """Whether the same request gives the same answer again: no graph draws noise of its own."""
        return not any(graph.random for graph in self.graphs.values())

    def inputs(
        self, seed: int, indices: range, label: Class | None = None, truncation: float = 1, role: str = "generator"
    ) -> dict[str, NDArray[np.generic]]:
        """What the graph of a role eats for samples `indices` of `seed`, by ONNX input name.

        Latents float32 [n, size]; labels as that graph takes them, see `Tensor.labels`: `label` for all, or drawn
        from the seed when None. What users would send is made up from the seed: see `probe`.
        The exporter's golden samples, the evaluation and the service all come through here.
        """
        drawn: dict[str, NDArray[np.generic]] = {}
        for tensor in self.graphs[role].inputs:
            if tensor.meaning == "latent":
                if self.latent is None:
                    raise ContractError(f"{self.reference} has no latent to draw")
                noise = latents.noise(seed, indices, self.latent.size)
                drawn[tensor.name] = latents.truncate(noise, truncation)
            elif tensor.meaning != "label":
                drawn[tensor.name] = probe(tensor, seed, indices)
            elif label is None:
                drawn[tensor.name] = tensor.labels(latents.classes(seed, indices, len(self.classes)).tolist())
            else:
                drawn[tensor.name] = tensor.labels([label] * len(indices))
        return drawn


def probe(tensor: Tensor, seed: int, indices: range) -> Values:
    """Input to try a graph with where it takes no noise: a function of the seed, of the shape of training.

    Pictures and frames are patchworks of 8×8 pixels, uint8; audio is noise of a tenth of full scale, float32.
    """
    shape = tensor.sample
    if tensor.dtype == "float32":
        flat = latents.noise(seed, indices, int(np.prod(shape))) * np.float32(0.1)
        return flat.reshape(len(indices), *shape)
    *frames, height, width, channels = shape
    patches = (*frames, -(-height // PATCH), -(-width // PATCH), channels)
    flat = latents.noise(seed, indices, int(np.prod(patches)))
    coarse = np.clip(flat * 64 + 128, 0, 255).astype(np.uint8).reshape(len(indices), *patches)
    fine = coarse.repeat(PATCH, axis=-3).repeat(PATCH, axis=-2)
    return fine[..., :height, :width, :]


def processor() -> str:
    """This machine's processor: architecture, model, and the extensions that decide the width of its vectors.

    Processors that share it are taken to round alike: where it and the runtime are the exporter's, the golden samples
    must come out exactly. Two that differ in it may still round alike, which only loosens the check.
    """
    architecture = platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{architecture} {platform.processor()}".strip()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = facts.get("flags", facts.get("Features", "")).split()
    model = facts.get("model name", facts.get("CPU part", ""))
    return " ".join([architecture, model, *(flag for flag in VECTORS if flag in flags)])


def digest(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def read(folder: Path) -> Manifest:
    """The manifest of a model folder; `ContractError` if it is missing, malformed, or names another folder."""
    path = folder / MANIFEST
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ContractError(f"{path} can't be read: {error.strerror}") from error
    except ValidationError as error:
        flaws = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'manifest'}: {e['msg']}" for e in error.errors())
        raise ContractError(f"{path} is not a valid manifest: {flaws}") from error
    if (folder.parent.name, folder.name) != (manifest.name, str(manifest.version)):
        raise ContractError(f"{path} says {manifest.reference}, its folder says {folder.parent.name}@{folder.name}")
    return manifest


def load(folder: Path, manifest: Manifest, file: str) -> bytes:
    """The bytes of one listed file, checked against its hash.

    Raises `ContractError` if it is not listed, missing, a link out of the folder, or altered. Whoever goes on with
    these bytes, and not with the path, uses what was checked.
    """
    if file not in manifest.files:
        raise ContractError(f"{folder / MANIFEST} does not list {file}")
    path = folder / file
    if path.is_symlink() or path.resolve().parent != folder.resolve():
        raise ContractError(f"{path} points outside its model folder")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ContractError(f"{path} can't be read: {error.strerror}") from error
    if digest(data) != manifest.files[file]:
        raise ContractError(f"{path} was altered: its SHA-256 is not the manifest's")
    return data


def check(folder: Path) -> Manifest:
    """The manifest of a folder whose every listed file is there, inside the folder and unaltered."""
    manifest = read(folder)
    for file in manifest.files:
        load(folder, manifest, file)
    for golden in manifest.golden:
        golden.array()
    return manifest


def write(folder: Path, manifest: Manifest) -> None:
    """Writes `model.json`, last: a folder without one is not yet a model."""
    temporary = folder / f".{MANIFEST}"
    temporary.write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    temporary.replace(folder / MANIFEST)
