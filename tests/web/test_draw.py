"""The pad of the room Translate, as somebody draws on it who has a mouse, a finger, or keys."""

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.web.seen import SLOW, finish, give, pixels, until

ROOT = Path(__file__).resolve().parents[2]


def take(page: Page, label: str) -> None:
    """Takes a label of the palette, by its chip: a click that is forced on the hidden field may miss it while the page
    is being laid out.
    """
    page.get_by_role("group", name="Label").get_by_text(label, exact=True).click()
    expect(page.get_by_role("radio", name=label)).to_be_checked()


def test_the_photo_follows_the_pen_and_undo_goes_back(page: Page) -> None:
    page.goto("/#/translate?do=draw")
    board, house = (
        page.get_by_role("application", name="Facade labels"),
        page.get_by_alt_text("The photo that the model"),
    )
    drawn = settled(page, house)
    first = pixels(board)
    take(page, "balcony")
    drag(page, board, (20, 60), (230, 120))
    assert at(board, 100, 90) == [192, 255, 63]
    changed = settled(page, house, after=drawn)
    assert changed != drawn
    page.get_by_role("button", name="Undo").click()
    assert pixels(board) == first
    assert settled(page, house, after=changed) == drawn
    page.keyboard.press("Control+Shift+z")
    assert at(board, 100, 90) == [192, 255, 63]
    expect(page.get_by_role("button", name="Redo")).to_be_disabled()


def test_nothing_is_undone_under_the_pen(page: Page) -> None:
    page.goto("/#/translate?do=draw")
    board = page.get_by_role("application", name="Facade labels")
    take(page, "balcony")
    first = pixels(board)
    drag(page, board, (20, 60), (230, 120), pressed="Control+z")
    assert at(board, 100, 90) == [192, 255, 63]
    page.keyboard.press("Control+z")
    assert pixels(board) == first


def test_a_finger_draws_and_the_page_stays_where_it_is(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 780})
    fingers = page.context.new_cdp_session(page)
    fingers.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    page.goto("/#/translate?do=draw")
    board = page.get_by_role("application", name="Facade labels")
    take(page, "shop")
    expect(board).to_be_in_viewport(ratio=1)
    box = board.bounding_box()
    assert box is not None
    for kind, x, y in (("touchStart", 40, 40), ("touchMove", 60, 160), ("touchMove", 120, 200), ("touchEnd", 0, 0)):
        place = spot(board, x, y)
        touched = [] if kind == "touchEnd" else [{"x": box["x"] + place["x"], "y": box["y"] + place["y"]}]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touched})
    until(page, lambda: at(board, 42, 42) == at(board, 117, 197) == [174, 0, 0])
    assert page.evaluate("[scrollX, scrollY, document.documentElement.scrollWidth <= innerWidth]") == [0, 0, True]


def test_brush_fill_and_clear_do_what_they_say(page: Page) -> None:
    page.goto("/#/translate?do=draw")
    board = page.get_by_role("application", name="Facade labels")
    page.get_by_role("button", name="Clear").click()
    assert at(board, 10, 10) == at(board, 240, 240) == [0, 48, 255]
    page.get_by_role("button", name="Brush").click()
    take(page, "pillar")
    drag(page, board, (128, 0), (128, 255))
    assert at(board, 128, 128) == [254, 0, 0]
    page.get_by_role("button", name="Fill").click()
    take(page, "shop")
    drag(page, board, (10, 10), (10, 10))
    assert at(board, 60, 200) == [174, 0, 0]
    assert at(board, 200, 200) == [0, 48, 255]


def test_a_rectangle_is_placed_by_keys_alone(page: Page) -> None:
    page.goto("/#/translate?do=draw")
    board = page.get_by_role("application", name="Facade labels")
    page.get_by_role("button", name="Clear").focus()
    page.keyboard.press("Enter")
    board.focus()
    for key in ("ArrowLeft", "ArrowUp", "Shift+ArrowRight", "Enter"):
        page.keyboard.press(key)
    assert at(board, 88, 88) == at(board, 127, 135) == [0, 128, 255]
    assert at(board, 87, 88) == at(board, 128, 135) == [0, 48, 255]
    expect(page.get_by_text("window put at 88, 88")).to_be_attached()
    page.keyboard.press("Control+z")
    assert at(board, 88, 88) == [0, 48, 255]


