"""A picture is a function of model, seed and index: never of the batch it rode in, its neighbours, or the time."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from app.engine.catalog import Catalog
from app.engine.job import Arrays
from app.engine.model import LiveModel
from app.metrics import Metrics
from tests.conftest import serving


def draw(model: LiveModel, seed: int, indices: range = range(1), label: int | None = None) -> list[bytes]:
    """The pictures of a seed as the service would draw them, each as bytes."""

    def finish(outputs: Arrays) -> list[bytes]:
        return [picture.tobytes() for picture in outputs["image"]]

    return model.submit(model.manifest.inputs(seed, indices, label), deadline=None, finish=finish).result(10)


def test_same_seed_same_bytes_alone_and_in_any_batch_under_concurrency(models_dir: Path) -> None:
    metrics = Metrics()
    with serving(models_dir, metrics) as catalog:
        model = catalog.get("toy@2")
        alone = [draw(model, seed, range(seed, seed + 1))[0] for seed in range(40)]
        chance = np.random.default_rng(0)
        requests = [(seed, int(chance.integers(0, seed + 1))) for seed in chance.integers(0, 40, 400).tolist()]

        def same(request: tuple[int, int]) -> bool:
            seed, start = request
            return draw(model, seed, range(start, seed + 1))[-1] == alone[seed]

        with ThreadPoolExecutor(16) as clients:
            assert all(clients.map(same, requests))
    series = metrics.registry.get_sample_value
    single = series("ganymede_batch_size_bucket", {"model": "toy@2", "le": "1.0"}) or 0
    all_of_them = series("ganymede_batch_size_count", {"model": "toy@2"}) or 0
    assert single < all_of_them, "nothing rode in a larger batch, so nothing was shown"


def test_a_label_of_all_is_that_label_for_each(catalog: Catalog) -> None:
    model = catalog.get("toy")
    assert draw(model, 7, range(5), label=1) == [draw(model, 7, range(i, i + 1), label=1)[0] for i in range(5)]
    assert draw(model, 7, label=0) != draw(model, 7, label=1)


def test_other_seeds_indices_and_versions_are_other_pictures(catalog: Catalog) -> None:
    model = catalog.get("toy@1")
    pictures = {draw(model, 1)[0], draw(model, 2)[0], draw(model, 1, range(1, 2))[0], draw(catalog.get("toy@2"), 1)[0]}
    assert len(pictures) == 4
