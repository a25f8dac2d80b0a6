"""The service as a Ray Serve application: each replica is `create_app` with the settings of its environment.

    PYTHONPATH=deploy/ray serve run deploy/ray/serve.yaml

Ray starts and ends replicas and hands each request to one of them; all else, batches and admission among it, is the
service's own. docs/scale.md says what that means.
"""

import asyncio

from ray import serve

from app.main import create_app

POLL = 0.05
"""Seconds between two looks at a replica that loads its models."""


@serve.deployment
@serve.ingress(create_app)
class Ganymede:
    """One replica. `app`, which Ray sets, is what `create_app` made."""

    async def check_health(self) -> None:
        """Returns once no model is loading: Ray waits for this before it sends the first request.

        A model that failed does not make the replica ill, since a new one would have it from the same folder.
        """
        catalog = self.app.state.service.catalog
        while any(entry.pending for entry in catalog.entries()):
            await asyncio.sleep(POLL)

    def record_autoscaling_stats(self) -> dict[str, float]:
        """The gauge `ganymede_queue_seconds`, of all models together: they share the device."""
        registry = self.app.state.service.metrics.registry
        gauges = registry.restricted_registry(["ganymede_queue_seconds"]).collect()
        return {"queue_seconds": sum(sample.value for gauge in gauges for sample in gauge.samples)}


application = Ganymede.bind()
