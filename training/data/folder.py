"""A folder of pictures, or of class folders of pictures."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from training.data.gather import decode_all
from training.data.layout import arrange
from training.data.pictures import Pictures, Split


@contextmanager
def opened(folder: Path) -> Iterator[tuple[list[PurePosixPath], Callable[[PurePosixPath], bytes]]]:
    """The files under `folder`, links followed, by their paths in it, and what reads one."""
    found = [
        PurePosixPath(Path(parent, name).relative_to(folder).as_posix())
        for parent, _, names in os.walk(folder, followlinks=True)
        for name in names
    ]
    yield found, lambda path: (folder / path).read_bytes()


def load(folder: Path, *, size: int, channels: int, split: Split, max_broken: float) -> Pictures:
    """The pictures under `folder`; see `layout.arrange` for what its folders mean."""
    with opened(folder) as (found, read):
        return decode_all(
            arrange(found, split, str(folder)),
            read,
            size=size,
            channels=channels,
            max_broken=max_broken,
            source=f"{folder.name} {split}",
        )
