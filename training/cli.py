"""The commands `ganymede train`, `evaluate` and `export`, and the words in which they fail."""

import logging

from training import config, loop
from training.checkpoint import CheckpointError
from training.config import ConfigError
from training.data import DataError
from training.features import FeaturesError


def train(arguments: list[str]) -> int:
    """Train a generator: `ganymede train RECIPE --data … --out …`."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        loop.train(config.parse(arguments))
    except (CheckpointError, ConfigError, DataError, FeaturesError) as error:
        logging.getLogger("ganymede").error("ganymede train: %s", error)
        return 2
    return 0
