"""Clients that hang up before their answer: how long does whoever comes next wait for work that nobody wants?"""

import socket
import time

from bench.servers import HOST, Server

CLIENTS = 300
ACCEPTED = 0.05
"""Seconds for the server to read the requests before their clients go."""


def wait_after(server: Server, first_seed: int) -> float:
    """Milliseconds that the next picture takes after `CLIENTS` clients asked for one each and hung up."""
    clients = [socket.create_connection((HOST, server.port)) for _ in range(CLIENTS)]
    for seed, client in enumerate(clients, first_seed):
        client.sendall(b"POST /generate?seed=%d HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n" % seed)
    time.sleep(ACCEPTED)
    for client in clients:
        client.close()
    began = time.perf_counter()
    server.picture(first_seed + CLIENTS)
    return 1000 * (time.perf_counter() - began)
