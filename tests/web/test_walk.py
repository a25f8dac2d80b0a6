"""Walk: a plane under the pointer, the code map, directions with undo, mixtures, and a film of the round."""

import re
import signal
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Page, Request, Route, expect

from tests.api.process import Process
from tests.web.seen import colour, held, newest_stays, plain, shown, until

PLANE = "/#/walk?model=cifar10@1&stops=1,2,3,4&classes=dog,cat,horse,ship&x=0&y=0"


COUNT = """() => {
    const ask = window.fetch;
    let out = 0;
    window.most = 0;
    window.fetch = (...asked) => {
        if (!String(asked[0]).startsWith("interpolate")) return ask(...asked);
        window.most = Math.max(window.most, (out += 1));
        return ask(...asked).finally(() => (out -= 1));
    };
}"""
"""Has the page count how many points of the plane it asks for at once."""


def canvas(page: Page, name: str) -> str:
    """What a canvas shows; waits until it shows anything."""
    page.wait_for_function(
        "(name) => { const c = document.querySelector(`canvas[aria-label='${name}']`);"
        " return c && c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v) => v); }",
        arg=name,
    )
    shown: str = page.evaluate("(name) => document.querySelector(`canvas[aria-label='${name}']`).toDataURL()", name)
    return shown


def until_other(page: Page, name: str, before: str) -> str:
    page.wait_for_function(
        "([name, before]) => document.querySelector(`canvas[aria-label='${name}']`).toDataURL() !== before",
        arg=[name, before],
    )
    return canvas(page, name)


def test_a_corner_of_the_plane_is_the_very_picture_that_generate_draws(page: Page) -> None:
    page.goto(PLANE)
    shown = canvas(page, "The picture where the pointer is")
    page.goto("/#/walk?model=cifar10@1&way=directions&seed=1&class=dog")
    page.reload()
    assert canvas(page, "The picture as it was drawn") == shown


def test_arrow_keys_walk_over_the_plane_and_a_link_leads_back(page: Page) -> None:
    page.goto(PLANE)
    before = canvas(page, "The picture where the pointer is")
    page.get_by_role("application").focus()
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_text("column 25, row 2 of 64")).to_be_visible()
    there = until_other(page, "The picture where the pointer is", before)
    page.get_by_role("button", name="Copy a link").click()
    link = page.evaluate("navigator.clipboard.readText()")
    page.goto("about:blank")
    page.goto(link)
    expect(page.get_by_text("column 25, row 2 of 64")).to_be_visible()
    assert canvas(page, "The picture where the pointer is") == there


def test_a_pointer_that_races_has_one_request_out_and_stale_ones_are_dropped(
    page: Page, site: str, server: Process
) -> None:
    page.goto(PLANE)
    canvas(page, "The picture where the pointer is")
    page.evaluate(COUNT)
    box = page.get_by_role("application").bounding_box()
    assert box is not None
    before = dropped(site)
    # It holds still, so that what the pointer asks for gets stale on its way.
    server.process.send_signal(signal.SIGSTOP)
    try:
        for step in range(60):
            page.mouse.move(box["x"] + 5 + step * 6, box["y"] + 5 + (step * 37) % 300)
            page.wait_for_timeout(20)
    finally:
        server.process.send_signal(signal.SIGCONT)
    end = time.monotonic() + 10
    while dropped(site) == before and time.monotonic() < end:
        page.wait_for_timeout(100)
    assert dropped(site) > before
    assert page.evaluate("window.most") == 1


def dropped(site: str) -> float:
    """Samples that the service did not draw since nobody waited for them any more."""
    metrics = httpx.get(f"{site}/metrics").text
    counts = re.findall(
        r'ganymede_dropped_samples_total\{model="cifar10@1",reason="(?:vanished|cancelled)"\} (\S+)', metrics
    )
    return sum(map(float, counts))


def test_four_new_corners_are_asked_for_once_and_stay(page: Page) -> None:
    asked: list[list[int]] = []

    def draw(route: Route) -> None:
        asked.append(corners(route.request))
        route.fulfill(body=plain(asked[-1]))

    page.route("**/interpolate", draw)
    page.goto(PLANE)
    view = page.get_by_label("The picture where the pointer is")
    until(page, lambda: shown(view) == colour([1, 2, 3, 4]))
    page.get_by_role("button", name="Four new corners").click()
    until(page, lambda: shown(view) == colour([int(seed.input_value()) for seed in page.get_by_label("Seed").all()]))
    assert len(asked) == 2


def test_what_was_asked_of_corners_that_are_gone_is_neither_shown_nor_kept(page: Page) -> None:
    asked = held(page, "**/interpolate")
    page.goto(PLANE)
    seed = page.get_by_label("Seed top left")
    for value in ("5", "6"):
        until(page, lambda: bool(asked))
        seed.fill(value)
        seed.press("Enter")
    while corners(asked[-1].request)[0] != 6:
        count = len(asked)
        asked[-1].fulfill(body=plain(corners(asked[-1].request)))
        until(page, lambda count=count: len(asked) > count)  # type: ignore[misc]
    asked[-1].fulfill(body=plain(corners(asked[-1].request)))
    until(page, lambda: shown(page.get_by_label("The picture where the pointer is")) == colour([6, 2, 3, 4]))


