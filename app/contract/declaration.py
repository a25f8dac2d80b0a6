"""The fields of `model.json`. Whether they hang together is looked at in `app.contract.consistency`."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from app.contract import bounds
from app.contract.parts import Exporter, Golden, Latent, Licence, Metric, Origin, Training
from app.contract.tensors import FileName, Graph, Line, Name, Part, Task, Text
from app.directions import Direction

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

Version = Annotated[int, Field(ge=1, le=bounds.VERSION)]


class Declaration(Part):
    """What a manifest says of a model."""

    format: Literal[1] = 1
    name: Name
    version: Version
    title: Line
    tasks: tuple[Task, ...] = Field(min_length=1)
    graphs: dict[Name, Graph] = Field(min_length=1, max_length=bounds.GRAPHS)
    latent: Latent | None = None
    classes: tuple[Line, ...] = Field((), max_length=bounds.CLASSES)
    styles: dict[Name, Name] = Field({}, max_length=bounds.STYLES)
    """Of the task `style`: the role of the graph that draws each style."""
    directions: tuple[Direction, ...] = Field((), max_length=bounds.DIRECTIONS)
    training: Training | None = None
    origin: Origin | None = None
    """In the place of `training` where the graph was made elsewhere."""
    metrics: tuple[Metric, ...] = Field((), max_length=bounds.METRICS)
    licence: Licence
    notes: Text = ""
    """What people should know besides: how it was chosen, what it is bad at. Markdown."""
    exporter: Exporter
    golden: tuple[Golden, ...] = Field((), max_length=bounds.GOLDEN)
    files: dict[FileName, Sha256] = Field(max_length=bounds.FILES)
