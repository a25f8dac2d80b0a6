"""Keeps the worker processes of `ganymede serve --workers N` alive, and ends with them. Loads no model, serves nothing.

A listening socket is every worker's: whichever is free takes the next connection, none waits for a worker that
has died, and a port is taken or free as ever. A worker's orders come by its stdin, which stays open as long as this
process lives: where it ends, however it ends, workers drain and end too.
"""

import asyncio
import json
import logging
import os
import signal
import socket
import sys
import tempfile
import time
from asyncio.subprocess import Process
from contextlib import suppress

from app.processes import listening, logs
from app.settings import Settings

WORKER = (sys.executable, "-P", "-m", "app.processes.worker")
REFUSED = 2
"""Exit code of a worker that can't be what it was ordered to be, whenever it is tried; it has said why."""

SETTLED = 10.0
"""Seconds after which a worker's death is an accident, and no failure to start."""
ATTEMPTS = 5
"""Failures to start, in a row, after which the service is given up."""
PAUSE = 0.5
"""Seconds before a worker is started again; twice as many with each further failure."""
LONGEST_ROOM = 70
"""Bytes of the path of temporary files: the path of a Unix socket, two names longer, may have 107, on macOS 103."""
GRACE = 10.0
"""Seconds beyond a drain that a worker may take to end, slow readers included."""

log = logging.getLogger(__name__)


def run(settings: Settings) -> int:
    """Serves with `settings.workers` processes until SIGTERM or Ctrl-C; the exit code.

    0 after a clean stop; 1 if workers die again and again, the port is taken, or there is no folder for temporary
    files; 2 if a worker can't do what the settings say.
    """
    logs.configure(settings)
    try:
        room = tempfile.gettempdir()
    except FileNotFoundError as error:
        log.error("Several workers need a folder for temporary files, where they meet: %s", error.strerror)
        return 1
    if len(os.fsencode(room)) > LONGEST_ROOM:
        log.error("Sockets can't be made in TMPDIR, since its path is too long: %s; set a shorter one, as /tmp", room)
        return 1
    try:
        opened = listening.sockets(settings)
    except OSError as error:
        log.error("%s", error)
        return 1
    return asyncio.run(Supervisor(settings, opened).run())


class Supervisor:
    """The workers of one service, which share listening sockets and a private folder."""

    def __init__(self, settings: Settings, opened: list[socket.socket]) -> None:
        self._settings = settings
        self._opened = opened
        self._processes: dict[int, Process] = {}
        self._stopping = asyncio.Event()
        self._code = 0

    async def run(self) -> int:
        """Until the service is told to stop, or can't go on; the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopping.set)
        with tempfile.TemporaryDirectory(prefix="ganymede-") as folder:
            await self._serve(folder)
        return self._code

    async def _serve(self, folder: str) -> None:
        count, places = self._settings.workers, listening.told(self._opened)
        log.info("Ganymede running on %s with %d workers (Press CTRL+C to quit)", places, count)
        keepers = [asyncio.create_task(self._keep(index, folder)) for index in range(count)]
        for keeper in keepers:
            # It ends when the service stops, or else because the service can't go on.
            keeper.add_done_callback(lambda _: self._stopping.set())
        await self._stopping.wait()
        # Only the workers listen now, so that the last one to end closes the ports.
        for one in self._opened:
            one.close()
        for process in self._processes.values():
            _signal(process, signal.SIGTERM)
        _, late = await asyncio.wait(keepers, timeout=self._settings.drain_seconds + GRACE)
        for index, process in self._processes.items():
            if late and process.returncode is None:
                log.error("Worker %d (process %d) does not end; it is killed.", index, process.pid)
                _signal(process, signal.SIGKILL)
        await asyncio.gather(*keepers)

    async def _keep(self, index: int, folder: str) -> None:
        """Starts a worker, and again when it dies, until the service stops."""
        failures = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            process, code = await self._live(index, folder)
            if self._stopping.is_set():
                return
            lived = time.monotonic() - began
            failures = failures + 1 if lived < SETTLED else 1
            death = f"Worker {index} (process {process}) ended after {lived:.1f} s with {_cause(code)}"
            if code == REFUSED or failures == ATTEMPTS:
                why = "it can't start" if code == REFUSED else f"it failed {ATTEMPTS} times in a row"
                log.error("%s: %s. The service gives up.", death, why)
                self._code = REFUSED if code == REFUSED else 1
                return
            pause = PAUSE * 2 ** (failures - 1)
            log.error("%s. It is started again in %.1f s.", death, pause)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def _live(self, index: int, folder: str) -> tuple[int, int]:
        """The life of one worker, from its start to its end; its process id and its exit code."""
        numbers = [one.fileno() for one in self._opened]
        orders = {
            "index": index,
            "folder": folder,
            "listening": numbers,
            "settings": self._settings.model_dump(mode="json"),
        }
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                ours.sendall(json.dumps(orders).encode() + b"\n")
                # In a group of its own, since Ctrl-C reaches all of a terminal's group: the supervisor passes it on.
                process = self._processes[index] = await asyncio.create_subprocess_exec(
                    *WORKER, stdin=theirs.fileno(), pass_fds=numbers, process_group=0
                )
            if self._stopping.is_set():
                _signal(process, signal.SIGTERM)
            return process.pid, await process.wait()


def _signal(process: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(number)


def _cause(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
