"""A model folder under other names: as many models as a measurement needs, all of the same cost."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from app import contract


def lay_out(folder: Path, models: Path, names: Sequence[str]) -> list[Path]:
    """Copies the model of `folder` to `models/<name>/<version>/` for each name; the new folders, in that order."""
    manifest = contract.check(folder)
    made = []
    for name in names:
        copy = models / name / folder.name
        copy.mkdir(parents=True)
        for file in manifest.files:
            shutil.copyfile(folder / file, copy / file)
        contract.write(copy, manifest.model_copy(update={"name": name}))
        made.append(copy)
    return made
