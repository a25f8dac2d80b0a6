"""Translate, as somebody does it who has a photo."""

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, Request, expect

from tests.web.seen import HESITANT, SLOW, allow, besides, finish, give, heard, held, pixels, plain, until

ROOT = Path(__file__).resolve().parents[2]
STYLES = 2
"""Of the shipped `monet`: monet and photo."""

PASTED = "new ClipboardEvent('paste', { clipboardData: files, bubbles: true })"
DROPPED = "new DragEvent('drop', { dataTransfer: files, bubbles: true, cancelable: true })"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photo of 128×128, cut from the sheet that the model came with."""
    sheet = Image.open(ROOT / "models/monet/1/samples.png").convert("RGB")
    sheet.crop((576, 0, 704, 128)).save(tmp_path / "photo.jpg", quality=92)
    return tmp_path / "photo.jpg"


@pytest.fixture
def large(photo: Path) -> Path:
    """The same, of 1,600 pixels: it takes the model seconds."""
    path = photo.with_name("large.jpg")
    Image.open(photo).resize((1600, 1600)).save(path, quality=92)
    return path


def test_a_photo_is_painted_in_every_style_and_the_first_stands_beside_it(page: Page, photo: Path) -> None:
    page.goto("/#/translate")
    give(page, photo)
    expect(page.locator(".styles .tile img")).to_have_count(STYLES)
    expect(page.locator(".styles strong")).to_have_text(["monet", "photo"])
    expect(page.get_by_role("img", name="monet by monet@1", exact=True)).to_be_visible()
    page.get_by_role("button", name="Look closer at photo by monet@1").click()
    expect(page.get_by_role("img", name="photo by monet@1", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Look closer at photo")).to_have_attribute("aria-pressed", "true")
    assert "style=photo" in page.url


@pytest.mark.parametrize("event", [PASTED, DROPPED], ids=["pasted", "dropped"])
def test_a_photo_can_be_pasted_or_dropped_anywhere(page: Page, photo: Path, event: str) -> None:
    page.goto("/#/translate")
    expect(page.get_by_role("button", name="Choose a file")).to_be_visible()
    page.evaluate(
        f"""(bytes) => {{
            const files = new DataTransfer();
            files.items.add(new File([new Uint8Array(bytes)], "given.jpg", {{ type: "image/jpeg" }}));
            document.querySelector("h1").dispatchEvent({event});
        }}""",
        list(photo.read_bytes()),
    )
    expect(page.locator(".styles .tile img")).to_have_count(STYLES)


def test_a_photo_can_be_taken_and_the_camera_is_put_off_afterwards(page: Page) -> None:
    page.goto("/#/translate")
    page.get_by_role("button", name="Take a photo").click()
    expect(page.get_by_label("What the camera sees")).to_be_visible()
    track = page.evaluate_handle("document.querySelector('video').srcObject.getTracks()[0]")
    page.get_by_role("button", name="Take it").click()
    expect(page.locator(".styles .tile img")).to_have_count(STYLES)
    expect(page.get_by_label("What the camera sees")).to_have_count(0)
    assert track.evaluate("(track) => track.readyState") == "ended"


def test_leaving_the_room_puts_the_camera_off(page: Page) -> None:
    page.goto("/#/translate")
    page.get_by_role("button", name="Take a photo").click()
    expect(page.get_by_label("What the camera sees")).to_be_visible()
    track = page.evaluate_handle("document.querySelector('video').srcObject.getTracks()[0]")
    page.get_by_role("link", name="Draw a facade").click()
    expect(page.get_by_role("button", name="Rectangle")).to_be_visible()
    assert track.evaluate("(track) => track.readyState") == "ended"


def test_two_clicks_take_one_photo(page: Page) -> None:
    page.add_init_script(HESITANT)
    page.goto("/#/translate")
    page.get_by_role("button", name="Take a photo").dblclick()
    allow(page, 1)
    expect(page.get_by_label("What the camera sees")).to_be_visible()
    page.get_by_role("button", name="Cancel", exact=True).click()
    assert heard(page) == 0


def test_the_strength_slider_leaves_as_much_of_the_photo_as_it_says(page: Page, photo: Path, tmp_path: Path) -> None:
    page.goto("/#/translate")
    give(page, photo)
    expect(page.get_by_role("img", name="monet by monet@1", exact=True)).to_be_visible()
    full = pixels(page.locator(".compare .after"))
    strength = page.get_by_label("Strength")
    strength.focus()
    with page.expect_response(lambda answer: "strength=0.9" in answer.url):
        strength.press("ArrowLeft")
        strength.press("ArrowLeft")
    strength.press("Home")
    with page.expect_response(lambda answer: "strength=0&" in answer.url):
        pass
    expect(page.locator(".compare .after")).to_have_js_property("complete", True)
    expect(page.locator(".compare .after")).to_have_css("opacity", "1")
    photograph = pixels(page.locator(".compare .before"))
    assert pixels(page.locator(".compare .after")) == photograph != full
    with page.expect_download() as download:
        page.get_by_role("button", name="Save", exact=True).click()
    download.value.save_as(tmp_path / "saved.png")
    assert b"ganymede:recipe" in (tmp_path / "saved.png").read_bytes()


def test_the_slider_has_one_request_in_flight_and_what_is_stale_is_dropped(page: Page, large: Path) -> None:
    page.goto("/#/translate")
    give(page, large)
    expect(page.get_by_role("img", name="monet by monet@1", exact=True)).to_be_visible(timeout=30_000)
    expect(page.locator(".styles .tile img")).to_have_count(STYLES)
    flying: set[Request] = set()
    most, given_up = [0], list[Request]()

    def begun(request: Request) -> None:
        flying.update({request} if "/style?" in request.url else set())
        most[0] = max(most[0], len(flying))

    page.on("request", begun)
    page.on("requestfinished", lambda request: flying.discard(request))
    page.on("requestfailed", lambda request: flying.discard(request))
    page.on("requestfailed", lambda request: given_up.append(request))
    strength = page.get_by_label("Strength")
    strength.focus()
    for _ in range(12):
        strength.press("ArrowLeft")
    assert page.locator(".compare .after").evaluate("(image) => image.style.opacity") == "0.4", "not before the service"
    with page.expect_response(lambda answer: "strength=0.4" in answer.url, timeout=30_000):
        pass
    expect(page.locator(".compare .after")).to_have_css("opacity", "1")
    assert most[0] == 1
    assert given_up


def test_the_scale_changes_what_is_painted(page: Page, photo: Path) -> None:
    page.goto("/#/translate")
    give(page, photo)
    expect(page.get_by_role("img", name="monet by monet@1", exact=True)).to_be_visible()
    fine = pixels(page.locator(".compare .after"))
    with page.expect_response(lambda answer: "scale=model" in answer.url):
        page.get_by_role("radio", name="Model").check(force=True)
    until(page, lambda: pixels(page.locator(".compare .after")) != fine)


def test_the_address_has_the_settings_of_the_room(page: Page, photo: Path) -> None:
    page.goto("/#/translate?do=style&model=monet%401&style=photo&strength=0.4&scale=model")
    expect(page.get_by_role("button", name="Choose a file")).to_be_visible()
    with page.expect_request(
        lambda request: all(part in request.url for part in ("style=photo", "strength=0.4", "scale=model"))
    ):
        give(page, photo)
    expect(page.get_by_label("Strength")).to_have_value("0.4")
    expect(page.get_by_role("radio", name="Model")).to_be_checked()


@pytest.mark.parametrize(("way", "model"), [("style", "monet@1"), ("picture", "facades@1")])
def test_a_model_is_named_with_or_without_its_version(page: Page, photo: Path, way: str, model: str) -> None:
    besides(page, model, {"model": "another@1", "name": "another"})
    page.goto(f"/#/translate?do={way}&model={model.split('@')[0]}")
    give(page, photo)
    until(page, lambda: f"model={model.replace('@', '%40')}" in page.url)


def test_the_line_between_before_and_after_follows_keys_and_any_press(page: Page, photo: Path) -> None:
    page.goto("/#/translate")
    give(page, photo)
    expect(page.get_by_role("img", name="monet by monet@1", exact=True)).to_be_visible()
    line = page.get_by_role("slider", name="How much of before")
    line.focus()
    line.press("End")
    assert share(page) == 100
    line.press("ArrowLeft")
    assert share(page) == 99
    line.press("Home")
    assert share(page) == 0
    box = page.locator(".compare").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 20)
    page.mouse.down()
    assert share(page) == pytest.approx(25, abs=1)
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 90)
    assert share(page) == pytest.approx(75, abs=1)
    page.mouse.up()
    page.mouse.move(box["x"] + 3, box["y"] + 20)
    assert share(page) == pytest.approx(75, abs=1)
    expect(line).to_be_focused()


def test_cancel_drops_the_work_on_the_server(page: Page, site: str, large: Path) -> None:
    page.goto("/#/translate")
    give(page, large)
    expect(page.get_by_role("img", name="monet by monet@1", exact=True)).to_be_visible(timeout=30_000)
    before = dropped(page, site)
    page.get_by_label("Size").select_option(label="1600 × 1600 px, as it is")
    expect(page.get_by_text("Painting,")).to_be_visible()
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_text("Cancelled.")).to_be_visible()
    until(page, lambda: dropped(page, site) > before)
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_hidden()


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A picture that is read slowly, under `SLOW`; twice as wide as high, as no other here."""
    Image.new("RGB", (64, 32), "navy").save(tmp_path / "slow.png")
    return tmp_path / "slow.png"


