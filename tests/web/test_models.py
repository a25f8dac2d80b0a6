"""Models: what one learns of a model before one uses it."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from app import contract
from tests import toy
from tests.web.guarded import KEY, guarded
from tests.web.seen import besides, until


def test_a_newcomer_finds_the_licence_of_a_model_without_reading_anything(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="Models", exact=True).click()
    page.get_by_role("link", name="CIFAR-10").click()
    expect(page.get_by_role("heading", name="Licence")).to_be_in_viewport()
    expect(page.locator(".licence")).to_contain_text("CIFAR-10 (Krizhevsky 2009), no formal licence, research use")
    expect(page.locator(".licence")).to_contain_text("MIT, as far as the data allows")


def test_every_model_has_a_card_with_samples_state_and_tasks(page: Page) -> None:
    page.goto("/#/models")
    cards = page.locator(".model")
    expect(cards).to_have_count(7)
    for card in cards.all():
        card.scroll_into_view_if_needed()
        expect(card.locator("img")).to_have_js_property("complete", value=True)
        assert card.locator("img").evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 100
    expect(cards.filter(has_text="speech@1")).to_contain_text("ready")
    expect(cards.filter(has_text="fashion-vae@1")).to_contain_text("generate, reconstruct")


def test_an_opened_model_says_what_it_is_for_and_what_not(page: Page) -> None:
    page.goto("/#/models?model=cifar10")
    expect(page.get_by_role("heading", level=1)).to_have_text("CIFAR-10, ten classes")
    expect(section(page, "What it's for")).to_contain_text("of 10 classes: airplane, automobile")
    expect(section(page, "What it's not for")).to_contain_text("They are not photographs of anything")
    expect(section(page, "What to know")).to_contain_text("birds, cats and dogs are often smears")
    expect(section(page, "Training")).to_contain_text("1,000,192")
    expect(section(page, "Training")).to_contain_text("No curve was kept of this run.")
    expect(section(page, "What it costs here")).to_contain_text("A sample alone takes")
    directions = page.get_by_role("img", name="Directions: darkness")
    directions.scroll_into_view_if_needed()
    until(page, lambda: directions.evaluate("(image) => image.complete && image.naturalWidth") > 500)


def test_a_number_stands_beside_its_floor_and_its_ablations(page: Page) -> None:
    page.goto("/#/models?model=cifar10")
    row = page.get_by_role("row", name="Fréchet distance")
    expect(row.get_by_role("cell").nth(0)).to_have_text("27.9")
    expect(row.get_by_role("cell").nth(1)).to_have_text("6.85")
    expect(row.get_by_role("cell").nth(2)).to_contain_text("split heads and relativistic42.5")
    expect(row).to_contain_text("less is better")
    own, *others = [float(str(one.get_attribute("cx"))) for one in row.locator(".own[cx], .other").all()[::-1]]
    assert own < min(others), "the model is nearer to real data than its ablations"
    page.get_by_text("How it was measured").click()
    expect(page.get_by_text("5,000 drawn (seed 0, truncation 1) against 5,000 of cifar10 test").first).to_be_visible()


def test_what_is_measured_step_by_step_is_drawn_as_lines_and_told_as_a_table(page: Page) -> None:
    page.goto("/#/models?model=radar")
    expect(page.get_by_role("img", name="squared error: this model from 0.00238 to 0.00961")).to_be_visible()
    expect(page.get_by_role("img", name="critical success at 2.5 mm/h")).to_be_visible()
    page.get_by_text("The same as a table").click()
    expect(page.get_by_role("row", name="PSNR, step 10").get_by_role("cell").first).to_have_text("20.2")


def test_from_a_model_one_goes_to_where_it_is_used(page: Page) -> None:
    page.goto("/#/models?model=fashion")
    page.get_by_role("link", name="Draw", exact=True).click()
    expect(page.get_by_label("Model")).to_have_value("fashion")
    page.go_back()
    with page.expect_download() as download:
        page.get_by_role("button", name="Card", exact=True).click()
    assert download.value.path().read_text(encoding="utf-8").startswith("# Fashion-MNIST")
    expect(page.get_by_role("link", name="API")).to_have_attribute("href", "docs")


@pytest.mark.parametrize(
    ("model", "link", "place"),
    [
        ("fashion-vae", "Reconstruct", "/restore?tab=reconstruct&model=fashion-vae"),
        ("speech", "Clean speech", "/restore?tab=enhance&model=speech"),
        ("radar", "Predict", "/restore?tab=predict&model=radar"),
        ("facades", "Translate", "/translate?do=picture&model=facades"),
        ("monet", "Restyle", "/translate?do=style&model=monet"),
    ],
)
def test_its_buttons_lead_to_the_place_of_the_task(page: Page, model: str, link: str, place: str) -> None:
    page.goto(f"/#/models?model={model}")
    expect(page.get_by_role("main").get_by_role("link", name=link, exact=True)).to_have_attribute("href", f"#{place}")


def test_the_model_of_a_link_is_the_one_that_is_used(page: Page) -> None:
    besides(page, "radar@1", {"model": "another@1", "name": "another"})
    page.goto("/#/restore?tab=predict&model=radar")
    expect(page.get_by_label("Model")).to_have_value("radar")


@pytest.mark.parametrize("state", ["retired", "loading"])
def test_a_version_that_takes_no_requests_leaves_the_others_in_their_rooms(page: Page, state: str) -> None:
    unknown = dict.fromkeys(("title", "tasks", "classes", "directions"))
    besides(page, "cifar10@1", {"model": "cifar10@2", "version": 2, "state": state, "share": 0.0, **unknown})
    page.goto("/#/generate?model=cifar10")
    expect(page.get_by_label("Model")).to_have_value("cifar10")
    expect(page.locator(".wall .tile img")).to_have_count(12)


def test_of_several_versions_the_one_that_takes_most_requests_is_used(page: Page) -> None:
    spare: dict[str, Any] = {"model": "cifar10@2", "version": 2, "share": 0.0}
    besides(page, "cifar10@1", spare)
    with page.expect_request("**/generate?*") as asked:
        page.goto("/#/generate?model=cifar10")
    assert "model=cifar10%401&" in asked.value.url


def test_a_model_that_is_not_there_is_told_in_a_sentence(page: Page) -> None:
    page.goto("/#/models?model=unicorns")
    expect(page.get_by_text("unicorns", exact=False).first).to_be_visible()
    page.get_by_role("link", name="All models").click()
    expect(page.locator(".model")).to_have_count(7)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A folder of `toy@1`, whose run left a curve, and of `toy@2`, whose graph was altered."""
    folder = toy.build(tmp_path / "models", "toy")
    training = contract.read(folder).training
    assert training is not None
    curve = contract.Curve(measure="kernel distance", points=((1000, 0.9), (2000, 0.4), (3000, 0.5)))
    toy.rewrite(folder, training=training.model_copy(update={"images": 2000, "curve": curve}))
    (toy.build(tmp_path / "models", "toy", version=2) / "generator.onnx").write_bytes(b"altered")
    return tmp_path / "models"