def corners(request: Request) -> list[int]:
    """The seeds of the corners of a plane that a request is for."""
    asked: Any = request.post_data_json
    return [stop["seed"] for stop in asked["stops"]]


def test_the_newest_picture_of_a_corner_stays(page: Page) -> None:
    page.goto(PLANE)
    image = page.get_by_label("Draw the picture top left anew").locator("img")
    expect(image).to_have_attribute("src", re.compile("^blob:"))
    asked = held(page, re.compile(r"/generate\?.*seed=[56]"))
    seed = page.get_by_label("Seed top left")
    seed.fill("5")
    seed.press("Enter")
    until(page, lambda: len(asked) == 1)
    seed.fill("6")
    seed.press("Enter")
    until(page, lambda: len(asked) == 2)
    newest_stays(page, image, *asked)


def test_a_busy_service_is_left_alone_however_the_pointer_moves(page: Page) -> None:
    asked: list[float] = []

    def refuse(route: Route) -> None:
        asked.append(time.monotonic())
        route.fulfill(status=429, headers={"Retry-After": "2"}, json={"detail": "too much work is queued"})

    page.route("**/interpolate", refuse)
    page.goto(PLANE)
    expect(page.get_by_text(re.compile("^Busy.* trying again in", re.IGNORECASE))).to_be_visible()
    page.get_by_role("application").focus()
    while len(asked) < 2 and time.monotonic() < asked[0] + 10:
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(100)
    assert asked[1] - asked[0] >= 1.9


USED_UP = "The key 'ann' has used up its quota: 500 pictures a day."


@pytest.mark.parametrize(("seconds", "told"), [(39_600, "✕"), (20, r" Trying again in \d+ s")])
def test_a_quota_that_is_used_up_is_told_as_such(page: Page, seconds: int, told: str) -> None:
    problem = {"status": 429, "detail": USED_UP, "violated-policies": ["pictures"]}
    asked: list[Route] = []

    def refuse(route: Route) -> None:
        asked.append(route)
        route.fulfill(status=429, headers={"Retry-After": str(seconds)}, json=problem)

    page.route("**/interpolate", refuse)
    page.goto(PLANE)
    expect(page.locator("#status")).to_have_text(re.compile(f"^{re.escape(USED_UP)}{told}$"))
    page.get_by_role("application").focus()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(100)
    assert len(asked) == 1
    expect(page.locator("#status")).to_have_text(re.compile(f"^{re.escape(USED_UP)}{told}$"))


def test_the_round_of_the_corners_is_saved_as_a_film(page: Page) -> None:
    page.goto(PLANE)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the round as a film").click()
    film = Image.open(BytesIO(Path(download.value.path()).read_bytes()))
    assert getattr(film, "n_frames", 1) > 32
    assert film.size == (256, 256)


def test_the_code_map_shows_the_picture_of_a_code(page: Page) -> None:
    page.goto("/#/walk?model=fashion-vae")
    page.get_by_text("Code map").click()
    expect(page.get_by_role("img", name="A sheet of what lies on this plane")).to_be_visible()
    before = canvas(page, "The picture where the pointer is")
    page.get_by_role("application").focus()
    for _ in range(4):
        page.keyboard.press("Shift+ArrowRight")
    assert until_other(page, "The picture where the pointer is", before)
    expect(page.get_by_text("value 0 is 2.00, value 1 is 0.00")).to_be_visible()


def test_the_map_is_that_of_the_axes_that_were_chosen_last(page: Page) -> None:
    page.goto("/#/walk?model=fashion-vae&way=codes")
    sheet = page.get_by_role("img", name="A sheet of what lies on this plane")
    expect(sheet).to_have_attribute("src", re.compile("^blob:"))
    asked = held(page, "**/map?*")
    for number, axis in enumerate(("2", "3"), 1):
        page.get_by_label("Across").select_option(axis)
        until(page, lambda number=number: len(asked) == number)  # type: ignore[misc]
    newest_stays(page, sheet, *asked)


def test_directions_change_a_picture_and_undo_takes_them_back(page: Page) -> None:
    page.goto("/#/walk?model=cifar10&way=directions&seed=5&class=dog")
    before = canvas(page, "The picture, changed")
    warmth = page.get_by_role("slider", name="warmth")
    warmth.fill("2")
    warmer = until_other(page, "The picture, changed", before)
    assert canvas(page, "The picture as it was drawn") == before
    page.get_by_role("button", name="Undo").click()
    assert until_other(page, "The picture, changed", warmer) == before
    page.keyboard.press("Control+Shift+Z")
    assert until_other(page, "The picture, changed", before) == warmer


def test_classes_are_mixed_by_weights(page: Page) -> None:
    page.goto("/#/walk?model=cifar10&way=mixture&seed=5&class=dog")
    before = canvas(page, "The mixture")
    page.get_by_role("slider", name="cat").fill("100")
    until_other(page, "The mixture", before)
    expect(page.get_by_text("50 %")).to_have_count(2)
