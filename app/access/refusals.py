"""The problems of who may not come in, or no more: raised by `keys`, `quotas` and the door, answered as any other."""

from typing import Literal

from app.errors import Problem, retry_after

Anonymous = Literal["none", "unknown", "expired"]
"""Why nobody is known to ask: no key, one that isn't known, or one that no longer holds."""
Refused = Literal["minute", "pictures", "device-seconds", "concurrent", "names"]
"""The quota of a key that is used up; `names`: there is no room to count for another."""


class Unauthorized(Problem):
    """Whoever asks has no key that holds; `reason` says which of them it is."""

    status, type, title = 401, "unauthorized", "Unauthorized"

    def __init__(self, reason: Anonymous, name: str = "") -> None:
        details = {
            "none": "This needs a key; send it as Authorization: Bearer KEY, or as X-API-Key: KEY.",
            "unknown": "The key is not known here: it was mistyped, was revoked, or is of another service.",
            "expired": f"The key {name!r} has expired; ask whoever runs the service for a new one.",
        }
        # RFC 6750, section 3.1: no error code for whoever did not try.
        challenge = 'Bearer realm="ganymede"' + ("" if reason == "none" else ', error="invalid_token"')
        super().__init__(details[reason], headers={"WWW-Authenticate": challenge})
        self.reason = reason
        self.name = name


class Forbidden(Problem):
    """The key `name` has `scopes`, and not the one that is needed."""

    status, type, title = 403, "forbidden", "Forbidden"

    def __init__(self, name: str, scopes: str, scope: str) -> None:
        detail = f"This needs the scope {scope}; the key {name!r} has {scopes}."
        challenge = f'Bearer realm="ganymede", error="insufficient_scope", scope="{scope}"'
        super().__init__(detail, extensions={"scope": scope}, headers={"WWW-Authenticate": challenge})
        self.name = name


class QuotaExceeded(Problem):
    """The key `name` has used up a quota, which is `allowed`; there is more of it in so many `seconds`."""

    status, type, title = 429, "quota-exceeded", "Quota exceeded"

    def __init__(self, reason: Refused, name: str, allowed: str, seconds: float) -> None:
        detail = f"The key {name!r} has used up its quota: {allowed}."
        # The member is that of draft-ietf-httpapi-ratelimit-headers.
        super().__init__(detail, extensions={"violated-policies": [reason]}, headers=retry_after(seconds))
        self.reason = reason
        self.name = name
