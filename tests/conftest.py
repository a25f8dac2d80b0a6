"""What every test may use: a folder of toy models, and a catalog that serves it."""

import gc
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.engine.catalog import Catalog
from app.metrics import Metrics
from app.settings import Settings
from tests import toy


def pytest_collection_finish() -> None:
    """What the imports made stays: as in the service, no collection need walk it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`shapes` (version 1) without classes, `toy` (versions 1 and 2) with the classes cat and dog. Read only."""
    models = tmp_path_factory.mktemp("models")
    toy.build(models, "shapes", classes=())
    toy.build(models, "toy", version=1)
    toy.build(models, "toy", version=2, seed=2)
    return models


@pytest.fixture
def models_copy(models_dir: Path, tmp_path: Path) -> Path:
    """A copy of `models_dir` that the test may change."""
    return Path(shutil.copytree(models_dir, tmp_path / "models"))


@pytest.fixture
def settings(models_dir: Path) -> Settings:
    """Settings for tests: the toy models on two executors."""
    return Settings(models=models_dir, device="cpu", threads=2, encode_threads=2)


@pytest.fixture
def catalog(models_dir: Path) -> Iterator[Catalog]:
    """A catalog of the toy models, all of them ready; closed after the test."""
    with serving(models_dir) as catalog:
        yield catalog


@contextmanager
def serving(models: Path, metrics: Metrics | None = None, **settings: Any) -> Iterator[Catalog]:
    """A catalog of a models folder, from when no model is loading any more until it is closed."""
    chosen = {"threads": 2} | settings
    catalog = Catalog(Settings(models=models, device="cpu", **chosen), metrics or Metrics())
    catalog.start()
    end = time.monotonic() + 20
    while any(entry.state == "loading" for entry in catalog.entries()):
        assert time.monotonic() < end, "the models are still loading"
        time.sleep(0.002)
    yield catalog
    catalog.close(5)
