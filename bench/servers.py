"""The servers under comparison: real processes on free ports of this machine, ended with all that they started."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from prometheus_client.parser import text_string_to_metric_families

from bench.wire import HOST, Ask

START = 60
"""Seconds that a server may take until its first picture."""
STOP = 15
"""Seconds between a polite end and a hard one."""


class ServerError(RuntimeError):
    """A server did not start, or did not answer; the message holds what it wrote."""


@dataclass(frozen=True)
class Server:
    """A server that answers `ask` with a PNG. `pid` leads the session of its processes."""

    name: str
    port: int
    ask: Ask
    pid: int

    def picture(self, seed: int) -> bytes:
        """The PNG for a seed. `OSError` if the server can't be reached, `ServerError` for any other answer."""
        target, body = (part.replace("{seed}", str(seed)) for part in (self.ask.target, self.ask.body))
        answer = self.fetch(self.ask.method, target, body)
        try:
            return self.ask.picture(answer)
        except ValueError as error:
            raise ServerError(f"{self.name} answered without a picture: {answer[:300]!r}") from error

    def json(self, path: str) -> Any:
        """The document at a path."""
        return json.loads(self.fetch("GET", path))

    def count(self, counter: str, **labels: str) -> float:
        """The sum of a Prometheus counter over all label sets that have these labels."""
        text = self.fetch("GET", "/metrics").decode()
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == counter and labels.items() <= sample.labels.items()
        )

    def fetch(self, method: str, target: str, body: str = "") -> bytes:
        """What it answers; `OSError` if it can't be reached, `ServerError` for any other status than 200."""
        connection = HTTPConnection(HOST, self.port, timeout=START)
        try:
            connection.request(method, target, body or None, {"Content-Type": "application/json"} if body else {})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise ServerError(f"{self.name} answered {answer.status} to {method} {target}: {content[:300]!r}")
        return content


@dataclass(frozen=True)
class Command:
    """How a server is started: the interpreter's arguments, less the port."""

    name: str
    arguments: tuple[str, ...]
    ask: Ask = field(default_factory=Ask)
    python: str = sys.executable
    environment: Mapping[str, str] = field(default_factory=dict)


def ganymede(models: Path, default: str, *flags: str) -> Command:
    """This service, as it is installed, with a folder of models."""
    start = "from app.cli import main; raise SystemExit(main())"
    usual = ("--models", str(models.resolve()), "--default-model", default, "--device", "cpu", "--log-level", "warning")
    return Command("ganymede", ("-c", start, "serve", *usual, *flags))


def plain(folder: Path) -> Command:
    """Plain FastAPI, see `bench.plain`."""
    return Command("plain FastAPI", ("-m", "bench.plain", str(folder)))


@contextmanager
def running(*commands: Command) -> Iterator[list[Server]]:
    """Starts all of them at once, yields them when each has drawn a picture, and ends them."""
    with ExitStack() as ends:
        started = [ends.enter_context(_process(command)) for command in commands]
        for one in started:
            wait(*one)
        yield [server for server, _, _ in started]


@contextmanager
def _process(command: Command) -> Iterator[tuple[Server, subprocess.Popen[bytes], IO[bytes]]]:
    """A server, its process, and the file that it writes to."""
    port = _free_port()
    with TemporaryFile() as log:
        arguments = [command.python, *command.arguments, "--port", str(port)]
        # The service sets this for itself; the runtime of the others need not report either.
        environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1", **command.environment}
        # A session of its own: it can be ended, and counted, with every process that it started.
        process = subprocess.Popen(  # noqa: S603 (our own)
            arguments, stdout=log, stderr=log, env=environment, start_new_session=True
        )
        try:
            yield Server(command.name, port, command.ask, process.pid), process, log
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a server politely, then, after `STOP` seconds or once it is gone, whatever is left of it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait(server: Server, process: subprocess.Popen[bytes] | None = None, log: IO[bytes] | None = None) -> None:
    """Returns once the server has drawn a picture.

    `ServerError` if it takes too long or its `process` ends, with what it wrote to `log`, as far as they are given.
    """
    end = time.monotonic() + START
    while True:
        try:
            server.picture(0)
        except (OSError, HTTPException, ServerError) as error:
            if time.monotonic() > end or (process and process.poll() is not None):
                raise ServerError(f"{server.name} did not start: {error}\n{_written(log)}") from error
            time.sleep(0.05)
        else:
            return


def _written(log: IO[bytes] | None) -> str:
    if log is None:
        return ""
    log.seek(0)
    return log.read().decode(errors="replace")[-3000:]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
