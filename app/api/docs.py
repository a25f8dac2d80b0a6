"""`/docs`: the Swagger page, from assets on this server. FastAPI's own page loads its script from elsewhere."""

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from app.access.scopes import needs

ASSETS = "/docs/assets"


def install(app: FastAPI) -> None:
    """Adds the page and its assets to `app`."""
    app.mount(ASSETS, needs("open")(StaticFiles(packages=[("fastapi_swagger", "resources")])), name="docs-assets")
    [document] = (route for route in app.routes if isinstance(route, Route) and route.path == app.openapi_url)
    needs("open")(document.endpoint)

    @app.get("/docs", include_in_schema=False)
    @needs("open")
    async def docs(request: Request) -> HTMLResponse:
        root = request.scope.get("root_path", "")
        return get_swagger_ui_html(
            openapi_url=f"{root}{app.openapi_url}",
            title=app.title,
            swagger_js_url=f"{root}{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{root}{ASSETS}/favicon-32x32.png",
            swagger_ui_parameters={"tryItOutEnabled": True, "displayRequestDuration": True},
        )
