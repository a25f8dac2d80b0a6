"""The command `ganymede serve`: from its flags to one process that serves, or to several and their supervisor."""

import logging
import sys

from pydantic import ValidationError
from pydantic_settings import CliApp, SettingsConfigDict

from app.access import keys
from app.access.keys import KeysError
from app.processes import listening, logs, supervisor
from app.settings import Settings, explain

log = logging.getLogger(__name__)


class Flags(Settings):
    """Serve models over HTTP. Every flag is a variable too: --max-batch is GANYMEDE_MAX_BATCH. A flag wins."""

    model_config = SettingsConfigDict(
        cli_prog_name="ganymede serve", cli_kebab_case=True, cli_hide_none_type=True, cli_avoid_json=True
    )


def run(argv: list[str]) -> int:
    """Serves until SIGTERM or Ctrl-C; the exit code, 2 if the settings, the keys or the device can't be used."""
    try:
        settings: Settings = CliApp.run(Flags, argv)
    except ValidationError as error:
        print(explain(error), file=sys.stderr)
        return 2
    if flaw := listening.flaw(settings):
        print(flaw, file=sys.stderr)
        return 2
    try:
        if settings.keys_file is not None:
            keys.read(settings.keys_file)  # now, and not by each worker in turn
    except KeysError as error:
        print(error, file=sys.stderr)
        return 2
    return _alone(settings) if settings.workers == 1 else supervisor.run(settings)


def _alone(settings: Settings) -> int:
    # The supervisor needs nothing of this, and would hold its memory for nothing.
    from app.api.tracing import TracingUnavailable
    from app.engine.providers import DeviceUnavailable
    from app.main import create_app
    from app.processes import server

    logs.configure(settings)
    try:
        app = create_app(settings)
    except (DeviceUnavailable, KeysError, TracingUnavailable) as error:
        print(error, file=sys.stderr)
        return 2
    service = app.state.service
    try:
        # Of one port, uvicorn tells by itself.
        opened = listening.sockets(settings) if settings.management_port else []
    except OSError as error:
        log.error("%s", error)
        return 1
    if opened:
        log.info("Ganymede running on %s (Press CTRL+C to quit)", listening.told(opened))
    server.run(app, settings, service.metrics, server.Drain(service.catalog.refuse, service.catalog.close), opened)
    return 0
