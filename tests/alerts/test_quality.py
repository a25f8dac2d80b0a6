"""The alert for a collapsed model, by promtool on made-up series and by a real Prometheus on the real service."""

import re
import shutil
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from app.metrics import Metrics
from app.settings import Settings
from tests import toy
from tests.live import live
from tests.prometheus import needed, prometheus

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy/prometheus/rules/quality.yml"
PATIENCE = 40


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs the binary promtool")
def test_the_rules_say_of_made_up_series_what_they_should() -> None:
    told = subprocess.run(
        ["promtool", "test", "rules", "tests/alerts/quality.yml"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr


def test_the_rules_ask_for_metrics_that_are_there_and_send_to_chapters_that_are_there() -> None:
    rules = RULES.read_text()
    metrics = Metrics()
    metrics.outputs.graph("toy@1", "generator", judged=True)
    known = set(re.findall(r"# TYPE (\w+)", metrics.exposition().decode()))
    asked = set(re.findall(r"(?<![:\w])ganymede_\w+", rules))
    assert {re.sub(r"_(sum|count|bucket)$", "", name) for name in asked} <= known
    chapters = {
        re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-")
        for line in (ROOT / "docs/runbook.md").read_text().splitlines()
        if line.startswith("#")
    }
    urls = re.findall(r"runbook_url: docs/runbook.md#(\S+)", rules)
    assert len(urls) == len(re.findall("- alert:", rules))
    assert set(urls) <= chapters


@needed
def test_the_alert_fires_for_a_collapsed_version_that_takes_the_traffic_and_never_for_the_good_one(
    tmp_path: Path,
) -> None:
    toy.build(tmp_path / "models", classes=())
    toy.collapse(toy.build(tmp_path / "models", version=2, classes=()))
    # An alert's patience is for people; here seconds must do.
    rules = re.sub(r"for: \w+", "for: 1s", RULES.read_text())
    settings = Settings(models=tmp_path / "models", device="cpu", threads=1, encode_threads=1)
    with live(settings) as service, prometheus(tmp_path, service.url, rules) as watching, httpx.Client() as client:

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
