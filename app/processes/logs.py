"""How log lines look, the same in every process of the service and for every logger: ours, uvicorn's, the libraries'.

A record may carry `fields`, a mapping of further things that it tells (`extra={"fields": …}`), beside the ids of the
request that it was made for.
"""

import json
import logging
import re
import sys
import threading
import time
from functools import lru_cache
from types import TracebackType
from typing import Any

from pydantic_core import to_json

from app import caller
from app.settings import Settings

PLAIN = re.compile(r"[^\s\"=]+")
"""Values that are told without quotes."""

log = logging.getLogger(__name__)


def configure(settings: Settings, process: str = "") -> None:
    """Logs to stderr from the level of the settings on, each line with the name of the process, if it has one.

    Warnings of Python and errors that nobody caught are logged too, in any thread.
    """
    handler = logging.StreamHandler()
    human = settings.log_format == "human" or (settings.log_format == "auto" and sys.stderr.isatty())
    handler.setFormatter(HumanLines(process) if human else JsonLines(process))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler])
    # Nothing here shows them, and they take a tenth of a record's time.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_a_thread


class JsonLines(logging.Formatter):
    """Each record a JSON object (RFC 8259) on a line of its own, in ASCII; a traceback is one of its members."""

    def __init__(self, process: str = "") -> None:
        super().__init__()
        self._process = {"process": process} if process else {}

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            **self._process,
            "message": record.getMessage().strip(),
        }
        _tell(record, line)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        try:
            # Five times as fast as the standard library's, and in the way of every request.
            text = to_json(line, fallback=str)
        except ValueError:  # a file's name, say, that is no Unicode
            return json.dumps(line, default=str)
        return text.decode() if text.isascii() else json.dumps(line, default=str)


class HumanLines(logging.Formatter):
    """Each record a line for people, its fields as `name=value` at the end; a traceback follows on lines of its own."""

    def __init__(self, process: str = "") -> None:
        super().__init__()
        self._process = f" {process}" if process else ""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (the name is logging's)
        """The line. What can't be seen is escaped: with it a client could end a line, or move a terminal's cursor."""
        fields: dict[str, Any] = {}
        _tell(record, fields)
        told = "".join([f" {name}={_shown(value)}" for name, value in fields.items()])
        line = f"{_time(record)} {record.levelname}{self._process} {record.name}: {record.message.strip()}{told}"
        if line.isprintable():
            return line
        return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in line)


def _time(record: logging.LogRecord) -> str:
    """When a record was made, in UTC, to the millisecond (RFC 3339)."""
    return f"{_second(int(record.created))}.{int(record.msecs):03d}Z"


@lru_cache(2)  # it takes a third of a line's time, and many lines share a second
def _second(since_epoch: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(since_epoch))


def _tell(record: logging.LogRecord, into: dict[str, Any]) -> None:
    """Adds what a record tells beside its message."""
    into.update(getattr(record, "fields", ()))
    if (asking := caller.current.get()) is not None:
        into["request_id"] = asking.request_id
        if asking.trace_id:
            into["trace_id"] = asking.trace_id


def _shown(value: object) -> str:
    if isinstance(value, int | float):
        return str(value)
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        log.critical("The process ends by an error that nobody caught.", exc_info=(kind, error, trace))


def _uncaught_in_a_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None and not isinstance(ended.exc_value, SystemExit):
        name = ended.thread.name if ended.thread else "unknown"
        told = (ended.exc_type, ended.exc_value, ended.exc_traceback)
        log.critical("Thread %s ended by an error that nobody caught.", name, exc_info=told)
