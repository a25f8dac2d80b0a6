"""The real application behind somebody who asks for a key, and keeps its metrics to others."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.main import create_app
from app.settings import Settings
from tests.live import listening

KEY = "open-sesame"
ROOT = Path(__file__).resolve().parents[2]


class Guard:
    """Asks for `KEY` on all but the page, if `key`; refuses `/metrics` with the status `metrics`, if there is one."""

    def __init__(self, app: ASGIApp, *, key: bool, metrics: int | None) -> None:
        self.app, self.key, self.metrics = app, key, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._refusal(scope) or self.app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        path = scope.get("path", "/")
        if scope["type"] != "http" or path == "/" or path.startswith("/web/"):
            return None
        if self.key and (b"authorization", f"Bearer {KEY}".encode()) not in scope["headers"]:
            return _problem(401, "a key is needed: Authorization: Bearer …")
        return _problem(self.metrics, "not here") if self.metrics and path == "/metrics" else None


def _problem(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"status": status, "detail": detail}, status, media_type="application/problem+json")


@contextmanager
def guarded(folder: Path, *, key: bool = False, metrics: int | None = None, **settings: Any) -> Iterator[str]:
    """The address of a service of `folder`, where the shipped `fashion` is put if it is empty; no model is loading."""
    folder.mkdir(exist_ok=True)
    if not any(folder.iterdir()):
        shutil.copytree(ROOT / "models" / "fashion", folder / "fashion")
    app = create_app(Settings(models=folder, device="cpu", **settings))
    door: Any = Guard(app, key=key, metrics=metrics)
    with listening(door) as url:
        end = time.monotonic() + 20
        while any(entry.state == "loading" for entry in app.state.service.catalog.entries()):
            assert time.monotonic() < end, "the models are still loading"
            time.sleep(0.01)
        yield url
