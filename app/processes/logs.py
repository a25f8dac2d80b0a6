"""How log lines look, the same in every process of the service."""

import logging

from app.settings import Settings


def configure(settings: Settings, process: str = "") -> None:
    """Logs to stderr from the level of the settings on, each line with the name of the process, if it has one."""
    name = f"{process} " if process else ""
    form = f"%(asctime)s %(levelname)s {name}%(name)s: %(message)s"
    logging.basicConfig(level=settings.log_level.upper(), format=form)
