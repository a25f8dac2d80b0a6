"""Prometheus collectors of keys: what each used, and what was refused. Part of `app.metrics`, which makes them."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge


class KeyCollectors:
    """The collectors of all keys, by their names, which are those of the keys file: clients can't mint labels."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._refused = Counter(
            "ganymede_key_refused_requests_total",
            "Requests refused for want of a key, a scope or a quota, by the key's name, empty where none is known.",
            ["key", "reason"],
            registry=registry,
        )
        self._images = Counter(
            "ganymede_key_images_total", "Images that were computed for a key.", ["key"], registry=registry
        )
        self._seconds = Counter(
            "ganymede_key_device_seconds_total",
            "Seconds of the device that a key used, shares of batches.",
            ["key"],
            registry=registry,
        )
        self._broken = Gauge(
            "ganymede_keys_file_broken",
            "1 while the keys file can't be used, so that the keys from before stay; 0 else.",
            registry=registry,
        )

    def refused(self, key: str, reason: str) -> None:
        """Counts a request that was refused at the door; `key` is empty where none is known."""
        self._refused.labels(key, reason).inc()

    def used(self, key: str, images: int, seconds: float) -> None:
        """Counts what a request of a key used."""
        self._images.labels(key).inc(images)
        self._seconds.labels(key).inc(seconds)

    def watch(self, broken: Callable[[], bool]) -> None:
        """Reads from this function, at each scrape, whether the keys file is broken."""
        self._broken.set_function(broken)
