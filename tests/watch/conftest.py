"""A service with traffic of every kind, and a Prometheus that watches it: one for all tests of this folder."""

import io
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import numpy as np
import pytest
from PIL import Image

from app.engine import realness
from app.metrics import Metrics
from app.settings import Settings
from tests import toy, toy_parts
from tests.keyring import key, written
from tests.live import live
from tests.prometheus import Prometheus, prometheus

MEASURED = {
    *re.findall(r"# TYPE (ganymede_\w+) ", Metrics().exposition().decode()),
    "ganymede_worker_up",  # told by the workers of several, not by `Metrics`
}
"""The families of metrics of the service."""


def measures(text: str) -> set[str]:
    """The families that a text with queries asks for; what a rule records has its name after a colon."""
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"(?<![:\w-])ganymede_\w+", text)}


@dataclass(frozen=True)
class Watched:
    """A service at `url`, and the Prometheus that watches it; `token` is the key of that."""

    url: str
    token: str
    prometheus: Prometheus


@pytest.fixture(scope="package")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """`toy` in two versions, one with a critic, and a translator, asked again and again as long as tests use them, by a
    key for that.
    """
    models, folder = tmp_path_factory.mktemp("watched-models"), tmp_path_factory.mktemp("prometheus")
    toy_parts.add(toy.build(models, "toy", version=1), "critic")
    toy.build(models, "toy", version=2, seed=2)
    toy.translator(models)
    (asks, studio), (watches, scraper) = key("studio", "generate"), key("prometheus", "metrics")
    file = written(folder / "keys.json", studio, scraper)
    settings = Settings(models=models, device="cpu", threads=2, encode_threads=2, keys_file=file)
    done = threading.Event()
    with (
        pytest.MonkeyPatch.context() as patch,
        live(settings) as service,
        prometheus(folder, service.url, token=watches) as watching,
    ):
        # A critic is asked every ten seconds otherwise.
        patch.setattr(realness, "PERIOD", 0.5)
        asking = threading.Thread(target=_ask, args=(service.url, asks, done))
        asking.start()
        try:
            yield Watched(service.url, watches, watching)
        finally:
            done.set()
            asking.join()


def _ask(url: str, token: str, done: threading.Event) -> None:
    file = io.BytesIO()
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(file, "png")
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}) as client:
        while not done.wait(0.1):
            for version in (1, 2):
                client.get("/generate", params={"model": f"toy@{version}", "n": 3, "format": "zip"})
            client.post("/translate", files={"image": file.getvalue()}, params={"model": "negative"})
            client.get("/generate", params={"timeout": 1e-6})  # refused: out of reach
            client.get("/generate", params={"class": "unicorn"})
            client.get("/nowhere")
            client.get("/metrics")  # refused: not in its scope