def test_a_curve_that_was_kept_is_drawn_with_the_weights_that_were_chosen(browser: Browser, house: Path) -> None:
    with guarded(house) as url:
        page = browser.new_page(base_url=url)
        page.goto("/#/models?model=toy@1")
        expect(page.get_by_role("img", name="kernel distance: kernel distance from 0.9 to 0.5")).to_be_visible()
        expect(section(page, "Training")).to_contain_text("the weights served are those at the line")
        page.goto("/#/models")
        broken = page.locator(".model").filter(has_text="toy@2")
        expect(broken).to_contain_text("can't be served")
        expect(broken).to_contain_text("generator.onnx was altered")
        broken.get_by_role("link").click()
        expect(page.locator(".reason")).to_contain_text("generator.onnx was altered")
        page.close()


def test_a_model_that_sleeps_is_told_without_being_woken(browser: Browser, tmp_path: Path) -> None:
    with guarded(tmp_path / "models", load="first-use") as url:
        page = browser.new_page(base_url=url)
        page.goto("/#/models")
        expect(page.locator(".model")).to_contain_text("asleep")
        page.get_by_role("link", name="Fashion-MNIST").click()
        expect(page.locator(".licence")).to_contain_text("Fashion-MNIST, MIT (Zalando 2017)")
        expect(page.get_by_text("asleep: it comes when asked for")).to_be_visible()
        page.close()


def test_the_card_of_a_service_with_keys_is_saved(browser: Browser, tmp_path: Path) -> None:
    with guarded(tmp_path / "models", key=True) as url:
        page = browser.new_page(base_url=url)
        page.goto("/#/models?model=fashion")
        page.get_by_role("textbox", name="Key").fill(KEY)
        page.get_by_role("button", name="Use it").click()
        with page.expect_download() as download:
            page.get_by_text("Card", exact=True).click()
        assert download.value.path().read_text(encoding="utf-8").startswith("# Fashion-MNIST")
        page.close()


def test_a_card_is_text_and_never_markup(browser: Browser, tmp_path: Path) -> None:
    folder = toy.build(tmp_path / "models", "toy")
    notes = (
        "<img src=x onerror=alert(1)> and [a link](javascript:alert(1)), but `code` and [a page](https://example.org/)"
    )
    toy.rewrite(folder, notes=notes)
    with guarded(tmp_path / "models") as url:
        page = browser.new_page(base_url=url)
        page.goto("/#/models?model=toy")
        told = section(page, "What to know")
        expect(told).to_contain_text("<img src=x onerror=alert(1)> and [a link](javascript:alert(1))")
        assert told.locator("img").count() == 0
        expect(told.get_by_role("link")).to_have_count(1)
        expect(told.locator("code")).to_have_text("code")
        page.close()


def section(page: Page, title: str) -> Locator:
    """The section under a heading."""
    return page.locator("section").filter(has=page.get_by_role("heading", name=title, exact=True))
