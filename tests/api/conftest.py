"""A client of the real application on the toy models, without sockets."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from opentelemetry.trace import TracerProvider
from starlette.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from tests import toy, toy_parts, toy_sound
from tests.api.process import Process

Serve = Callable[..., TestClient]


@pytest.fixture(scope="session")
def client(models_dir: Path) -> Iterator[TestClient]:
    """A client of an app whose models are all ready. Shared: for tests that leave nothing behind."""
    with ExitStack() as running:
        yield start(running, Settings(models=models_dir, device="cpu", threads=2, encode_threads=2))


@pytest.fixture(scope="session")
def sound_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`hush`, which halves sound, and `toy`, which knows none. Read only."""
    models = tmp_path_factory.mktemp("sound")
    toy_sound.build(models)
    toy.build(models)
    return models


@pytest.fixture(scope="session")
def studio_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models of more graphs than a generator. Read only.

    `codes` has an encoder and a critic, `clouds` an encoder that answers with a deviation. The others draw cat, dog and
    owl: `judged` has a critic and a first stage, and takes one class at once; `mixing` has a critic and takes weights.
    """
    models = tmp_path_factory.mktemp("studio")
    animals = ("cat", "dog", "owl")
    toy_parts.add(toy.build(models, "clouds", classes=(), seed=1), "variational")
    toy_parts.add(toy.build(models, "codes", classes=(), seed=2), "encoder", "critic")
    toy_parts.add(toy.build(models, "judged", classes=animals), "critic", "stage1")
    toy_parts.add(toy.build(models, "mixing", classes=animals, weighs=True), "critic", "stage1")
    return models


@pytest.fixture(scope="session")
def studio(studio_dir: Path) -> Iterator[TestClient]:
    """A client of an app with the models of `studio_dir`, all ready. Shared: for tests that leave nothing behind."""
    with ExitStack() as running:
        yield start(running, Settings(models=studio_dir, device="cpu", threads=2, encode_threads=2))


@pytest.fixture(scope="session")
def walker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of `shapes` without classes, `toy`, which takes one class at once, and `mixer`, which takes weights.

    Shared: for tests that leave nothing behind.
    """
    models = tmp_path_factory.mktemp("walker")
    toy.build(models, "shapes", classes=())
    toy.build(models, "toy")
    toy.build(models, "mixer", weighs=True)
    with ExitStack() as running:
        yield start(running, Settings(models=models, device="cpu", threads=2, encode_threads=2))


@pytest.fixture(scope="session")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of models with the directions `hue` and `size`: `codes` has an encoder and no classes, `mixer` takes
    weights of cat and dog, `toy` one of them at once. `plain` is `toy` without directions.

    Shared: for tests that leave nothing behind.
    """
    models = tmp_path_factory.mktemp("editor")
    toy.direct(toy_parts.add(toy.build(models, "codes", classes=(), seed=2), "variational"))
    toy.direct(toy.build(models, "mixer", weighs=True))
    toy.direct(toy.build(models, "toy"))
    toy.build(models, "plain")
    with ExitStack() as running:
        yield start(running, Settings(models=models, device="cpu", threads=2, encode_threads=2))


@pytest.fixture
def serve(models_dir: Path) -> Iterator[Serve]:
    """Starts an app with settings of the test's own and returns its client, ready or not."""
    with ExitStack() as running:

        def serve(**settings: object) -> TestClient:
            chosen = {"models": models_dir, "device": "cpu", "threads": 1, "encode_threads": 1} | settings
            return start(running, Settings.model_validate(chosen))

        yield serve


@pytest.fixture(scope="session")
def listening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """The real server, ready, for clients made elsewhere: `toy` with classes, `shapes` without, `negative` of pictures.

    Shared: for tests that leave nothing behind.
    """
    folder = tmp_path_factory.mktemp("listening")
    toy.build(folder / "models", "toy")
    toy.build(folder / "models", "shapes", classes=())
    toy.translator(folder / "models", "negative")
    with Process(folder / "models", folder / "log", "--threads", "2", "--encode-threads", "2") as process:
        yield process


def start(running: ExitStack, settings: Settings, provider: TracerProvider | None = None) -> TestClient:
    """A client of a started app, which may be traced, once none of its models is loading any more."""
    app = create_app(settings, tracer_provider=provider)
    client = running.enter_context(TestClient(app, raise_server_exceptions=False))
    end = time.monotonic() + 20
    while any(entry.state == "loading" for entry in app.state.service.catalog.entries()):
        assert time.monotonic() < end, "the models are still loading"
        time.sleep(0.005)
    return client


def count(client: TestClient, name: str, **labels: str) -> float:
    """A metric's value, 0 if it has none yet."""
    return client.app.state.service.metrics.registry.get_sample_value(name, labels) or 0  # type: ignore[attr-defined]
