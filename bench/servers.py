"""The servers under comparison: real processes on free ports of this machine, ended by their id."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from app.contract import Manifest

HOST = "127.0.0.1"
START = 60
"""Seconds that a server may take until its first picture."""
STOP = 15
"""Seconds between a polite end and a hard one."""


class ServerError(RuntimeError):
    """A server did not start, or did not answer; the message holds what it wrote."""


@dataclass(frozen=True)
class Server:
    """A server that answers `POST /generate?seed=` with a PNG."""

    name: str
    port: int

    def picture(self, seed: int) -> bytes:
        """The body for a seed. `OSError` if it can't be reached, `ServerError` for any status but 200."""
        connection = HTTPConnection(HOST, self.port, timeout=START)
        try:
            connection.request("POST", f"/generate?seed={seed}")
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise ServerError(f"{self.name} answered {answer.status}: {body[:300]!r}")
        return body


@dataclass(frozen=True)
class Command:
    """How a server is started: the interpreter's arguments, less the port."""

    name: str
    arguments: tuple[str, ...]


def ganymede(folder: Path, manifest: Manifest) -> Command:
    """This service, as it is installed, with the model of `folder` as its default."""
    models = str(folder.resolve().parent.parent)
    start = "from app.cli import main; raise SystemExit(main())"
    flags = ("--models", models, "--default-model", manifest.reference, "--device", "cpu", "--log-level", "warning")
    return Command("ganymede", ("-c", start, "serve", *flags))


def plain(folder: Path) -> Command:
    """Plain FastAPI, see `bench.plain`."""
    return Command("plain FastAPI", ("-m", "bench.plain", str(folder)))


@contextmanager
def running(*commands: Command) -> Iterator[list[Server]]:
    """Starts all of them at once, yields them when each has drawn a picture, and ends them."""
    with ExitStack() as ends:
        started = [ends.enter_context(_process(command)) for command in commands]
        for one in started:
            _wait(*one)
        yield [server for server, _, _ in started]


@contextmanager
def _process(command: Command) -> Iterator[tuple[Server, subprocess.Popen[bytes], IO[bytes]]]:
    """A server, its process, and the file that it writes to."""
    server = Server(command.name, _free_port())
    with TemporaryFile() as log:
        arguments = [sys.executable, *command.arguments, "--port", str(server.port)]
        # The service sets this for itself; plain FastAPI's runtime need not report either.
        environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1"}
        process = subprocess.Popen(arguments, stdout=log, stderr=log, env=environment)  # noqa: S603 (our own)
        try:
            yield server, process, log
        finally:
            process.terminate()
            try:
                process.wait(STOP)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(server: Server, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    """Returns once the server has drawn a picture; `ServerError` with what it wrote if it ends, or takes too long."""
    end = time.monotonic() + START
    while True:
        try:
            server.picture(0)
        except (OSError, HTTPException, ServerError) as error:
            if process.poll() is not None or time.monotonic() > end:
                log.seek(0)
                wrote = log.read().decode(errors="replace")[-3000:]
                raise ServerError(f"{server.name} did not start: {error}\n{wrote}") from error
            time.sleep(0.05)
        else:
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
