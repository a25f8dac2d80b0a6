"""The page as a whole: who can use it, what it weighs, where it may reach, and how one moves in it."""

import http.client
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app import web
from tests.web.guarded import KEY, guarded

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install '.[browser]'")

MOST = 150_000
"""Bytes of the page with one room."""
ROOMS = ("generate", "walk", "translate", "restore", "models")
PLACES = ("generate", "walk", "translate", "restore", "models", "models?model=cifar10", "models?model=radar")
FILES = sorted(path.relative_to(web.STATIC).as_posix() for path in web.STATIC.rglob("*") if path.is_file())


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_room_keeps_anybody_out(page: Page, theme: str) -> None:
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.goto("/")
    page.get_by_role("button", name="Under the hood").click()
    found = []
    for place in PLACES:
        page.goto(f"/#/{place}")
        room = page.locator(f".view-{place.partition('?')[0]}")
        expect(room).to_be_visible()
        page.wait_for_load_state("networkidle")
        found += [(place, *flaw) for flaw in flaws(page)]
    assert found == []


def flaws(page: Page) -> Iterator[tuple[str, str]]:
    """What axe finds serious or critical: the rule, and where."""
    for violation in axe.Axe().run(page).response["violations"]:
        if violation["impact"] in ("serious", "critical"):
            yield from ((violation["id"], node["html"]) for node in violation["nodes"])


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_light_on_opening(page: Page, room: str) -> None:
    """Page and room, before pictures; other rooms are loaded when they are entered."""
    page.goto(f"/#/{room}")
    page.wait_for_selector(f".view-{room}")
    loaded = page.evaluate(
        "() => performance.getEntries().filter((one) => one.entryType === 'navigation' || one.name.includes('/web/'))"
        ".map((one) => [one.name, one.decodedBodySize])"
    )
    weights = dict(loaded)
    assert any(name.endswith("main.js") for name in weights)
    assert sum(weights.values()) <= MOST, weights


def test_every_file_is_sent_as_what_it_is(site: str) -> None:
    kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}
    for name in FILES:
        answer = fetch(site, f"/web/{name}")
        assert (answer.status, answer.headers.get_content_type()) == (200, kinds[Path(name).suffix]), name


def test_every_file_is_used_from_the_page_on() -> None:
    reached, ahead = {"index.html"}, ["index.html"]
    while ahead:
        here = web.STATIC / ahead.pop()
        for found in re.findall(r'"((?:\.{1,2}|web)/[\w./-]+\.(?:js|css|svg))"', here.read_text(encoding="utf-8")):
            path = web.STATIC / found[4:] if found.startswith("web/") else (here.parent / found).resolve()
            name = path.relative_to(web.STATIC).as_posix()
            if name not in reached:
                reached.add(name)
                ahead.append(name)
    assert sorted(reached) == FILES


def test_the_page_may_reach_nothing_but_its_own_service(site: str) -> None:
    told = fetch(site, "/").headers["Content-Security-Policy"]
    policy = dict(part.split(" ", 1) for part in told.split("; "))
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert "unsafe" not in told
    assert "http" not in told


def test_the_browser_itself_holds_the_page_to_that(browser: Browser, site: str) -> None:
    page = browser.new_page(base_url=site)
    page.goto("/#/models")
    refused = page.evaluate(
        """() => new Promise((resolve) => {
            document.addEventListener("securitypolicyviolation", (event) => resolve(event.effectiveDirective));
            fetch("http://127.0.0.1:9/").catch(() => undefined);
        })"""
    )
    assert refused == "connect-src"
    page.close()


def fetch(site: str, path: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(site.removeprefix("http://"), timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def test_with_the_tab_key_one_skips_ahead_or_reaches_every_room(page: Page) -> None:
    page.goto("/#/models")
    expect(page.locator(".model").first).to_be_visible()
    stops = []
    for _ in range(9):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("document.activeElement.textContent.trim() || document.activeElement.ariaLabel"))
    skip, brand, *rooms = stops[:7]
    assert (skip, brand) == ("Skip to the content", "Ganymede")
    assert rooms == ["Generate", "Walk", "Translate", "Restore", "Models"]
    assert stops[7] == "Under the hood"
    for _ in ("Under the hood", "Models", "Restore", "Translate"):
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page).to_have_title("Translate · Ganymede")


def test_the_skip_link_leads_into_the_room(page: Page) -> None:
    page.goto("/#/models")
    expect(page.locator(".model").first).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    expect(page.locator(".model").first).to_be_visible()


def test_the_theme_is_as_the_system_has_it_until_one_chooses(page: Page) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="dark")
    page.goto("/#/models")
    dark = page.evaluate(paper)
    page.get_by_role("button", name="Theme: auto").click()
    light = page.evaluate(paper)
    assert light != dark
    page.reload()
    assert page.evaluate(paper) == light
    page.get_by_role("button", name="Theme: light").click()
    assert page.evaluate(paper) == dark


def test_a_service_with_keys_asks_for_one_and_then_shows_its_pictures(browser: Browser, tmp_path: Path) -> None:
    with guarded(tmp_path / "models", key=True) as url:
        page = browser.new_page(base_url=url)
        page.goto("/")
        dialog = page.get_by_role("dialog", name="This service wants a key")
        dialog.get_by_label("Key").fill("wrong")
        dialog.get_by_role("button", name="Use it").click()
        expect(dialog).to_contain_text("The one given isn't valid.")
        dialog.get_by_label("Key").fill(KEY)
        dialog.get_by_role("button", name="Use it").click()
        expect(page.locator(".wall .tile img")).to_have_count(12)
        page.goto(f"{url}/#/models")
        assert page.locator(".model img").evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 100
        page.reload()
        expect(page.locator(".model img")).to_be_visible()
        expect(dialog).to_be_hidden()
        page.close()


def test_without_a_key_one_is_told_what_is_missing(browser: Browser, tmp_path: Path) -> None:
    with guarded(tmp_path / "models", key=True) as url:
        page = browser.new_page(base_url=url)
        page.goto("/#/models")
        page.get_by_role("button", name="Not now").click()
        expect(page.get_by_role("heading")).to_have_count(1)
        expect(page.locator("main")).to_have_text(re.compile(r"A key is needed: Authorization: Bearer ….?$"))
        page.close()


def test_a_key_that_can_not_be_sent_is_refused_where_it_is_given(browser: Browser, tmp_path: Path) -> None:
    with guarded(tmp_path / "models", key=True) as url:
        page = browser.new_page(base_url=url)
        page.goto("/#/models")
        field = page.get_by_role("textbox", name="Key")
        field.fill(f"{KEY}\u200b")
        page.get_by_role("button", name="Use it").click()
        assert field.evaluate("(field) => field.validity.patternMismatch")
        expect(field).to_be_visible()
        field.fill(f" {KEY} ")
        page.get_by_role("button", name="Use it").click()
        expect(page.locator(".model")).to_have_count(1)
        page.close()
