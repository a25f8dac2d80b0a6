"""Real examples for training and measuring: from where they lie to arrays, and in which order they are seen.

`load` reads any source of pictures into `Pictures`; other kinds of data have a file of their own, and all are
`Examples`. `Sampler` says which example comes when.
"""

from training.data.examples import Drawn, Examples, Facts
from training.data.pictures import DataError, NoSplit, Pictures, Split
from training.data.sampling import Sampler
from training.data.source import load

__all__ = ["DataError", "Drawn", "Examples", "Facts", "NoSplit", "Pictures", "Sampler", "Split", "load"]
