"""Where the service listens, and whom that lets in. Knows sockets and settings, and nothing of what is served."""

import logging
import resource
import socket
from ipaddress import ip_address

from app.settings import Settings

BACKLOG = 2048
OTHER_FILES = 64
"""Files that the service itself has open."""

log = logging.getLogger(__name__)


def flaw(settings: Settings) -> str | None:
    """Why the service may not listen where the settings say: it would serve strangers, and nobody has said so; or let
    them change what is served, which nobody can say.
    """
    if settings.keys_file is not None or (settings.allow_anonymous and not settings.admin):
        return None
    managed = settings.management_port is not None and settings.management_host is not None
    hosts = {"--host": settings.host} | ({"--management-host": settings.management_host} if managed else {})
    for flag, host in hosts.items():
        if host is not None and not _loopback(host):
            if settings.admin:
                return (
                    f"{flag} {host} lets other machines in, and with --admin, without keys, whoever reaches the port "
                    "could change what is served. Make a key with ganymede keys add NAME --scope admin and serve with "
                    "--keys-file keys.json; or listen on 127.0.0.1; or leave --admin out."
                )
            return (
                f"{flag} {host} lets other machines in, and there are no keys: whoever reaches the port could do "
                "everything. Make a key with ganymede keys add NAME --scope generate and serve with --keys-file "
                "keys.json; or listen on 127.0.0.1; or, where something in front of the service decides who comes in, "
                "say --allow-anonymous."
            )
    return None


def sockets(settings: Settings) -> list[socket.socket]:
    """A listening socket, and one for management if there is a port for that.

    Raises `OSError`, whose text says where it can't listen and why.
    """
    places = [(settings.host, settings.port)]
    if settings.management_port is not None:
        places.append((settings.management_host or settings.host, settings.management_port))
    opened: list[socket.socket] = []
    for host, port in places:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            opened.append(socket.create_server((host, port), family=family, backlog=BACKLOG))
        except OSError as error:
            for other in opened:
                other.close()
            raise OSError(f"Can't listen on {host}, port {port}: {str(error.strerror).lower()}") from error
    return opened


def most_connections(wanted: int) -> int:
    """How many of the wanted connections there may be at a time; lets this process open as many files as they need.

    And as many again where it may: who watches its open files should see a leak, and no rush of clients.
    """
    needed = 2 * wanted + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    most = max(1, min(wanted, allowed - OTHER_FILES))
    if most < wanted:
        log.warning("Of %d connections, %d are taken: this process may open %d files at most.", wanted, most, hard)
    return most


def told(opened: list[socket.socket]) -> str:
    """Their addresses, in words."""
    addresses = []
    for one in opened:
        host, port = one.getsockname()[:2]
        addresses.append(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
    return ", management on ".join(addresses)


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
