"""`/docs`: the Swagger page, from assets on this server. FastAPI's own page loads its script from elsewhere."""

import base64
import hashlib
import re

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from app.access.scopes import needs

ASSETS = "/docs/assets"

POLICY = (
    "default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may load: from this server, and the scripts that stand in it, by their hashes. Swagger sets styles."""


def install(app: FastAPI) -> None:
    """Adds the page and its assets to `app`."""
    app.mount(ASSETS, needs("open")(StaticFiles(packages=[("fastapi_swagger", "resources")])), name="docs-assets")
    [document] = (route for route in app.routes if isinstance(route, Route) and route.path == app.openapi_url)
    needs("open")(document.endpoint)

    @app.get("/docs", include_in_schema=False)
    @needs("open")
    async def docs(request: Request) -> HTMLResponse:
        root = request.scope.get("root_path", "")
        page = get_swagger_ui_html(
            openapi_url=f"{root}{request.app.openapi_url}",
            title=request.app.title,
            swagger_js_url=f"{root}{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{root}{ASSETS}/favicon-32x32.png",
            swagger_ui_parameters={"tryItOutEnabled": True, "displayRequestDuration": True},
        )
        page.headers["Content-Security-Policy"] = policy(bytes(page.body).decode())
        return page


def policy(page: str) -> str:
    """The content security policy of a page whose scripts are its own."""
    inline = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in inline]
    return POLICY.format(scripts=" ".join(f"'sha256-{digest}'" for digest in hashes))
