"""What every test may use: a folder of toy models, and a catalog that serves it."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.engine.catalog import Catalog
from app.metrics import Metrics
from app.settings import Settings
from tests import toy


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`shapes` (version 1) without classes, `toy` (versions 1 and 2) with the classes cat and dog. Read only."""
    models = tmp_path_factory.mktemp("models")
    toy.build(models, "shapes", classes=())
    toy.build(models, "toy", version=1)
    toy.build(models, "toy", version=2, seed=2)
    return models


@pytest.fixture
def settings(models_dir: Path) -> Settings:
    """Settings for tests: the toy models on two executors."""
    return Settings(models=models_dir, device="cpu", threads=2, encode_threads=2)


@pytest.fixture
def catalog(settings: Settings) -> Iterator[Catalog]:
    """A catalog whose models are all ready; closed after the test."""
    catalog = Catalog(settings, Metrics())
    catalog.start()
    settled(catalog)
    yield catalog
    catalog.close(5)


def settled(catalog: Catalog, seconds: float = 20) -> None:
    """Waits until no model is loading."""
    end = time.monotonic() + seconds
    while any(entry.state == "loading" for entry in catalog.entries()):
        assert time.monotonic() < end, "the models are still loading"
        time.sleep(0.005)