@pytest.mark.parametrize("way", ["style", "picture"])
def test_a_photo_that_is_read_slowly_gives_way_to_a_newer_one(page: Page, photo: Path, slow: Path, way: str) -> None:
    page.add_init_script(SLOW)
    held(page, re.compile(r"/(style|translate)\?"))
    page.goto(f"/#/translate?do={way}")
    give(page, slow)
    give(page, photo)
    expect(page.get_by_label("Size")).to_contain_text("128 × 128")
    finish(page)
    expect(page.get_by_label("Size")).to_contain_text("128 × 128")


def test_a_photo_that_is_read_when_the_room_is_left_paints_nothing(page: Page, slow: Path) -> None:
    page.add_init_script(SLOW)
    asked = held(page, re.compile(r"/style\?"))
    page.goto("/#/translate")
    give(page, slow)
    page.get_by_role("link", name="Models", exact=True).click()
    expect(page.locator(".model").first).to_be_visible()
    finish(page)
    assert asked == []
    assert page.url.endswith("#/models")


def test_the_photo_is_there_when_one_comes_back_while_it_is_painted(page: Page, photo: Path) -> None:
    asked = held(page, re.compile(r"/style\?"))
    page.goto("/#/translate")
    give(page, photo)
    until(page, lambda: len(asked) == 1 + STYLES)
    page.get_by_role("link", name="Models", exact=True).click()
    expect(page.locator(".model").first).to_be_visible()
    page.get_by_role("link", name="Translate", exact=True).click()
    expect(page.get_by_label("Size")).to_contain_text("128 × 128")