def test_a_label_picture_becomes_the_drawing_and_both_can_be_saved(page: Page, tmp_path: Path) -> None:
    labels = Image.open(ROOT / "models/facades/1/samples.png").convert("RGB").crop((298, 0, 426, 128))
    labels.save(tmp_path / "labels.png")
    page.goto("/#/translate?do=draw")
    board = page.get_by_role("application", name="Facade labels")
    house = page.get_by_alt_text("The photo that the model")
    before, first = settled(page, house), pixels(board)
    give(page, tmp_path / "labels.png")
    until(page, lambda: pixels(board) != first)
    settled(page, house, after=before)
    for button, name in (("Save the photo", "facade.png"), ("Save the drawing", "facade-labels.png")):
        with page.expect_download() as download:
            page.get_by_role("button", name=button).click()
        assert download.value.suggested_filename == name
        download.value.save_as(tmp_path / name)
    assert Image.open(tmp_path / "facade.png").size == (256, 256)
    assert b"ganymede:recipe" in (tmp_path / "facade.png").read_bytes()


def test_a_label_picture_that_is_read_slowly_gives_way_to_a_newer_one(page: Page, tmp_path: Path) -> None:
    page.add_init_script(SLOW)
    for name, colour in (("slow.png", (254, 0, 0)), ("labels.png", (174, 0, 0))):
        Image.new("RGB", (64, 64), colour).save(tmp_path / name)
    page.goto("/#/translate?do=draw")
    board = page.get_by_role("application", name="Facade labels")
    give(page, tmp_path / "slow.png")
    give(page, tmp_path / "labels.png")
    until(page, lambda: at(board, 99, 99) == [174, 0, 0])
    finish(page)
    assert at(board, 99, 99) == [174, 0, 0]


def test_the_house_that_was_drawn_can_be_painted(page: Page) -> None:
    page.goto("/#/translate?do=draw")
    settled(page, page.get_by_alt_text("The photo that the model"))
    page.get_by_role("button", name="Paint the photo in a style").click()
    expect(page.locator(".styles .tile img")).to_have_count(2)


def settled(page: Page, image: Locator, *, after: str | None = None) -> str:
    """What a picture shows once it is another than `after` and stays so for a moment."""
    expect(image).to_have_attribute("src", re.compile("^blob:"))
    seen, calm = "", 0
    for _ in range(100):
        page.wait_for_timeout(100)
        now = pixels(image)
        calm = calm + 1 if now == seen and now != after else 0
        seen = now
        if calm == 3:
            return seen
    pytest.fail("the picture never changed, or never stood still")


def spot(board: Locator, x: float, y: float) -> dict[str, float]:
    box = board.bounding_box()
    assert box is not None
    return {"x": x * box["width"] / 256, "y": y * box["height"] / 256}


def drag(
    page: Page, board: Locator, start: tuple[float, float], end: tuple[float, float], *, pressed: str | None = None
) -> None:
    """With the mouse, from one point of the drawing to another; a key may be pressed at the start."""
    board.scroll_into_view_if_needed()
    box = board.bounding_box()
    assert box is not None
    for number, (x, y) in enumerate((start, end)):
        place = spot(board, x, y)
        page.mouse.move(box["x"] + place["x"], box["y"] + place["y"], steps=8)
        if not number:
            page.mouse.down()
            if pressed:
                page.keyboard.press(pressed)
    page.mouse.up()


def at(board: Locator, x: int, y: int) -> list[int]:
    """The colour of a pixel of the drawing."""
    colour: list[int] = board.evaluate(
        "(canvas, [x, y]) => [...canvas.getContext('2d').getImageData(x, y, 1, 1).data].slice(0, 3)", [x, y]
    )
    return colour
