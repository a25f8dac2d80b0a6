"""A real Prometheus, as a process on a free port of this machine, that scrapes a service a few times a second."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest

needed = pytest.mark.skipif(not shutil.which("prometheus"), reason="needs the binary prometheus")
PATIENCE = 30
INTERVAL = "300ms"


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus that answers."""

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an expression, as of now."""
        answer = httpx.get(f"{self.url}/api/v1/query?query={quote(expression)}").raise_for_status()
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found

    def firing(self) -> set[tuple[str, str]]:
        """The alerts that fire now: name and model of each."""
        series = self.query('ALERTS{alertstate="firing"}')
        return {(one["metric"]["alertname"], one["metric"].get("model", "")) for one in series}


@contextmanager
def prometheus(folder: Path, service: str, rules: str) -> Iterator[Prometheus]:
    """A Prometheus that scrapes the service of that address as job `ganymede`, under these rules, with its data in the
    folder.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    (folder / "rules.yml").write_text(rules)
    configuration = {
        "global": {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL},
        "rule_files": ["rules.yml"],
        "scrape_configs": [{"job_name": "ganymede", "static_configs": [{"targets": [urlsplit(service).netloc]}]}],
    }
    # JSON is YAML.
    (folder / "prometheus.yml").write_text(json.dumps(configuration))
    flags = ("--config.file=prometheus.yml", "--storage.tsdb.path=data", f"--web.listen-address={address}")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["prometheus", *flags], cwd=folder, stdout=log, stderr=log)  # noqa: S607
    try:
        end = time.monotonic() + PATIENCE
        while not _ready(f"http://{address}/-/ready"):
            assert process.poll() is None and time.monotonic() < end, (folder / "log").read_text()  # noqa: PT018
            time.sleep(0.05)
        yield Prometheus(f"http://{address}")
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _ready(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False
