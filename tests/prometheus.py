"""A real Prometheus on the project's own configuration, quicker, and aimed at a service of the test."""

import math
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

DEPLOY = Path(__file__).parents[1] / "deploy"
CONFIGURATION = DEPLOY / "prometheus" / "prometheus.yml"
INTERVAL = "250ms"
PATIENCE = 30

needed = pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="there is no prometheus or no promtool on this machine; Debian's package prometheus has both",
)


def promtool(*arguments: str | Path, given: str | None = None) -> str:
    """Runs promtool, which must find nothing wrong; what it says."""
    ran = subprocess.run(["promtool", *arguments], input=given, capture_output=True, text=True, check=False)  # noqa: S607
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


@dataclass(frozen=True)
class Prometheus:
    """One that answers this client. (A client of httpx takes a tenth of a second to make, so there is one.)"""

    client: httpx.Client

    def api(self, path: str, **parameters: str) -> Any:
        """The data of an answer of `/api/v1/`."""
        answer = self.client.get(f"/api/v1/{path}", params=parameters).json()
        assert answer["status"] == "success", f"{parameters}: {answer.get('error')}"
        return answer["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an expression, as of now."""
        found: list[dict[str, Any]] = self.api("query", query=expression)["result"]
        return found

    def values(self, expression: str) -> list[tuple[Mapping[str, str], float]]:
        """The labels and the value of each series of an expression; those that are NaN or infinite are left out."""
        series = [(one["metric"], float(one["value"][1])) for one in self.query(expression)]
        return [(labels, value) for labels, value in series if math.isfinite(value)]

    def firing(self) -> set[tuple[str, str]]:
        """The alerts that fire now: name and model of each."""
        series = self.query('ALERTS{alertstate="firing"}')
        return {(one["metric"]["alertname"], one["metric"].get("model", "")) for one in series}


@contextmanager
def prometheus(
    folder: Path, service: str, *, rules: str | None = None, token: str | None = None
) -> Iterator[Prometheus]:
    """A Prometheus that scrapes the service of that address four times a second, with its data in the folder; under
    these rules instead of the project's, and with this token instead of none, if they are given.
    """
    settings = yaml.safe_load(CONFIGURATION.read_text())
    settings["global"] = dict.fromkeys(("scrape_interval", "evaluation_interval"), INTERVAL)
    settings["rule_files"] = [str(CONFIGURATION.parent / files) for files in settings["rule_files"]]
    if rules is not None:
        (folder / "rules.yml").write_text(rules)
        settings["rule_files"] = ["rules.yml"]
    job = settings["scrape_configs"][0]
    credentials = job["authorization"]["credentials_file"]
    # As with docker-compose.keys.yml, it lies in place of the project's own.
    if token is not None:
        (folder / credentials).write_text(f"{token}\n")
    job["authorization"]["credentials_file"] = str((CONFIGURATION.parent if token is None else folder) / credentials)
    job["static_configs"] = [{"targets": [urlsplit(service).netloc]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    flags = ("--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address=127.0.0.1:0")
    log = folder / "prometheus.log"
    with log.open("wb") as out:
        process = subprocess.Popen(["prometheus", *flags], cwd=folder, stdout=out, stderr=out)  # noqa: S607
    try:
        _until(lambda: _address(log), process, log)
        with httpx.Client(base_url=f"http://{_address(log)}") as client:
            _until(lambda: client.get("/-/ready").is_success, process, log)
            yield Prometheus(client)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _until(condition: Callable[[], object], process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        told = log.read_text()
        assert process.poll() is None, told
        assert time.monotonic() < end, told
        time.sleep(0.02)


def _address(log: Path) -> str:
    """Where it listens, on a port that it chose itself; empty until it does."""
    found = re.search(r"Listening on.*?(127\.0\.0\.1:\d+)", log.read_text())
    return "" if found is None else found[1]
