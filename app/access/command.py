"""The command `ganymede keys`: makes, lists, rotates and revokes keys. A running service sees it within a second."""

import argparse
import re
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from app.access import file, keys
from app.access.keys import Key, Keys, KeysError, Quota, Token
from app.access.scopes import SCOPES
from app.settings import Settings, explain

T = TypeVar("T")

DEFAULT = Path("keys.json")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
GRACE = timedelta(days=1)
LIMITS = {
    "requests_per_minute": (int, "requests a minute"),
    "pictures_per_day": (int, "samples drawn a day, from midnight UTC"),
    "device_seconds_per_day": (float, "seconds of the device a day, its share of each batch"),
    "concurrent": (int, "requests at a time"),
}


def run(argv: list[str], purpose: str) -> int:
    """Runs the command that the arguments name; the exit code. `purpose` heads its --help."""
    arguments = _parser(purpose).parse_args(argv)
    try:
        path: Path = arguments.keys_file or Settings().keys_file or DEFAULT
        change: Callable[[argparse.Namespace, Path], None] = arguments.run
        change(arguments, path)
    except ValidationError as error:
        return _failed(explain(error), 2)
    except KeysError as error:
        return _failed(str(error), 1)
    return 0


def _parser(purpose: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("ganymede keys", description=purpose)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--keys-file", type=Path, metavar="FILE", help=f"file of keys (default: GANYMEDE_KEYS_FILE, {DEFAULT})"
    )
    named = argparse.ArgumentParser(add_help=False)
    named.add_argument("name", metavar="NAME", help="name of the key: who has it, as metrics and logs show")
    lasting = argparse.ArgumentParser(add_help=False)
    lasting.add_argument("--expires", type=_duration, metavar="TIME", help="how long the token holds, such as 90d")
    add = commands.add_parser("add", parents=[common, named, lasting], help="make a key, and print its token, once")
    add.add_argument(
        "--scope", action="append", choices=SCOPES, required=True, dest="scopes", help="what it may do; repeat for more"
    )
    for limit, (kind, meaning) in LIMITS.items():
        add.add_argument(f"--{limit.replace('_', '-')}", type=kind, metavar="N", help=f"quota: {meaning}")
    add.set_defaults(run=_add)
    commands.add_parser("list", parents=[common], help="one line for each key, without tokens").set_defaults(run=_list)
    rotate = commands.add_parser("rotate", parents=[common, named, lasting], help="print a new token of a key, once")
    rotate.add_argument(
        "--grace", type=_duration, default=GRACE, metavar="TIME", help="how long the old one still holds (default: 1d)"
    )
    rotate.set_defaults(run=_rotate)
    revoke = commands.add_parser("revoke", parents=[common, named], help="end a key, with all its tokens, now")
    revoke.set_defaults(run=_revoke)
    return parser


def _add(arguments: argparse.Namespace, path: Path) -> None:
    quota = _checked(lambda: Quota(**{limit: getattr(arguments, limit) for limit in LIMITS}))
    secret, token = keys.new_token(_end(arguments.expires))
    key = _checked(lambda: Key(name=arguments.name, scopes=arguments.scopes, tokens=(token,), quota=quota))

    def added(known: Keys) -> Keys:
        if any(other.name == key.name for other in known.keys):
            raise KeysError(f"There is a key {key.name!r}; rotate it for a new token, or revoke it first.")
        return Keys(keys=(*known.keys, key))

    _checked(lambda: file.change(path, added, make=True))
    _show(secret, f"{path} has the key {key.name!r}: {key.said}. Its token is shown this once:")


def _list(_: argparse.Namespace, path: Path) -> None:
    for key in keys.read(path).keys:
        limits = key.quota.model_dump(exclude_none=True)
        quota = ", ".join(f"{limit} {most:.15g}" for limit, most in limits.items()) or "no quota"
        print(f"{key.name:24} {key.said}; {' and '.join(map(_described, key.tokens))}; {quota}")


def _rotate(arguments: argparse.Namespace, path: Path) -> None:
    secret, token = keys.new_token(_end(arguments.expires))
    end = keys.now() + arguments.grace

    def rotated(known: Keys) -> Keys:
        key = _named(known, arguments.name, path)
        last = key.tokens[-1]
        ending = last.model_copy(update={"expires": end if last.expires is None else min(end, last.expires)})
        fresh = key.model_copy(update={"tokens": (ending, token) if arguments.grace else (token,)})
        return Keys(keys=tuple(fresh if other is key else other for other in known.keys))

    file.change(path, rotated)
    held = f"holds until {end.isoformat()} at most" if arguments.grace else "has ended"
    _show(secret, f"The token of {arguments.name!r} so far {held}. The new one is shown this once:")


def _revoke(arguments: argparse.Namespace, path: Path) -> None:
    def revoked(known: Keys) -> Keys:
        key = _named(known, arguments.name, path)
        return Keys(keys=tuple(other for other in known.keys if other is not key))

    file.change(path, revoked)
    print(f"The key {arguments.name!r} is revoked; a running service refuses it within a second.", file=sys.stderr)


def _named(known: Keys, name: str, path: Path) -> Key:
    for key in known.keys:
        if key.name == name:
            return key
    raise KeysError(f"{path} has no key {name!r}; known: {', '.join(key.name for key in known.keys) or 'none'}.")


def _described(token: Token) -> str:
    end = f", until {token.expires.isoformat()}" if token.expires else ""
    return f"token of {token.created.isoformat()}{end}"


def _show(secret: str, said: str) -> None:
    """The token alone on the output, so that a script can take it; what is said of it beside that."""
    print(said, file=sys.stderr)
    print(secret)


def _duration(text: str) -> timedelta:
    found = re.fullmatch(r"([0-9]{1,6})([smhd])|0", text)
    if not found:
        raise argparse.ArgumentTypeError(f"must be a number of s, m, h or d, such as 90d, not {text!r}")
    return timedelta(seconds=int(found[1] or 0) * UNITS[found[2] or "s"])


def _end(lasts: timedelta | None) -> datetime | None:
    return None if lasts is None else keys.now() + lasts


def _checked(made: Callable[[], T]) -> T:
    """What is made; `KeysError` for what the models don't take."""
    try:
        return made()
    except ValidationError as error:
        flaws = (f"{'.'.join(map(str, flaw['loc'])) or 'file'}: {flaw['msg']}" for flaw in error.errors())
        raise KeysError(f"That can't be a key: {'; '.join(flaws)}.") from error


def _failed(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code
