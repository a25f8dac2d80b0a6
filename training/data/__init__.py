"""Real pictures for training and measuring: from where they lie to one uint8 array, and in which order they are seen.

`load` reads any source into `Pictures`; `Sampler` says which picture comes when. One kind of source is one file.
"""

from training.data.pictures import DataError, NoSplit, Pictures
from training.data.sampling import Sampler
from training.data.source import load

__all__ = ["DataError", "NoSplit", "Pictures", "Sampler", "load"]
