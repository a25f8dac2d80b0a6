"""A real Prometheus on the project's own configuration, quicker, and aimed at a service of the test."""

import http.client
import json
import math
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
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
    """One that runs on a port of this machine."""

    port: int

    def api(self, path: str, **parameters: str | list[str]) -> Any:
        """The data of an answer of `/api/v1/`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", f"/api/v1/{path}?{urlencode(parameters, doseq=True)}")
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        assert answer["status"] == "success", f"{parameters}: {answer.get('error')}"
        return answer["data"]

    def values(self, expression: str) -> list[tuple[Mapping[str, str], float]]:
        """The labels and the value of each series of an expression, now; those that are no number are left out."""
        found = self.api("query", query=expression)["result"]
        series = [(one["metric"], float(one["value"][1])) for one in found]
        return [(labels, value) for labels, value in series if math.isfinite(value)]


@contextmanager
def watching(url: str, folder: Path) -> Iterator[Prometheus]:
    """A Prometheus that scrapes the service at `url` four times a second and keeps everything in `folder`."""
    settings = yaml.safe_load(CONFIGURATION.read_text())
    settings["global"] = dict.fromkeys(("scrape_interval", "evaluation_interval"), INTERVAL)
    settings["rule_files"] = [str(CONFIGURATION.parent / files) for files in settings["rule_files"]]
    job = settings["scrape_configs"][0]
    job["authorization"]["credentials_file"] = str(CONFIGURATION.parent / job["authorization"]["credentials_file"])
    job["static_configs"] = [{"targets": [urlsplit(url).netloc]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    log = folder / "prometheus.log"
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    with log.open("wb") as out:
        process = subprocess.Popen([*command, "--web.listen-address=127.0.0.1:0"], stderr=out, stdout=out)
    try:
        yield Prometheus(_port(process, log))
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    """The port that it chose, once it answers."""
    end = time.monotonic() + PATIENCE
    while not (ports := re.findall(r"Listening on.*?127\.0\.0\.1:(\d+)", log.read_text())):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.02)
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", int(ports[0]), timeout=PATIENCE)
        try:
            connection.request("GET", "/-/ready")
            if connection.getresponse().status == http.client.OK:
                return int(ports[0])
        finally:
            connection.close()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.02)
