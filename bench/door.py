"""What keys cost a request: microseconds of processor time in the door, beside the same call without one.

`python -m bench.door` prints a Markdown table. Behind the door stands an application that answers at once; there is no
socket. The least of several rounds counts, see `bench.layers`.
"""

import tempfile
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import uvloop
from starlette.responses import Response
from starlette.types import ASGIApp, Message

from app.access.keys import Key, Keys, Quota, new_token
from app.access.usage import Usage
from app.access.watched import KeysFile
from app.api.door import Door
from app.api.hot import FrontedApp
from app.main import create_app
from app.settings import Settings
from bench import conditions, layers

FULL = Quota(requests_per_minute=10**9, pictures_per_day=10**9, device_seconds_per_day=1e9, concurrent=10**6)
ANSWER = Response(b"x", headers={"Cache-Control": "public, max-age=31536000, immutable"})


def main() -> None:
    """Prints the table."""
    here = conditions.now()
    routes = create_app(Settings(models=Path("nowhere"), device="cpu", log_level="error"))
    assert isinstance(routes, FrontedApp)
    print(f"{here.date}, {here.processor}, {here.cores} cores, load average {here.load:.2f}, {here.ganymede}\n")
    print("| | µs of processor time per request |\n|---|---|")
    bare = _microseconds(ANSWER, b"", "/generate")
    print(f"| no door, as without keys | {bare:.1f}, which the others leave out |")
    with tempfile.TemporaryDirectory() as scratch:
        for words, count, quota, workers, path in (
            ("a key, no quota", 1, Quota(), 1, "/generate"),
            ("a key with all quotas", 1, FULL, 1, "/generate"),
            ("the same, 8 workers", 1, FULL, 8, "/generate"),
            ("the same, 1 worker, a path with a name in it", 1, FULL, 1, "/models/cifar10"),
            ("one of 10 keys with all quotas", 10, FULL, 1, "/generate"),
            ("one of 100", 100, FULL, 1, "/generate"),
            ("one of 1000, as many as a file may hold", 1000, FULL, 1, "/generate"),
            ("a wrong key, refused, 10 keys", -10, FULL, 1, "/generate"),
        ):
            folder = tempfile.mkdtemp(dir=scratch)
            token, door = _door(routes, Path(folder), abs(count), quota, workers)
            cost = _microseconds(door, token if count > 0 else b"gny_wrong", path)
            print(f"| {words} | {cost - bare:.1f} |")


def _door(routes: FrontedApp, folder: Path, count: int, quota: Quota, workers: int) -> tuple[bytes, Door]:
    """A door for so many keys, and the token of one of them."""
    tokens = [new_token() for _ in range(count)]
    keys = tuple(
        Key(name=f"key-{number}", scopes=frozenset({"generate"}), tokens=(kept,), quota=quota)
        for number, (_, kept) in enumerate(tokens)
    )
    file = folder / "keys.json"
    file.write_text(Keys(keys=keys).model_dump_json())
    door = Door(ANSWER, routes, routes.state.service.metrics, KeysFile(file), None)
    shared = [Usage.shared(folder, index, workers) for index in range(workers)]
    for usage in shared:
        usage.add("key-0", "requests", 0, 1)
    door.share(shared[0])
    return tokens[0][0].encode(), door


def _microseconds(app: ASGIApp, token: bytes, path: str) -> float:
    headers = [(b"host", b"127.0.0.1"), (b"accept", b"*/*"), (b"user-agent", b"curl/8"), (b"content-length", b"0")]
    if token:
        headers.append((b"authorization", b"Bearer " + token))

    async def receive() -> Message:
        raise AssertionError("nobody reads the body")

    async def send(_: Message) -> None:
        return

    def call() -> Awaitable[None]:
        scope: dict[str, Any] = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": headers}
        return app(scope, receive, send)

    return uvloop.run(layers.awaited(call))


if __name__ == "__main__":
    main()
