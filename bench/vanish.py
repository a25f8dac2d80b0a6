"""Clients that hang up before their answer: how long does whoever comes next wait for work that nobody wants?"""

import socket
import time
from dataclasses import dataclass

from bench.servers import Server
from bench.wire import HOST

CLIENTS = 300
ACCEPTED = 0.05
"""Seconds for the server to read the requests before their clients go."""
COUNTED = 5.0
"""Seconds in which the counter must have come to its final figure."""


@dataclass(frozen=True)
class Vanished:
    """Milliseconds that the next picture took; how many clients left before their answer; what the service counted."""

    wait: float
    vanished: int
    dropped: int | None


def measure(server: Server, first_seed: int, counts: bool = False) -> Vanished:
    """Lets `CLIENTS` clients ask for a picture each and hang up; the server's own counter is read if it `counts`."""
    before = _dropped(server) if counts else 0
    clients = [socket.create_connection((HOST, server.port)) for _ in range(CLIENTS)]
    for seed, client in enumerate(clients, first_seed):
        client.sendall(server.ask.request(seed))
    time.sleep(ACCEPTED)
    vanished = 0
    for client in clients:
        # Whoever has an answer by now doesn't vanish: nothing of that can be dropped.
        vanished += not _answered(client)
        client.close()
    began = time.perf_counter()
    server.picture(first_seed + CLIENTS)
    wait = 1000 * (time.perf_counter() - began)
    return Vanished(wait, vanished, _settled(server, before, vanished) if counts else None)


def _answered(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return bool(client.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False


def _dropped(server: Server) -> int:
    return int(server.count("ganymede_dropped_samples_total", reason="cancelled"))


def _settled(server: Server, before: int, expected: int) -> int:
    """By how much the counter rose, once it shows what is expected or has had the time to."""
    end = time.monotonic() + COUNTED
    while (dropped := _dropped(server) - before) != expected and time.monotonic() < end:
        time.sleep(0.1)
    return dropped
