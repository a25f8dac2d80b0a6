"""The playground: the service's own page at `/`, and the files that it is made of.

Plain ES modules and CSS in `static`, without a build and without a library. It asks only the routes that anybody may
ask, so what it shows can be had by any client. Only `app.main` uses this.
"""

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from app.access.scopes import needs

STATIC = Path(__file__).parent / "static"

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""Nothing from elsewhere, no script or style in the page itself; `blob:` is what the page draws and hears."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
    # The files change with the service and their names don't: a browser asks, and is told that nothing has changed.
    "Cache-Control": "no-cache",
}


def install(app: FastAPI) -> None:
    """Adds the page and its files to `app`."""
    app.mount("/web", needs("open")(_Files(directory=STATIC)), name="web")

    @app.get("/", include_in_schema=False)
    @needs("open")
    async def page() -> FileResponse:
        return FileResponse(STATIC / "index.html", headers=HEADERS)


class _Files(StaticFiles):
    """Files that a browser asks about each time, as it does about the page."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = HEADERS["Cache-Control"]
        return response
