"""The alert for a collapsed model, by a real Prometheus that watches the real service."""

import re
import time
from pathlib import Path

import httpx

from app.settings import Settings
from tests import toy
from tests.live import live
from tests.prometheus import CONFIGURATION, needed, prometheus

RULES = CONFIGURATION.parent / "rules" / "quality.yml"
PATIENCE = 40


@needed
def test_the_alert_fires_for_a_collapsed_version_that_takes_the_traffic_and_never_for_the_good_one(
    tmp_path: Path,
) -> None:
    toy.build(tmp_path / "models", classes=())
    toy.collapse(toy.build(tmp_path / "models", version=2, classes=()))
    # An alert's patience is for people; here seconds must do.
    rules = re.sub(r"for: \w+", "for: 1s", RULES.read_text())
    settings = Settings(models=tmp_path / "models", device="cpu", threads=1, encode_threads=1)
    with (
        live(settings) as service,
        prometheus(tmp_path, service.url, rules=rules) as watching,
        httpx.Client() as client,
    ):

        def ask(model: str, seed: int) -> str:
            answer = client.get(f"{service.url}/generate?model={model}&n=8&seed={seed}&format=zip").raise_for_status()
            return str(answer.headers["x-model"])

        end = time.monotonic() + PATIENCE
        pairs = "model_graph:ganymede_output_pairs:judged"
        seed = 0
        while not watching.query(pairs):
            assert time.monotonic() < end, "Prometheus never saw ten pairs"
            assert ask("toy@1", seed) == "toy@1"
            seed += 1
            time.sleep(0.05)
        assert watching.firing() == set()

        while ("GanymedeModelLessDiverse", "toy@2") not in (firing := watching.firing()):
            assert time.monotonic() < end, f"the alert never fired; firing: {firing}"
            assert ask("toy", seed) == "toy@2"
            ask("toy@1", seed)
            seed += 1
            time.sleep(0.05)
        assert {model for _, model in firing} == {"toy@2"}
        while watching.firing() != {("GanymedeModelCollapsed", "toy@2"), ("GanymedeModelLessDiverse", "toy@2")}:
            assert time.monotonic() < end, watching.firing()
            time.sleep(0.1)
        assert {one["metric"]["model"] for one in watching.query(pairs)} == {"toy@1", "toy@2"}
