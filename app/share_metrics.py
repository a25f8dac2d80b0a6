"""Prometheus collectors of which version takes which share of a model's requests, and of changes of that.

Part of `app.metrics`, which makes them.
"""

from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge

Swap = Literal["done", "failed"]
"""What became of a change of what a name means."""


class ShareCollectors:
    """The collectors of all models: shares by the label `model`, a reference, and swaps by `name`, of all versions."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._share = Gauge(
            "ganymede_model_share",
            "Share of the requests that name no version which this version of the model takes, from 0 to 1.",
            ["model"],
            registry=registry,
        )
        self._swaps = Counter(
            "ganymede_model_swaps_total",
            "Times that another version was to take a model's requests, or a part of them: done, or failed, with all "
            "as it was.",
            ["name", "result"],
            registry=registry,
        )

    def show(self, model: str, share: float | None) -> None:
        """Publishes the share of its name's requests that a version takes; None for one that takes no jobs."""
        if share is None:
            self._share.remove_by_labels({"model": model})
        else:
            self._share.labels(model).set(share)

    def swaps(self, name: str) -> dict[Swap, Counter]:
        """The counts of changes of what a name means."""
        return {result: self._swaps.labels(name, result) for result in get_args(Swap)}

    def forget(self, name: str) -> None:
        """Drops the series of a model of which no version is left."""
        self._swaps.remove_by_labels({"name": name})
