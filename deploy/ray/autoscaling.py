"""How many replicas Ray runs: by the seconds of work that wait in them. Knows nothing of the service."""

from typing import Any

from ray.serve.autoscaling_policy import replica_queue_length_autoscaling_policy
from ray.serve.config import AutoscalingContext

QUEUE_SECONDS = 0.5
"""What may wait in a replica, on average, before there should be more of them. At 95 % of its capacity that is a few
hundredths of a second, beyond it the queue grows to what admission allows; see docs/scale.md."""


def by_queue_seconds(context: AutoscalingContext) -> tuple[float, dict[str, Any]]:
    """As many replicas as bring the mean queue to `QUEUE_SECONDS`, and no fewer than the open requests want.

    The queue says when there are too few and is empty when there are just enough, so it can't say how many may go: that
    is left to Ray's own rule, which keeps `target_ongoing_requests` in each.
    """
    by_requests, state = replica_queue_length_autoscaling_policy(context)
    waiting = (context.aggregated_metrics or {}).get("queue_seconds", {})
    by_queue = sum(waiting.values()) / QUEUE_SECONDS
    # `waiting` may lack a replica that has told nothing yet, which only counts as empty.
    return max(by_requests, by_queue), state
