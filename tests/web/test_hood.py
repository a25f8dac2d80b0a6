"""Under the hood: what the strip shows while one plays, and what it says where it may not look."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.web.guarded import guarded


def lift(page: Page) -> None:
    page.get_by_role("button", name="Under the hood").click()


def test_batches_form_while_one_draws(page: Page) -> None:
    page.goto("/#/generate?model=fashion")
    lift(page)
    batches = page.get_by_role("group", name="Batches")
    expect(batches).to_contain_text("0 in a minute")
    page.get_by_role("button", name="Draw", exact=True).click()
    expect(batches).to_contain_text("⌀")
    expect(batches).not_to_contain_text(" 0 in a minute")
    expect(page.get_by_role("group", name="Computing")).to_contain_text(" ms")
    expect(page.get_by_role("group", name="Refused")).to_contain_text("0")
    assert inked(page, "Batches") > 0
    assert inked(page, "Pictures a second") > 0


HURRY = "(button) => { for (let at = 0; at < 12; at += 1) setTimeout(() => button.click(), 30 * at); }"
"""Clicks again and again before what was asked for can have come."""


def test_work_that_was_cancelled_is_seen_to_vanish(page: Page) -> None:
    page.goto("/#/generate?model=cifar10")
    expect(page.locator(".wall .tile img")).to_have_count(12)
    lift(page)
    expect(page.get_by_role("group", name="Waiting")).to_contain_text("0")
    page.get_by_label("How many").fill("64")
    draw = page.get_by_role("button", name="Draw", exact=True)
    draw.evaluate(HURRY)
    expect(page.get_by_role("group", name="Vanished")).to_contain_text("cancelled")


def test_a_number_says_what_it_is_to_the_pointer_and_to_the_keyboard(page: Page) -> None:
    page.goto("/#/models")
    lift(page)
    page.get_by_role("group", name="Waiting").hover()
    expect(page.get_by_text("predicted seconds until all work").last).to_be_visible()
    page.get_by_role("group", name="Encoding").focus()
    expect(page.locator(".told")).to_have_text(
        "Mean time, over the last seconds, to make a file of a picture or a sound."
    )


def test_it_asks_only_while_it_is_open_and_seen(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/metrics") else None)
    page.goto("/#/models")
    lift(page)
    page.wait_for_timeout(1500)
    assert 1 <= len(asked) <= 3
    page.evaluate("Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true })")
    page.wait_for_timeout(200)
    seen = len(asked)
    page.wait_for_timeout(1500)
    assert len(asked) == seen, "it asks although nobody sees the page"
    page.evaluate("delete document.visibilityState")
    with page.expect_request("**/metrics"):
        pass
    lift(page)
    page.wait_for_timeout(200)
    seen = len(asked)
    page.wait_for_timeout(1500)
    assert len(asked) == seen, "it asks although it is closed"


@pytest.mark.parametrize(
    ("status", "said"),
    [(403, "Your key may not read metrics"), (404, "shows its metrics on another port")],
)
def test_a_service_that_keeps_its_metrics_to_itself_is_told_as_such(
    browser: Browser, tmp_path: Path, status: int, said: str
) -> None:
    with guarded(tmp_path / "models", metrics=status) as url:
        context = browser.new_context(base_url=url)
        page = context.new_page()
        broke: list[str] = []
        page.on("pageerror", lambda error: broke.append(str(error)))
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/metrics") else None)
        page.goto("/#/models")
        lift(page)
        expect(page.get_by_role("complementary", name="Under the hood")).to_contain_text(said)
        page.wait_for_timeout(1200)
        assert len(asked) == 1, "it asks again what was refused for good"
        assert broke == []
        context.close()


def inked(page: Page, name: str) -> int:
    """How many points of a number's drawing are drawn."""
    canvas = page.get_by_role("group", name=name).locator("canvas")
    count: int = canvas.evaluate(
        "(canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data"
        ".reduce((sum, value, at) => sum + (at % 4 === 3 && value > 0), 0)"
    )
    return count
