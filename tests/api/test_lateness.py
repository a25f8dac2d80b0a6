"""A blocked event loop is seen in a metric."""

import asyncio
import time

from app.api import lateness
from app.metrics import Metrics

BLOCKED = 0.3


async def _busy(metrics: Metrics, blocked: float) -> None:
    async with lateness.watched(metrics.loop_late):
        await asyncio.sleep(2 * lateness.PAUSE)
        time.sleep(blocked)  # what nobody should do
        await asyncio.sleep(2 * lateness.PAUSE)


def test_a_blocked_event_loop_is_seen() -> None:
    metrics = Metrics()
    asyncio.run(_busy(metrics, BLOCKED))
    late, looks = (
        metrics.registry.get_sample_value(f"ganymede_event_loop_late_seconds_{part}") or 0 for part in ("sum", "count")
    )
    assert looks >= 2
    # A timer is due within a pause of the moment at which the loop is blocked.
    assert late >= BLOCKED - lateness.PAUSE


def test_it_stops_with_the_service() -> None:
    async def tasks() -> set[str]:
        await _busy(Metrics(), 0)
        await asyncio.sleep(0)
        return {task.get_name() for task in asyncio.all_tasks()}

    assert "ganymede-lateness" not in asyncio.run(tasks())
