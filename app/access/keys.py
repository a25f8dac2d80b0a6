"""The keys file: who has a key, for what, until when and how much. Models of it, reading, and telling who asks.

Used by the door through `watched`, and by the command `ganymede keys`.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.access.refusals import Unauthorized
from app.access.scopes import Scope

PREFIX = "gny_"
"""What tokens begin with, so that a scanner for leaked secrets knows one."""
MOST_KEYS = 1000
MOST_TOKENS = 2
"""Live tokens of a key: the one in use, and while it is rotated the one before."""
LONGEST_TOKEN = 256
"""Bytes of a token that is looked at. Ours have 47."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
"""Of a key: it is a label of metrics, and stands in messages and logs."""


class KeysError(Exception):
    """A keys file that can't be used; the message says why and what to do."""


class Record(BaseModel):
    """A part of the file: immutable, and without members that nobody knows, which may be misspelt limits."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Quota(Record):
    """How much a key may ask for; None is no limit. Minutes and days are those of the clock, in UTC."""

    requests_per_minute: int | None = Field(default=None, ge=1)
    pictures_per_day: int | None = Field(default=None, ge=1)
    device_seconds_per_day: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    concurrent: int | None = Field(default=None, ge=1)


class Token(Record):
    """One token of a key, as what is kept of it.

    That is a plain SHA-256, without salt and not made slow, as passwords are: those can be guessed, so each guess must
    be dear. A token is 256 random bits, of which no table can be made, and nobody tries 2^255 of them at any price; a
    slow hash would only make each request slow.
    """

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    created: AwareDatetime
    expires: AwareDatetime | None = None


class Key(Record):
    """A key: its name, what it may do, its tokens, the newest last, and its quota."""

    name: Name
    scopes: frozenset[Scope] = Field(min_length=1)
    tokens: tuple[Token, ...] = Field(min_length=1, max_length=MOST_TOKENS)
    quota: Quota = Quota()

    @cached_property
    def said(self) -> str:
        """Its scopes in words."""
        return ", ".join(sorted(self.scopes))


class Keys(Record):
    """The whole file."""

    keys: tuple[Key, ...] = Field(default=(), max_length=MOST_KEYS)

    @model_validator(mode="after")
    def _differ(self) -> Self:
        names = [key.name for key in self.keys]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"every name must stand once; twice: {', '.join(twice)}")
        hashes = [token.sha256 for key in self.keys for token in key.tokens]
        if len(set(hashes)) < len(hashes):
            raise ValueError("every token must stand once: two of them have the same sha256")
        return self


def read(path: Path) -> Keys:
    """The keys of a file; `KeysError` if it can't be read, or is no keys file."""
    try:
        text = path.read_bytes()
    except OSError as error:
        advice = "ganymede keys add makes one" if isinstance(error, FileNotFoundError) else "the service must read it"
        raise KeysError(f"The keys file {path} can't be read: {error.strerror}; {advice}.") from error
    try:
        return Keys.model_validate_json(text)
    except ValidationError as error:
        # Without what was given: whoever puts a token into the file by mistake must not find it in a log.
        flaws = (f"{'.'.join(map(str, flaw['loc'])) or 'file'}: {flaw['msg']}" for flaw in error.errors())
        raise KeysError(f"The keys file {path} can't be used: {'; '.join(flaws)}.") from error


def new_token(expires: datetime | None = None) -> tuple[str, Token]:
    """A token that nobody has, for whoever asked for it, and what is kept of it."""
    secret = PREFIX + secrets.token_urlsafe(32)
    return secret, Token(sha256=digest(secret.encode()).hex(), created=now(), expires=expires)


def now() -> datetime:
    """The time, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def digest(token: bytes) -> bytes:
    """What is compared, in place of the token."""
    return hashlib.sha256(token).digest()


class Keyring:
    """The tokens of all keys, to tell whose one is."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._tokens = [
            (bytes.fromhex(token.sha256), token.expires.timestamp() if token.expires else None, key)
            for key in keys
            for token in key.tokens
        ]

    def owner(self, token: bytes) -> Key:
        """The key that a token is of; `Unauthorized` if it is of none, or expired.

        It takes as long for each of them, known or not: every one is compared, each in constant time.
        """
        given = digest(token[:LONGEST_TOKEN])
        found: tuple[float | None, Key] | None = None
        for kept, expires, key in self._tokens:
            if hmac.compare_digest(kept, given):
                found = expires, key
        if found is None:
            raise Unauthorized("unknown")
        expires, key = found
        if expires is not None and expires <= time.time():
            raise Unauthorized("expired", key.name)
        return key
