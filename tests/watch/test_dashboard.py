"""The dashboard: a panel for everything that is measured, each of whose queries a real Prometheus answers with data."""

import itertools
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from docs import dashboard
from tests.prometheus import DEPLOY, PATIENCE, Prometheus, needed
from tests.watch.conftest import MEASURED, Watched, measures

FILE = DEPLOY / "grafana" / "dashboards" / "ganymede.json"
DASHBOARD = json.loads(FILE.read_text())
VARIABLES = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
PANELS: list[dict[str, Any]] = [panel for row in DASHBOARD["panels"] for panel in (row, *row.get("panels", ()))]
GRAPHS = {panel["title"]: panel for panel in PANELS if panel["type"] != "row"}
ON_A_GPU = {"GPU busy", "GPU memory", "GPU power", "GPU temperature"}
"""The only panels that are empty without one: NVIDIA's exporter has their data."""
PHASES = VARIABLES["phase"]["query"].split(",")


def expressions(panel: dict[str, Any], name: str = "All", version: str = "All") -> list[str]:
    """The queries of a panel as Grafana would send them, with these models chosen."""
    chosen = {"instance": "All", "name": name, "version": version}
    values = {key: VARIABLES[key]["allValue"] if value == "All" else value for key, value in chosen.items()}
    values["__rate_interval"] = "10s"
    repeated = PHASES if panel.get("repeat") == "phase" else [""]
    return [
        re.sub(r"\$(\w+)", lambda found, values=values | {"phase": phase}: values[found[1]], target["expr"])
        for target, phase in itertools.product(panel["targets"], repeated)
    ]


@needed
def test_every_panel_shows_data_of_a_service_in_use(watched: Watched) -> None:
    empty = {
        expression for title, panel in GRAPHS.items() if title not in ON_A_GPU for expression in expressions(panel)
    }
    assert len(empty) > len(GRAPHS)
    end = time.monotonic() + PATIENCE
    while empty and time.monotonic() < end:
        empty -= {expression for expression in empty if watched.prometheus.values(expression)}
        time.sleep(0.2)
    assert empty == set()


@needed
@pytest.mark.parametrize("title", sorted(ON_A_GPU))
def test_a_panel_of_a_gpu_is_empty_without_one(watched: Watched, title: str) -> None:
    assert [watched.prometheus.values(expression) for expression in expressions(GRAPHS[title])] == [[]]


@needed
def test_one_version_of_one_model_can_be_looked_at(watched: Watched) -> None:
    panel = GRAPHS["Pictures by model"]
    for name, version, models in (
        ("All", "All", {"negative@1", "toy@1", "toy@2"}),
        ("toy", "All", {"toy@1", "toy@2"}),
        ("toy", "2", {"toy@2"}),
    ):
        [expression] = expressions(panel, name, version)
        _wait_for(watched.prometheus, expression, len(models))
        assert {labels["model"] for labels, _ in watched.prometheus.values(expression)} == models


@needed
def test_whose_key_it_was_is_on_it_and_prometheus_has_one_of_its_own(watched: Watched) -> None:
    for title, keys in (
        ("Pictures by key", {"prometheus", "studio"}),
        ("Device by key", {"prometheus", "studio"}),
        ("Refused by key", {"studio"}),
    ):
        [expression] = expressions(GRAPHS[title])
        _wait_for(watched.prometheus, expression, len(keys))
        assert {labels.get("key") for labels, _ in watched.prometheus.values(expression)} == keys, title


def _wait_for(prometheus: Prometheus, expression: str, series: int) -> None:
    end = time.monotonic() + PATIENCE
    while len(prometheus.values(expression)) < series and time.monotonic() < end:
        time.sleep(0.2)


@needed
@pytest.mark.parametrize(
    ("variable", "choices"), [("name", {"negative", "toy"}), ("version", {"1", "2"}), ("instance", None)]
)
def test_what_can_be_chosen_is_what_is_served(watched: Watched, variable: str, choices: set[str] | None) -> None:
    found = re.fullmatch(r"label_values\((.+), (\w+)\)", VARIABLES[variable]["query"]["query"])
    assert found is not None
    [selector] = expressions({"targets": [{"expr": found[1]}]})
    _wait_for(watched.prometheus, selector, 1)
    values = {series[found[2]] for series in watched.prometheus.api("series", **{"match[]": selector})}
    if pattern := VARIABLES[variable].get("regex"):
        values = {value for one in values for value in re.findall(pattern.strip("/"), one)}
    assert values == (choices or {watched.url.removeprefix("http://")})


def test_it_asks_only_for_what_the_service_measures() -> None:
    asked = " ".join(one for panel in GRAPHS.values() for one in expressions(panel))
    assert measures(asked) <= MEASURED


def test_everything_that_the_service_measures_is_on_it() -> None:
    assert measures(FILE.read_text()) == MEASURED


def test_panels_are_told_apart_and_explained() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    assert len(GRAPHS) == sum(panel["type"] != "row" for panel in PANELS)
    for title, panel in GRAPHS.items():
        assert panel["description"].endswith("."), title
        assert panel["datasource"] == {"type": "prometheus", "uid": "${source}"}, title


def test_no_panel_lies_on_another() -> None:
    taken: dict[tuple[int, int], int] = {}
    for panel in PANELS:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        for cell in itertools.product(
            range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        ):
            # A repeated panel takes the whole of its row.
            assert taken.setdefault(cell, panel["id"]) == panel["id"], panel["title"]


def test_grafana_finds_its_source_and_its_dashboard() -> None:
    compose = yaml.safe_load((DEPLOY.parent / "docker-compose.yml").read_text())["services"]
    mounts = dict(volume.split(":")[:2] for volume in compose["grafana"]["volumes"])
    provisioning = DEPLOY / "grafana" / "provisioning"
    assert mounts["./deploy/grafana/provisioning"] == "/etc/grafana/provisioning"
    [source] = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert source["isDefault"]
    assert source["url"] == "http://prometheus:9090"
    assert "prometheus" in compose
    [provider] = yaml.safe_load((provisioning / "dashboards" / "ganymede.yml").read_text())["providers"]
    assert provider["options"]["path"] == mounts["./deploy/grafana/dashboards"]
    home = compose["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/{FILE.name}"


@needed
def test_it_is_drawn_without_grafana_to_be_looked_at(watched: Watched, tmp_path: Path) -> None:
    now = time.time()
    dashboard.draw(dashboard.Prometheus(watched.prometheus.client, now - 60, now), tmp_path / "dashboard.png")
    with Image.open(tmp_path / "dashboard.png") as picture:
        assert picture.width == dashboard.WIDE * dashboard.INCHES[0] * 80
