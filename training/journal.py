"""What a run tells: a line for people, a JSON line for programs, TensorBoard where it is installed, sample sheets."""

import importlib.util
import json
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from app.contract import Curve
from training.recipes import Panel

log = logging.getLogger("ganymede.train")

LOG = "log.jsonl"
POINTS = 100
"""The most points of a curve that are kept."""


class Journal:
    """Writes `log.jsonl` and TensorBoard events in the run's folder, and one line a status to the terminal."""

    def __init__(self, folder: Path) -> None:
        self._file = (folder / LOG).open("a", encoding="utf-8")
        self._board: Any = None
        if importlib.util.find_spec("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(folder)

    def status(self, images: int, values: dict[str, float], *, rate: float, left: float) -> None:
        """One status: `rate` in pictures a second, `left` in seconds."""
        record = {"images": images, "rate": round(rate, 1), "time": round(time.time(), 1), **values}
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, images)
        numbers = " ".join(f"{name} {value:.3g}" for name, value in values.items())
        log.info("%8.1fk  %5.0f img/s  %s left  %s", images / 1000, rate, duration(left), numbers)

    def close(self) -> None:
        """Closes the files."""
        self._file.close()
        if self._board is not None:
            self._board.close()


def curve(folder: Path) -> Curve | None:
    """How the measure of a run went, from its log; None if there are less than two points of it.

    A line of the measure holds that one value and no rate. Of a run that was resumed at an earlier point, what it did
    again counts; of more points than are kept, evenly many are left out, never the first or the last.
    """
    try:
        lines = (folder / LOG).read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    name, points = "", list[tuple[int, float]]()
    for line in lines:
        record = _record(line)
        if record.pop("rate", None) != 0 or len(record) != 3:
            continue
        images = int(record.pop("images"))
        record.pop("time")
        ((name, value),) = record.items()
        points = [point for point in points if point[0] < images]
        if np.isfinite(value):
            points.append((images, float(f"{value:.5g}")))
    if len(points) < 2:
        return None
    kept = np.unique(np.linspace(0, len(points) - 1, min(len(points), POINTS)).round().astype(int))
    return Curve(measure=name, points=tuple(points[at] for at in kept))


def _record(line: str) -> dict[str, Any]:
    """A line of the log; empty if it was cut off, as the last one of a run that was killed may be."""
    try:
        return dict(json.loads(line))
    except ValueError:
        return {}


def warnings(values: dict[str, float]) -> list[str]:
    """What the vital signs say of a run in trouble, in sentences; usually nothing."""
    said = []
    if values.get("diversity", 1) < 0.3:
        said.append("the samples hardly differ from each other: the generator is collapsing")
    if values.get("within classes", 1) < 0.3:
        said.append("the samples of a class hardly differ from each other: lower --match, or raise --r1")
    if values.get("accuracy", 0) > 0.98:
        said.append("the discriminator tells everything apart: the generator may no longer learn from it")
    if any(not np.isfinite(value) for value in values.values()):
        said.append("a value is not finite: lower --rate, or raise --r1")
    return said


def duration(seconds: float) -> str:
    """Hours and minutes, or minutes and seconds: `1h05m`, `3m20s`."""
    minutes, rest = divmod(int(max(seconds, 0)), 60)
    return f"{minutes // 60}h{minutes % 60:02}m" if minutes >= 60 else f"{minutes}m{rest:02}s"


def sheet(panels: list[Panel]) -> Image.Image:
    """The panels as rows of one picture, each with its label on the left; small pictures are shown at 2×."""
    scale = 2 if panels[0].pictures.shape[-1] <= 64 else 1
    rows = [_pixels(panel.pictures).repeat(scale, axis=1).repeat(scale, axis=2) for panel in panels]
    margin = 8 + 6 * max(len(panel.label) for panel in panels) if any(panel.label for panel in panels) else 0
    gap = 2
    height, width = rows[0].shape[1:3]
    columns = max(len(row) for row in rows)
    picture = Image.new("RGB", (margin + columns * (width + gap), len(rows) * (height + gap)), "white")
    draw = ImageDraw.Draw(picture)
    for y, (panel, row) in enumerate(zip(panels, rows, strict=True)):
        draw.text((4, y * (height + gap) + height // 2 - 5), panel.label, fill="black")
        for x, pixels in enumerate(row):
            picture.paste(Image.fromarray(pixels), (margin + x * (width + gap), y * (height + gap)))
    return picture


def _pixels(pictures: Tensor) -> Any:
    """[n, c, h, w] in [-1, 1] to uint8 [n, h, w, 3]."""
    array = (pictures.detach().float().cpu().clamp(-1, 1) * 127.5 + 127.5).round().byte()
    return array.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy()
