"""The page in a real browser, on a real server with the shipped models."""

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.api.process import Process

if TYPE_CHECKING:
    from playwright import sync_api

collect_ignore_glob = [] if find_spec("playwright") else ["test_[!b]*.py"]
"""Without playwright these can't be imported; `test_browser` says so, and is skipped."""

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
SHOWN = ("cifar10", "facades", "fashion", "fashion-vae", "monet", "radar", "speech")
ARGUMENTS = (
    "--no-sandbox",
    # A camera and a microphone that are none, and nobody to ask for them.
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A server of shipped models, of each kind one."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "models").mkdir()
    for name in SHOWN:
        shutil.copytree(ROOT / "models" / name, folder / "models" / name)
    with Process(folder / "models", folder / "log", "--max-batch", "8") as process:  # sizes that are made warm
        yield process


@pytest.fixture(scope="session")
def site(server: Process) -> str:
    """Its address."""
    return f"http://127.0.0.1:{server.port}"


@pytest.fixture(scope="session")
def browser() -> "Iterator[sync_api.Browser]":
    """Chromium without a window."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium here; CHROMIUM names another")
    with pytest.importorskip("playwright.sync_api").sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def page(browser: "sync_api.Browser", site: str) -> "Iterator[sync_api.Page]":
    """A page of a browser that was never here; `page.goto("/#/walk")`. Nothing may break on it or leave the site."""
    context = browser.new_context(
        base_url=site, viewport={"width": 1280, "height": 860}, permissions=["clipboard-read", "clipboard-write"]
    )
    page = context.new_page()
    page.set_default_timeout(15_000)
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(f"broke: {error}"))
    page.on("console", lambda message: troubles.append(message.text) if error(message) else None)
    page.on("response", lambda response: troubles.append(response.url) if broken(response) else None)
    page.on(
        "request", lambda request: troubles.append(f"left the site: {request.url}") if away(request.url, site) else None
    )
    yield page
    context.close()
    assert troubles == []


def error(message: "sync_api.ConsoleMessage") -> bool:
    """Whether something on the page failed. The browser notes a refusal, too, which the page tells in a sentence."""
    return bool(message.type == "error") and not message.text.startswith("Failed to load resource")


def broken(response: "sync_api.Response") -> bool:
    """Whether an answer is one that no use of the page may bring: a failure, or a file of the page that isn't there."""
    return bool(response.status >= 500 or (response.status >= 400 and "/web/" in response.url))


def away(url: str, site: str) -> bool:
    """Whether an address is of another server."""
    return not url.startswith((f"{site}/", "blob:", "data:"))
