"""One of the processes of `ganymede serve --workers N`: started by the supervisor, with its orders on stdin.

It is a service like any other, with its share of the cores, the supervisor's socket, and metrics for all workers. It
admits by its own queue: since its cores are its own too, what the settings allow to wait means the same seconds in each
worker, and all of them refuse at the same load.
"""

import json
import os
import shutil
import signal
import socket
import sys
import time
from pathlib import Path
from threading import Event, Thread

from app.processes import signals
from app.settings import Settings


def main() -> int:
    """Serves until it is told to stop or the supervisor is gone; 2 if it can't, for a reason that it prints."""
    signals.end_at_once()
    # Only now what takes a second to import.
    from app.processes import logs, server
    from app.processes.siblings import Siblings
    from app.processes.supervisor import GRACE, REFUSED

    orders = json.loads(sys.stdin.buffer.readline())
    index, folder = orders["index"], Path(orders["folder"])
    settings = Settings.model_validate(orders["settings"])
    orphaned = _watch(settings.drain_seconds + GRACE)
    logs.configure(settings, f"worker {index}")
    try:
        from app.access.keys import KeysError
        from app.access.usage import Usage
        from app.api.tracing import TracingUnavailable
        from app.engine.providers import DeviceUnavailable
        from app.main import create_app
    except ImportError as error:
        print(error, file=sys.stderr)
        return REFUSED
    try:
        app = create_app(share(settings, index))
    except (DeviceUnavailable, KeysError, TracingUnavailable) as error:
        print(error, file=sys.stderr)
        return REFUSED
    if settings.keys_file:
        try:
            app.state.door.share(Usage.shared(folder, index, settings.workers))
        except OSError as error:
            print(f"There is no room in {folder} to count for the keys: {error.strerror}", file=sys.stderr)
            return 1
    service = app.state.service
    siblings = Siblings(folder, index, settings.workers, service.metrics.registry)
    service.metrics.shown = siblings
    siblings.listen()
    listening = [socket.socket(fileno=number) for number in orders["listening"]]
    drain = server.Drain(service.catalog.refuse, service.catalog.close)
    server.run(app, settings, service.metrics, drain, listening)
    if orphaned.is_set():
        shutil.rmtree(folder, ignore_errors=True)
    else:
        siblings.write()
    return 0


def share(settings: Settings, index: int) -> Settings:
    """The settings of worker `index`: a GPU of its own, or else its part of the cores for executors and encoders, where
    none is set.

    Raises `DeviceUnavailable` if there is no GPU for it.
    """
    from app.engine import providers

    gpus = providers.device(settings.device, providers.Cuda.of(settings)).gpus
    if gpus and settings.workers > len(gpus):
        raise providers.DeviceUnavailable(
            f"--workers {settings.workers} is more than the GPUs of --device {settings.device}, {len(gpus)}: a GPU is "
            "one queue, and the batches of one process fill it best"
        )
    if gpus:
        mine = ",".join(map(str, gpus[index :: settings.workers]))
        return settings.model_copy(update={"device": f"cuda:{mine}"})
    each = max(1, providers.cores() // settings.workers)
    threads = {"threads": settings.threads or each, "encode_threads": settings.encode_threads or each}
    return settings.model_copy(update=threads)


def _watch(patience: float) -> Event:
    """Stops this process when the supervisor is gone, by force after so many seconds; the event says that it is."""
    orphaned = Event()

    def watch() -> None:
        # Not through `sys.stdin`, whose lock the interpreter wants when it ends.
        while os.read(0, 1):
            continue
        orphaned.set()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(patience)
        os._exit(1)

    Thread(target=watch, name="ganymede-lifeline", daemon=True).start()
    return orphaned


if __name__ == "__main__":
    sys.exit(main())
