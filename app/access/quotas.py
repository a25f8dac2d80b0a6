"""What a key has left: checked before a request, charged after it, and told in headers.

The headers are those of draft-ietf-httpapi-ratelimit-headers, version 10: `RateLimit-Policy` says what the quotas are,
`RateLimit` what is left of them.
"""

import math
import time
from collections.abc import Iterator
from typing import NamedTuple

from app.access.bill import Bill
from app.access.keys import Key, Quota
from app.access.refusals import QuotaExceeded, Refused
from app.access.usage import NAMES, Counter, FullError, Usage

MINUTE, DAY = 60, 86_400

Headers = list[tuple[bytes, bytes]]


class Policy(NamedTuple):
    """A quota of so much in each window of so many seconds; `name` is what its header and its refusals call it."""

    name: Refused
    counter: Counter
    quota: float
    window: int
    words: str

    def now(self) -> float:
        """The moment, in seconds, by the clock that its windows follow. Days are the calendar's; minutes are any sixty
        seconds, so that a clock which is set anew opens no new one.
        """
        return time.time() if self.window == DAY else time.monotonic()


class Quotas:
    """The quotas of all keys. Used on one thread."""

    def __init__(self, usage: Usage) -> None:
        self._usage = usage
        self._known: dict[str, tuple[Quota, tuple[Policy, ...], bytes]] = {}
        """The policies of each key, and their header, by its name; they are new where its quota is."""

    def enter(self, key: Key) -> None:
        """Lets a request in, and counts it; `leave` must follow. Raises `QuotaExceeded`, having counted nothing."""
        usage, name = self._usage, key.name
        try:
            usage.enter(name)
        except FullError:
            # A counter that isn't there must not be a limit that isn't.
            words = f"there have been {NAMES} names since the service started, and no other is counted; restart it"
            raise QuotaExceeded("names", name, words, DAY) from None
        most = key.quota.concurrent
        if most is not None and usage.in_flight(name) > most:
            usage.leave(name)
            raise QuotaExceeded("concurrent", name, f"at most {most} requests at a time; wait for an answer", 1)
        for policy in self._policies(key)[0]:
            if policy.counter == "requests":
                now = policy.now()
                usage.add(name, "requests", int(now // MINUTE), 1)
                if self._left(key, policy, now) < 0:
                    usage.add(name, "requests", int(now // MINUTE), -1)
                    usage.leave(name)
                    raise _exceeded(key, policy, now)

    def require(self, key: Key) -> None:
        """Raises `QuotaExceeded` if the key has no pictures or no seconds left.

        What a request costs is known at its end: so the last one may go beyond the quota, and the next one is refused.
        """
        for policy in self._policies(key)[0]:
            now = policy.now()
            if policy.counter != "requests" and self._left(key, policy, now) <= 0:
                raise _exceeded(key, policy, now)

    def charge(self, key: Key, bill: Bill) -> None:
        """Charges what is on the bill of a request and has not been charged before."""
        quota = key.quota
        if quota.pictures_per_day is None and quota.device_seconds_per_day is None:
            return
        pictures, seconds = bill.due()
        day = int(time.time() // DAY)
        if pictures and quota.pictures_per_day is not None:
            self._usage.add(key.name, "pictures", day, pictures)
        if seconds and quota.device_seconds_per_day is not None:
            self._usage.add(key.name, "device_seconds", day, seconds)

    def leave(self, key: Key) -> None:
        """The request is over."""
        self._usage.leave(key.name)

    def headers(self, key: Key, bill: Bill | None = None) -> Headers:
        """What is left to a key, what is on the bill of this request so far taken off; nothing if it has no quota."""
        policies, described = self._policies(key)
        if not policies and key.quota.concurrent is None:
            return []
        pictures, seconds = bill.total() if bill else (0, 0)
        owed = {"requests": 0, "pictures": pictures, "device_seconds": seconds}
        said = []
        for policy in policies:
            now = policy.now()
            rest = self._left(key, policy, now) - owed[policy.counter]
            said.append(f'"{policy.name}";r={max(0, math.floor(rest))};t={math.ceil(_until(policy, now))}')
        if (most := key.quota.concurrent) is not None:
            said.append(f'"concurrent";r={max(0, most - self._usage.in_flight(key.name))}')
        return [(b"ratelimit-policy", described), (b"ratelimit", ", ".join(said).encode())]

    def _policies(self, key: Key) -> tuple[tuple[Policy, ...], bytes]:
        known = self._known.get(key.name)
        if known is None or known[0] is not key.quota:
            policies = tuple(_those_of(key.quota))
            known = self._known[key.name] = key.quota, policies, _described(key.quota, policies)
        return known[1:]

    def _left(self, key: Key, policy: Policy, now: float) -> float:
        return policy.quota - self._usage.total(key.name, policy.counter, int(now // policy.window))


def _exceeded(key: Key, policy: Policy, now: float) -> QuotaExceeded:
    return QuotaExceeded(policy.name, key.name, f"at most {policy.words}", _until(policy, now))


def _until(policy: Policy, now: float) -> float:
    """Seconds until the next window begins."""
    return policy.window - now % policy.window


def _those_of(quota: Quota) -> Iterator[Policy]:
    if (most := quota.requests_per_minute) is not None:
        yield Policy("minute", "requests", most, MINUTE, f"{most} requests a minute")
    if (most := quota.pictures_per_day) is not None:
        yield Policy("pictures", "pictures", most, DAY, f"{most} pictures a day, from midnight UTC")
    if (seconds := quota.device_seconds_per_day) is not None:
        words = f"{seconds:g} seconds of the device a day, from midnight UTC"
        yield Policy("device-seconds", "device_seconds", seconds, DAY, words)


def _described(quota: Quota, policies: tuple[Policy, ...]) -> bytes:
    """`RateLimit-Policy`. Its quotas are whole numbers; a unit that isn't named means requests."""
    units: dict[Counter, str] = {"requests": "", "pictures": ';qu="pictures"', "device_seconds": ';qu="device-seconds"'}
    said = [f'"{one.name}";q={math.floor(one.quota)};w={one.window}{units[one.counter]}' for one in policies]
    if quota.concurrent is not None:
        said.append(f'"concurrent";q={quota.concurrent};qu="concurrent-requests"')
    return ", ".join(said).encode()
