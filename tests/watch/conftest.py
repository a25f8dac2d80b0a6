"""A service with traffic of every kind, and a Prometheus that watches it: one for all tests of this folder."""

import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import numpy as np
import pytest
from PIL import Image

from app.settings import Settings
from tests import toy
from tests.live import live
from tests.prometheus import Prometheus, prometheus


@dataclass(frozen=True)
class Watched:
    """A service at `url`, and the Prometheus that watches it."""

    url: str
    prometheus: Prometheus


@pytest.fixture(scope="package")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """`toy` in two versions and a translator, asked again and again as long as tests use them."""
    models, folder = tmp_path_factory.mktemp("watched-models"), tmp_path_factory.mktemp("prometheus")
    toy.build(models, "toy", version=1)
    toy.build(models, "toy", version=2, seed=2)
    toy.translator(models)
    settings = Settings(models=models, device="cpu", threads=2, encode_threads=2)
    done = threading.Event()
    with live(settings) as service, prometheus(folder, service.url) as watching:
        asking = threading.Thread(target=_ask, args=(service.url, done))
        asking.start()
        try:
            yield Watched(service.url, watching)
        finally:
            done.set()
            asking.join()


def _ask(url: str, done: threading.Event) -> None:
    file = io.BytesIO()
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(file, "png")
    with httpx.Client(base_url=url) as client:
        while not done.wait(0.1):
            for version in (1, 2):
                client.get("/generate", params={"model": f"toy@{version}", "n": 3, "format": "zip"})
            client.post("/translate", files={"image": file.getvalue()}, params={"model": "negative"})
            client.get("/generate", params={"timeout": 1e-6})  # refused: out of reach
            client.get("/generate", params={"class": "unicorn"})
            client.get("/nowhere")
