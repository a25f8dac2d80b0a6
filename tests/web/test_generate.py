"""Generate, as somebody does it who came for the first time."""

import json
from base64 import b64encode
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.web.seen import held, plain, until


def test_a_newcomer_sees_pictures_and_then_dogs_without_reading_anything(page: Page) -> None:
    page.goto("/")
    expect(page.locator(".wall .tile img")).to_have_count(12)
    page.get_by_role("radio", name="dog").check(force=True)
    expect(page.locator(".wall .tile img")).to_have_count(12)
    expect(page.locator(".wall .tile strong").first).to_have_text("dog")
    assert page.get_by_role("img", name="dog, seed").count() == 12


def test_a_link_draws_the_same_picture_again(page: Page) -> None:
    page.goto("/")
    page.get_by_role("radio", name="horse").check(force=True)
    expect(page.locator(".wall strong").first).to_have_text("horse")
    expect(page.locator(".wall .tile img")).to_have_count(12)
    first = page.locator(".wall .tile").nth(3)
    seen = pixels(page, ".wall .tile:nth-child(4) img")
    first.get_by_role("button", name="Copy a link").click()
    link = page.evaluate("navigator.clipboard.readText()")
    page.goto("about:blank")
    page.goto(link)
    expect(page.locator(".wall .tile img")).to_have_count(1)
    assert pixels(page, ".wall .tile img") == seen


def test_a_picture_that_was_saved_brings_its_settings_back(page: Page, tmp_path: Path) -> None:
    page.goto("/#/generate?model=cifar10@1&class=ship&seed=77&truncation=0.7")
    expect(page.locator(".wall .tile img")).to_have_count(1)
    seen = pixels(page, ".wall .tile img")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save it").click()
    saved = tmp_path / download.value.suggested_filename
    download.value.save_as(saved)
    page.goto("/#/generate?model=fashion")
    page.reload()
    expect(page.locator(".wall .tile img")).to_have_count(12)
    page.locator("input[type=file]").set_input_files(saved)
    expect(page.locator(".wall .tile img")).to_have_count(1)
    expect(page.get_by_label("Seed")).to_have_value("77")
    expect(page.get_by_role("radio", name="ship")).to_be_checked()
    expect(page.get_by_label("Truncation")).to_have_value("0.7")
    assert pixels(page, ".wall .tile img") == seen


def test_a_photo_without_a_recipe_is_told_as_such(page: Page, tmp_path: Path) -> None:
    page.goto("/")
    (tmp_path / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing of ours")
    page.locator("input[type=file]").set_input_files(tmp_path / "photo.png")
    expect(page.get_by_role("status").filter(has_text="carries no recipe")).to_be_visible()


def test_pictures_that_came_stay_in_whatever_order_they_did(page: Page) -> None:
    pictures = [{"index": index, "class": "dog", "image": b64encode(plain(index)).decode()} for index in (7, 2)]
    lines = [*pictures, {"status": 429, "detail": "the deadline passed"}]
    answer = "".join(f"{json.dumps(line)}\n" for line in lines)
    page.route("**/generate?*format=ndjson*", lambda route: route.fulfill(body=answer))
    page.goto("/#/generate?model=cifar10")
    expect(page.get_by_text("The deadline passed.")).to_be_visible()
    expect(page.locator(".wall .tile")).to_have_count(2)
    expect(page.locator(".wall .tile img")).to_have_count(2)


def test_who_leaves_is_told_nothing_of_it_and_nothing_more_is_asked(page: Page) -> None:
    wall = held(page, "**/generate?*format=ndjson*")
    chips = held(page, "**/generate?*seed=7*")
    page.goto("/#/generate?model=cifar10")
    until(page, lambda: len(wall) == 1)
    page.get_by_role("link", name="Models", exact=True).click()
    expect(page.locator(".model").first).to_be_visible()
    expect(page.locator("#status")).to_have_text("")
    assert chips == []


def test_a_click_draws_one_wall(page: Page) -> None:
    page.goto("/#/generate?model=cifar10")
    expect(page.locator(".wall .tile img")).to_have_count(12)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "format=ndjson" in request.url else None)
    page.get_by_role("button", name="Draw", exact=True).click()
    expect(page.locator(".wall .tile img")).to_have_count(12)
    assert len(asked) == 1


def test_more_like_this_draws_the_neighbourhood_of_a_picture(page: Page) -> None:
    page.goto("/#/generate?model=cifar10@1&class=dog&seed=5")
    expect(page.locator(".wall .tile img")).to_have_count(1)
    seen = pixels(page, ".wall .tile img")
    page.get_by_role("button", name="More like this").click()
    expect(page.locator(".wall .tile img")).to_have_count(9)
    assert pixels(page, ".wall .tile:nth-child(1) img") == seen
    assert pixels(page, ".wall .tile:nth-child(2) img") != seen
    page.get_by_role("button", name="Copy a link").nth(1).click()
    neighbour = pixels(page, ".wall .tile:nth-child(2) img")
    link = page.evaluate("navigator.clipboard.readText()")
    page.goto("about:blank")
    page.goto(link)
    expect(page.locator(".wall .tile img")).to_have_count(1)
    assert pixels(page, ".wall .tile img") == neighbour


def test_what_was_kept_is_there_after_a_reload_until_it_is_forgotten(page: Page) -> None:
    page.goto("/#/generate?model=fashion@1&seed=11")
    page.get_by_role("button", name="Keep this picture").click()
    page.reload()
    expect(page.get_by_role("heading", name="Kept")).to_be_visible()
    expect(page.get_by_role("img", name="sample, seed 11").last).to_be_visible()
    page.get_by_role("button", name="Forget seed 11").click()
    expect(page.get_by_role("heading", name="Kept")).to_be_hidden()


def test_a_wrong_seed_is_answered_in_a_sentence(page: Page) -> None:
    page.goto("/")
    expect(page.locator(".wall .tile img")).to_have_count(12)
    page.get_by_label("Seed").fill("tomorrow")
    page.get_by_role("button", name="Draw", exact=True).click()
    expect(page.get_by_text("Seed: must be an integer")).to_be_visible()


def pixels(page: Page, selector: str) -> str:
    """What a picture shows, as the browser decoded it."""
    drawn: str = page.evaluate(
        """async (selector) => {
            const image = document.querySelector(selector);
            await image.decode();
            const canvas = document.createElement("canvas");
            [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
            canvas.getContext("2d").drawImage(image, 0, 0);
            return canvas.toDataURL();
        }""",
        selector,
    )
    return drawn
