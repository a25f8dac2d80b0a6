"""`python docs/dashboard.py OUT.webp`: the dashboard's panels, drawn from what a Prometheus has kept.

Not Grafana, which draws them for you to point at: its queries, titles, units and places, to see whether they say
something. All replicas, models and versions are shown; rows that are closed are left out.
"""

import argparse
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import matplotlib as mpl
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

mpl.use("agg")

DASHBOARD = Path(__file__).parents[1] / "deploy" / "grafana" / "dashboards" / "ganymede.json"
VARIABLES = {"instance": ".+", "name": "[^@]+", "version": "[^@]+", "__rate_interval": "1m"}
"""What stands in for Grafana's variables: everything."""
WIDE = 24
"""Columns of the grid that panels are placed on."""
INCHES = (0.75, 0.2)
"""Of a column and a row of it."""
MARGIN = 1.6
"""Rows above and below what a panel draws, for its title and its times."""
POINTS = 200
MOST_LINES = 6
"""Names that fit a legend."""

UNITS: dict[str | None, Callable[[float], str]] = {
    None: lambda value: f"{value:g}",
    "s": lambda value: f"{value:g} s" if value >= 1 else f"{1000 * value:g} ms",
    "bytes": lambda value: f"{value / 2**30:.3g} GiB" if value >= 2**30 else f"{value / 2**20:.3g} MiB",
    "percentunit": lambda value: f"{100 * value:g} %",
    "reqps": lambda value: f"{value:g}/s",
    "cps": lambda value: f"{value:g}/s",
}


@dataclass(frozen=True)
class Prometheus:
    """What was kept from `start` to `end`, in seconds of its clock."""

    client: httpx.Client
    start: float
    end: float

    def lines(self, expression: str) -> list[dict[str, Any]]:
        """The series of an expression over that time: `metric` has its labels, `values` its moments and values."""
        step = max(1, (self.end - self.start) / POINTS)
        asked = {"query": expression, "start": str(self.start), "end": str(self.end), "step": str(step)}
        answer = self.client.get("/api/v1/query_range", params=asked).raise_for_status().json()
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found


def main() -> None:
    """Draws the dashboard into a file, in the format that its name says."""
    parser = argparse.ArgumentParser("python docs/dashboard.py", description=__doc__)
    parser.add_argument("out", type=Path, help="the picture")
    parser.add_argument("--prometheus", default="http://localhost:9090", help="default: %(default)s")
    parser.add_argument("--minutes", type=float, default=30, help="until now; default: %(default)s")
    asked = parser.parse_args()
    now = time.time()
    with httpx.Client(base_url=asked.prometheus, timeout=60) as client:
        draw(Prometheus(client, now - 60 * asked.minutes, now), asked.out)


def draw(prometheus: Prometheus, out: Path) -> None:
    """Draws each panel at its place."""
    shown = list(panels(json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]))
    rows = max(place["y"] + place["h"] for place in (panel["gridPos"] for panel in shown))
    figure = pyplot.figure(figsize=(WIDE * INCHES[0], rows * INCHES[1]), dpi=80, facecolor="white")
    for panel in shown:
        place = panel["gridPos"]
        margin = 0 if panel["type"] == "row" else MARGIN
        bottom, high = rows - place["y"] - place["h"] + margin, place["h"] - 2 * margin
        axes = figure.add_axes(((place["x"] + 0.9) / WIDE, bottom / rows, (place["w"] - 1.3) / WIDE, high / rows))
        KINDS[panel["type"]](axes, panel, prometheus)
    figure.savefig(out)


def panels(every: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The panels of the rows that are open; one that repeats, once for each value, side by side."""
    choices = {"phase": ("decode", "queue", "infer", "encode")}
    for panel in every:
        if panel["type"] == "row" and panel.get("collapsed"):
            continue
        if (name := panel.get("repeat")) is None:
            yield panel
            continue
        for number, value in enumerate(choices[name]):
            place = panel["gridPos"] | {"x": number * panel["gridPos"]["w"]}
            targets = [one | {"expr": one["expr"].replace(f"${name}", value)} for one in panel["targets"]]
            yield panel | {"title": panel["title"].replace(f"${name}", value), "gridPos": place, "targets": targets}


def expression(target: Mapping[str, Any]) -> str:
    """What a panel asks, with everything for the variables."""
    return re.sub(r"\$\{?(\w+)\}?", lambda name: VARIABLES[name[1]], target["expr"])


def row(axes: Axes, panel: Mapping[str, Any], _: Prometheus) -> None:
    axes.set_axis_off()
    axes.text(-0.02, 0.5, panel["title"], fontsize=13, weight="bold", va="center")


def stat(axes: Axes, panel: Mapping[str, Any], prometheus: Prometheus) -> None:
    """The newest value, large."""
    axes.set_axis_off()
    axes.set_title(panel["title"], fontsize=10, loc="left")
    lines = prometheus.lines(expression(panel["targets"][0]))
    value = float(lines[0]["values"][-1][1]) if lines else None
    told = "no data" if value is None else unit(panel)(float(f"{value:.3g}"))
    axes.text(0, 0.3, told, fontsize=20, va="center")


def timeseries(axes: Axes, panel: Mapping[str, Any], prometheus: Prometheus) -> None:
    """A line for each series, with its name."""
    axes.set_title(panel["title"], fontsize=10, loc="left")
    for target in panel["targets"]:
        for line in prometheus.lines(expression(target)):
            times, values = zip(
                *((float(when) - prometheus.end, float(value)) for when, value in line["values"]), strict=True
            )
            labels = line["metric"]
            name = re.sub(r"\{\{\s*(\w+)\s*\}\}", partial(_label, labels), target["legendFormat"])
            axes.plot([when / 60 for when in times], values, linewidth=1, label=name.strip() or "value")
    axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: unit(panel)(value)))
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.25)
    if axes.lines and len(axes.lines) <= MOST_LINES:
        axes.legend(fontsize=6, frameon=False, loc="upper left", ncols=2)
    elif not axes.lines:
        axes.text(0.5, 0.5, "no data", transform=axes.transAxes, ha="center", color="grey")


def _label(labels: Mapping[str, str], name: re.Match[str]) -> str:
    return labels.get(name[1], "")


def table(axes: Axes, panel: Mapping[str, Any], prometheus: Prometheus) -> None:
    """What the newest series say of themselves."""
    axes.set_axis_off()
    axes.set_title(panel["title"], fontsize=10, loc="left")
    lines = [line["metric"] for line in prometheus.lines(expression(panel["targets"][0]))]
    told = [" · ".join(str(line[name]) for name in ("model", "recipe", "revision") if name in line) for line in lines]
    axes.text(0, 1, "\n".join(told), fontsize=7, va="top", transform=axes.transAxes)


def unit(panel: Mapping[str, Any]) -> Callable[[float], str]:
    return UNITS[panel.get("fieldConfig", {}).get("defaults", {}).get("unit")]


KINDS = {"row": row, "stat": stat, "timeseries": timeseries, "table": table}


if __name__ == "__main__":
    main()
