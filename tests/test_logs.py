"""How log lines look: one JSON object each for machines, or a line for people, from whatever logs."""

import json
import logging
import os
import pty
import subprocess
import sys
from typing import Any

import pytest

from app import caller
from app.caller import Caller
from app.processes.logs import HumanLines, JsonLines

NOISE = """
import logging, threading, warnings
from app.processes import logs
from app.settings import Settings
logs.configure(Settings(%s), "worker 0")
logging.getLogger("uvicorn.error").info("up\\n", extra={"color_message": "x"})
logging.getLogger("app.engine").debug("not at this level")
warnings.warn("an old habit")
thread = threading.Thread(target=lambda: 1 / 0, name="ganymede-x")
thread.start()
thread.join()
raise RuntimeError("the end")
"""


def record(message: str, *args: object, fields: dict[str, Any] | None = None, **more: Any) -> logging.LogRecord:
    told = logging.LogRecord("app.engine.executor", logging.ERROR, __file__, 1, message, args, None)
    told.created, told.msecs = 1_800_000_000.25, 250.0
    vars(told).update(more)
    if fields is not None:
        told.fields = fields
    return told


def failure() -> Any:
    error = RuntimeError("out of memory")
    try:
        raise error
    except RuntimeError:
        return sys.exc_info()


def test_a_record_is_one_json_object_on_one_line() -> None:
    told = JsonLines("worker 3").format(record("a batch of %d\nfailed", 8, fields={"requests": ["a", "b"]}))
    assert "\n" not in told
    assert json.loads(told) == {
        "time": "2027-01-15T08:00:00.250Z",
        "level": "error",
        "logger": "app.engine.executor",
        "process": "worker 3",
        "message": "a batch of 8\nfailed",
        "requests": ["a", "b"],
    }


def test_a_traceback_is_a_member_of_that_object() -> None:
    told = JsonLines().format(record("failed", exc_info=failure()))
    assert "\n" not in told
    exception = json.loads(told)["exception"]
    assert exception.startswith("Traceback (most recent call last):\n")
    assert exception.endswith("\nRuntimeError: out of memory")


@pytest.mark.parametrize("odd", ["\udcff", "\x1b[2J", '"}', "\u2028", "é"])
def test_whatever_a_message_holds_it_is_json(odd: str) -> None:
    told = JsonLines().format(record("a%sb", odd))
    assert told.isascii()
    assert json.loads(told)["message"] == f"a{odd}b"


def test_a_line_for_people_has_its_fields_at_the_end() -> None:
    fields = {"requests": ["a", "b"], "ms": 1.5, "why": "no luck", "path": "/x"}
    told = HumanLines("worker 3").format(record("A batch of %d failed.", 8, fields=fields))
    assert told == (
        "2027-01-15T08:00:00.250Z ERROR worker 3 app.engine.executor: "
        'A batch of 8 failed. requests=a,b ms=1.5 why="no luck" path=/x'
    )


def test_a_line_for_people_can_not_be_forged_and_its_traceback_follows() -> None:
    told = HumanLines().format(record("%s", "a\nb\x1b[2J\u2028é", exc_info=failure()))
    line, *traceback = told.splitlines()
    assert line.endswith(r": a\nb\x1b[2J\u2028é")
    assert (traceback[0], traceback[-1]) == ("Traceback (most recent call last):", "RuntimeError: out of memory")


@pytest.mark.parametrize("kind", [JsonLines, HumanLines])
def test_what_is_logged_for_a_request_carries_its_ids(kind: type[logging.Formatter]) -> None:
    before = caller.current.set(Caller("mine", "0af7"))
    try:
        told = kind().format(record("hello"))
    finally:
        caller.current.reset(before)
    assert "mine" in told
    assert "0af7" in told
    assert "mine" not in kind().format(record("hello"))


def noise(stderr: int, settings: str = "") -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GANYMEDE_")}
    command = [sys.executable, "-c", NOISE % settings]
    assert subprocess.run(command, stderr=stderr, env=environment, check=False).returncode == 1


def test_where_nobody_looks_every_line_is_json_even_of_what_nobody_caught() -> None:
    read, write = os.pipe()
    noise(write)
    os.close(write)
    with os.fdopen(read) as log:
        lines = [json.loads(line) for line in log]
    told = [(line["logger"], line["level"], line["message"].partition("\n")[0][-40:]) for line in lines]
    assert told[0] == ("uvicorn.error", "info", "up")
    assert told[1][:2] == ("py.warnings", "warning")
    assert "an old habit" in lines[1]["message"]
    assert told[2:] == [
        ("app.processes.logs", "critical", "ganymede-x ended by an error that nobody caught."[-40:]),
        ("app.processes.logs", "critical", "The process ends by an error that nobody caught."[-40:]),
    ]
    assert [line["exception"].splitlines()[-1] for line in lines[2:]] == [
        "ZeroDivisionError: division by zero",
        "RuntimeError: the end",
    ]
    assert {line["process"] for line in lines} == {"worker 0"}


@pytest.mark.parametrize(("settings", "human"), [("", True), ("log_format='json'", False)])
def test_on_a_terminal_lines_are_for_people_unless_told_otherwise(settings: str, human: bool) -> None:
    ours, theirs = pty.openpty()
    noise(theirs, settings)
    told = os.read(ours, 1 << 16).decode()
    os.close(ours)
    os.close(theirs)
    first = told.splitlines()[0]
    assert first.endswith(" INFO worker 0 uvicorn.error: up") == human
    assert first.startswith("{") != human
