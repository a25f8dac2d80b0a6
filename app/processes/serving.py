"""The command `ganymede serve`: from its flags to one process that serves, or to several and their supervisor."""

import sys

from pydantic import ValidationError
from pydantic_settings import CliApp, SettingsConfigDict

from app.processes import logs, supervisor
from app.settings import Settings, explain


class Flags(Settings):
    """Serve models over HTTP. Every flag is a variable too: --max-batch is GANYMEDE_MAX_BATCH. A flag wins."""

    model_config = SettingsConfigDict(
        cli_prog_name="ganymede serve", cli_kebab_case=True, cli_hide_none_type=True, cli_avoid_json=True
    )


def run(argv: list[str]) -> int:
    """Serves until SIGTERM or Ctrl-C; the exit code, 2 if the settings or the device can't be used."""
    try:
        settings: Settings = CliApp.run(Flags, argv)
    except ValidationError as error:
        print(explain(error), file=sys.stderr)
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
    except (DeviceUnavailable, TracingUnavailable) as error:
        print(error, file=sys.stderr)
        return 2
    catalog = app.state.service.catalog
    server.run(app, settings, drain=lambda: catalog.close(settings.drain_seconds))
    return 0
