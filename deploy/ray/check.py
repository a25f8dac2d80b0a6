"""Two replicas on Ray Serve, for real: the same address gives the same bytes from both, and a queue makes a third.

    PYTHONPATH=.:deploy/ray python deploy/ray/check.py

Starts a Ray of its own on this machine, with what serve.yaml says but for its port, and ends it. Prints what it saw;
ends with 1 if anything of it isn't so. About three minutes on two cores.
"""

import re
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from typing import Any

import ray
import yaml
from application import Ganymede
from ray import serve

from bench import load
from bench.load import Group, Window
from bench.wire import HOST, Ask

ADDRESS = "/generate?model=cifar10@1&class=dog&seed=42"
HEAVY = Group(Ask("/generate?model=cifar10@1&n=64&seed={seed}"), concurrency=48)
"""Fewer open requests than `target_ongoing_requests` allows two replicas, and two seconds of work in each."""
QUEUED, PATIENCE = 60, 240
"""Seconds with a queue, and seconds until it must have made a replica: reports come every ten, and a new replica loads
its models while the others are busy."""
CPUS = 3
"""What Ray takes this machine to have: cores, to it, are a count. The service's threads are bounded by the settings."""


def main() -> int:
    [application] = yaml.safe_load(Path(__file__).with_name("serve.yaml").read_text())["applications"]
    [options] = application["deployments"]
    options["autoscaling_config"]["max_replicas"] = CPUS
    with running(options, application["runtime_env"]) as port:
        bodies = {fetch(port, ADDRESS) for _ in range(40)}
        drew = replicas(port)
        print(f"{len(drew)} replicas drew {sum(drew.values()):.0f} pictures of {ADDRESS}: {len(bodies)} different")
        heavy = Thread(target=load.run, args=(port, Window(0, QUEUED), 1, HEAVY), daemon=True)
        before, began = count(), time.monotonic()
        heavy.start()
        while count() == before and time.monotonic() - began < PATIENCE:
            time.sleep(0.5)
        after = count()
        print(
            f"{before} replicas became {after} in {time.monotonic() - began:.0f} s, with a queue for {QUEUED} of them"
        )
        heavy.join()
        bodies |= {fetch(port, ADDRESS) for _ in range(40)}
        drew = replicas(port)
        print(f"{len(drew)} replicas drew it, too: {len(bodies)} different")
    return int(len(bodies) != 1 or before != 2 or after != CPUS or len(drew) != CPUS)


@contextmanager
def running(options: dict[str, Any], runtime_env: dict[str, Any]) -> Iterator[int]:
    """The application on a Ray of its own; its port."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    ray.init(
        num_cpus=CPUS,
        object_store_memory=100_000_000,
        include_dashboard=False,
        runtime_env=runtime_env,
        _node_ip_address=HOST,
    )
    try:
        serve.start(http_options={"host": HOST, "port": port})
        serve.run(Ganymede.options(**options).bind(), name="ganymede")
        yield port
    finally:
        serve.shutdown()
        ray.shutdown()


def count() -> int:
    """Replicas that take requests."""
    [deployment] = serve.status().applications["ganymede"].deployments.values()
    return deployment.replica_states.get("RUNNING", 0)


def fetch(port: int, target: str) -> bytes:
    """What a replica, whichever Ray chooses, answers."""
    connection = HTTPConnection(HOST, port, timeout=60)
    connection.request("GET", target)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{target} was answered with {answer.status}: {body[:300]!r}")
    return body


def replicas(port: int) -> dict[str, float]:
    """The replicas that drew pictures, by the start of their process: how many each did, as it says itself."""
    seen = {}
    for _ in range(60):
        text = fetch(port, "/metrics").decode()
        start = re.findall(r"(?m)^process_start_time_seconds (\S+)", text)[0]
        drawn = re.findall(r'(?m)^ganymede_images_total\{model="cifar10@1"\} (\S+)', text)
        seen[start] = float(drawn[0]) if drawn else 0.0
    return {start: drawn for start, drawn in seen.items() if drawn}


if __name__ == "__main__":
    sys.exit(main())
