"""How often a call is tried, and how long. The clients wait and send as this says."""

import json
import time
from operator import index
from typing import Any

import httpx

from .calls import Call
from .errors import ServiceError

BUSY = (429, 503)
"""What the service answers when it would take the same request later."""


class Tries:
    """The tries of one call: they end after `timeout` seconds, or when the call's own `timeout` has passed.

    That one is the service's, too: after it the answer is of no more use, and queued work is dropped. A later try says
    how much is left of it.
    """

    def __init__(self, call: Call[Any], retries: int, timeout: float) -> None:
        now = time.monotonic()
        self._call = call
        self._retries = retries
        self._end = now + timeout
        useful = call.parameters.get("timeout")
        self._useful = None if useful is None else now + float(useful)
        self._again = False

    def request(self, http: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """The request of the next try."""
        call, now = self._call, time.monotonic()
        parameters, content, headers = dict(call.parameters), call.file, {"Accept": ", ".join(call.kinds)}
        if self._again and self._useful is not None:
            parameters["timeout"] = max(self._useful - now, 0.001)
        if call.file is not None:
            headers["Content-Type"] = "application/octet-stream"
        elif call.method != "GET":
            headers["Content-Type"] = "application/json"
            content, parameters = json.dumps(parameters, default=_integer).encode(), {}
        left = max(self._end - now, 0.001)
        return http.build_request(
            call.method, call.path, params=parameters, content=content, headers=headers, timeout=left
        )

    def pause(self, error: ServiceError) -> float:
        """Seconds until the next try; raises `error` if there is none, since waiting mends nothing or time is up."""
        end = self._end if self._useful is None else min(self._end, self._useful)
        wait = error.retry_after
        if error.status not in BUSY or wait is None or not self._retries or time.monotonic() + wait > end:
            raise error
        self._retries -= 1
        self._again = True
        return wait


def _integer(given: Any) -> int:
    """An integer of another library, such as numpy; `TypeError` for anything else."""
    try:
        return index(given)
    except TypeError as error:
        raise TypeError(f"{given!r} can't be sent: give a text, an int or a float") from error
