"""The real `ganymede serve`, as a process on a free port."""

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

PATIENCE = 30
COMMAND = (sys.executable, "-c", "import sys; from app.cli import main; sys.exit(main())", "serve")


class Process:
    """`ganymede serve` with these flags and variables; it listens once it is made.

    In a `with`, it can take work from the beginning, and is killed in the end.
    """

    def __init__(self, models: Path, log: Path, *flags: str, **variables: str) -> None:
        usual = {"GANYMEDE_MODELS": str(models), "GANYMEDE_DEVICE": "cpu", "GANYMEDE_LOG_FORMAT": "human"}
        environment = {**os.environ, **usual, **variables}
        with log.open("wb") as out:
            self.process = subprocess.Popen([*COMMAND, "--port", "0", *flags], env=environment, stderr=out)
        self.log = log
        self.port = int(self.line(r"running on http://127\.0\.0\.1:(\d+)"))

    def __enter__(self) -> Self:
        try:
            self.ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def line(self, pattern: str) -> str:
        """What the pattern's group matches in the log, at its last match, once there is one."""
        self.until(lambda: re.search(pattern, self.log.read_text()), f"{pattern} never came")
        return str(re.findall(pattern, self.log.read_text())[-1])

    def until(self, condition: Callable[[], object], failure: str) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            told = f"{failure}; the log says:\n{self.log.read_text()}"
            assert time.monotonic() < end, told
            assert self.process.poll() is None, told
            time.sleep(0.02)

    def ready(self) -> None:
        """Waits until it can take work."""
        self.until(lambda: self.ask("/readyz")[0] == 200, "it is not ready")

    def ask(self, path: str, method: str = "GET", *, key: str | None = None, port: int = 0) -> tuple[int, bytes]:
        """The status and the content of an answer; of the other `port`, if one is given."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, headers={"Authorization": f"Bearer {key}"} if key else {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)