def test_cancelling_the_wall_leaves_the_photo(page: Page, photo: Path) -> None:
    asked = held(page, re.compile(r"/style\?"))
    page.goto("/#/translate")
    give(page, photo)
    until(page, lambda: len(asked) == 1 + STYLES)
    page.get_by_role("button", name="Cancel the rest").click()
    expect(page.locator(".styles .tile")).to_have_count(0)
    next(route for route in asked if "strength" in route.request.url).fulfill(body=plain())
    expect(page.get_by_role("img", name="monet by monet@1", exact=True)).to_be_visible()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("phone.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "JPEG, PNG, WebP"),
        ("torn.jpg", None, "damaged|broken|truncated|incomplete|cut"),
    ],
)
def test_what_is_no_photo_is_told_in_the_words_of_the_service(
    page: Page, photo: Path, name: str, content: bytes | None, sentence: str
) -> None:
    broken = photo.with_name(name)
    broken.write_bytes(content if content is not None else photo.read_bytes()[:900])
    page.goto("/#/translate")
    give(page, broken)
    expect(page.locator("#status")).to_have_text(re.compile(sentence))
    expect(page.locator(".styles .tile")).to_have_count(0)


def test_any_picture_goes_through_a_translator(page: Page, photo: Path) -> None:
    page.goto("/#/translate?do=picture")
    give(page, photo)
    expect(page.get_by_role("img", name="translated by facades@1")).to_be_visible()
    expect(page.get_by_role("slider", name="How much of before")).to_be_attached()


def share(page: Page) -> float:
    """Per cent of the width that the line lies at, as it is seen."""
    seen: float = page.evaluate(
        """() => {
            const [all, line] = [".compare", ".compare .edge"].map(
                (one) => document.querySelector(one).getBoundingClientRect());
            return (100 * (line.left + line.width / 2 - all.left)) / all.width;
        }"""
    )
    return round(seen)


def dropped(page: Page, site: str) -> float:
    """Samples that the server was rid of before they were done."""
    text = page.request.get(f"{site}/metrics").text()
    return sum(
        float(value) for value in re.findall(r"^ganymede_dropped_samples_total\{.*?\} (\S+)$", text, re.MULTILINE)
    )
