"""A folder of pictures, or of class folders of pictures."""

import os
from pathlib import Path, PurePosixPath

from training.data.gather import decode_all
from training.data.layout import arrange
from training.data.pictures import Pictures, Split


def load(folder: Path, *, size: int, channels: int, split: Split, max_broken: float) -> Pictures:
    """The pictures under `folder`, links followed; see `layout.arrange` for what its folders mean."""
    found = (
        PurePosixPath(Path(parent, name).relative_to(folder).as_posix())
        for parent, _, names in os.walk(folder, followlinks=True)
        for name in names
    )
    return decode_all(
        arrange(found, split, str(folder)),
        lambda path: (folder / path).read_bytes(),
        size=size,
        channels=channels,
        max_broken=max_broken,
        source=f"{folder.name} {split}",
    )
