"""Restore: pictures through a code and back, speech without its noise, the next frames of a clip."""

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.media import sounds
from tests.web.seen import HESITANT, allow, heard, held, plain, until

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    file = tmp_path / "noisy.wav"
    file.write_bytes(sounds.file(sounds.noisy_speech(2, 16_000), 16_000))
    return file


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Six frames of radar, cut from the sheet that the model came with."""
    sheet = Image.open(ROOT / "models/radar/1/samples.png")
    first, *others = (sheet.crop((38 + 130 * at, 0, 166 + 130 * at, 128)) for at in range(6))
    first.save(tmp_path / "clip.gif", save_all=True, append_images=others, duration=100)
    return tmp_path / "clip.gif"


def test_a_picture_that_is_drawn_goes_through_the_code_and_back(page: Page) -> None:
    page.goto("/#/restore")
    page.get_by_role("button", name="Draw one for me").click()
    kept = page.get_by_role("img", name="Fashion-MNIST, variational auto-encoder")
    expect(kept).to_be_visible()
    expect(page.get_by_role("img", name="What was given")).to_be_visible()
    before = kept.get_attribute("src")
    page.get_by_role("button", name="Another from its cloud").click()
    expect(kept).not_to_have_attribute("src", str(before))


def test_tabs_are_walked_by_arrow_keys(page: Page) -> None:
    page.goto("/#/restore")
    page.get_by_role("tab", name="Reconstruct").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Enhance speech")).to_be_focused()
    expect(page.get_by_role("tab", name="Enhance speech")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_text("Drop a recording of speech")).to_be_visible()


def test_speech_is_heard_against_what_came_at_equal_loudness(page: Page, speech: Path) -> None:
    page.goto("/#/restore?tab=enhance")
    page.locator("input[type=file]").set_input_files(speech)
    expect(page.get_by_role("img", name="Spectrogram")).to_have_count(2)
    expect(page.get_by_role("img", name="Waveform, 2.0 seconds")).to_have_count(2)
    told = page.locator(".sound h3").all_inner_texts()
    levels = [float(re.search(r"(-?[\d.]+) dBFS", line)[1]) for line in told]  # type: ignore[index]
    gains = [float((re.search(r"played .(\d+\.\d) dB", line) or [0, 0])[1]) for line in told]
    # The louder one is made as soft as the other, whose gain is none.
    assert min(gains) == 0
    assert max(gains) == pytest.approx(abs(levels[0] - levels[1]), abs=0.11)

    page.get_by_role("button", name="Play").click()
    page.wait_for_function("() => Number(document.querySelector('.duo input').value) > 0.2")
    page.get_by_role("button", name="As it came").click()
    expect(page.get_by_role("button", name="As it came")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Pause").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save what is enhanced").click()
    assert Path(download.value.path()).read_bytes()[:4] == b"RIFF"


def test_the_microphone_is_recorded_and_enhanced(page: Page) -> None:
    page.context.grant_permissions(["microphone"])
    page.goto("/#/restore?tab=enhance")
    page.get_by_role("button", name="Record from the microphone").click()
    stop = page.get_by_role("button", name="Stop, and take the noise out")
    expect(stop).to_be_visible()
    page.wait_for_timeout(1200)
    stop.click()
    expect(page.get_by_role("img", name="Waveform")).to_have_count(2)


def test_leaving_while_the_browser_asks_for_the_microphone_puts_it_off(page: Page) -> None:
    page.add_init_script(HESITANT)
    page.goto("/#/restore?tab=enhance")
    page.get_by_role("button", name="Record from the microphone").click()
    page.get_by_role("tab", name="Predict").click()
    allow(page, 1)
    until(page, lambda: heard(page) == 0)


def test_two_clicks_ask_for_one_microphone(page: Page) -> None:
    page.add_init_script(HESITANT)
    page.goto("/#/restore?tab=enhance")
    page.get_by_role("button", name="Record from the microphone").dblclick()
    allow(page, 1)
    page.get_by_role("button", name="Stop, and take the noise out").click()
    until(page, lambda: heard(page) == 0)


def test_a_microphone_that_can_not_be_recorded_is_put_off_and_told(page: Page) -> None:
    page.add_init_script(HESITANT)
    page.add_init_script("AudioWorklet.prototype.addModule = async () => { throw new DOMException('', 'AbortError') }")
    page.goto("/#/restore?tab=enhance")
    page.get_by_role("button", name="Record from the microphone").click()
    allow(page, 1)
    expect(page.get_by_text("The microphone can't be recorded here.")).to_be_visible()
    assert heard(page) == 0


def test_a_picture_in_the_place_of_a_recording_is_told_in_a_sentence(page: Page, clip: Path) -> None:
    page.goto("/#/restore?tab=enhance")
    page.locator("input[type=file]").set_input_files(clip)
    expect(page.get_by_text("The first bytes are not those of a WAV, FLAC, Ogg or MP3 file")).to_be_visible()


def test_a_clip_goes_on_as_a_film_strip(page: Page, clip: Path) -> None:
    page.goto("/#/restore?tab=predict")
    expect(page.get_by_text("It looks at the last 4 frames")).to_be_visible()
    page.locator("input[type=file]").set_input_files(clip)
    expect(page.locator(".strip .was")).to_have_count(4)
    expect(page.locator(".strip .will")).to_have_count(8)
    page.get_by_role("slider", name="Frames to predict").fill("3")
    expect(page.locator(".strip .will")).to_have_count(3)
    page.get_by_role("button", name="Show frame 7, predicted").click()
    expect(page.get_by_role("slider", name="Frame", exact=True)).to_have_value("7")
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("slider", name="Frame", exact=True)).not_to_have_value("7")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as a film").click()
    assert getattr(Image.open(download.value.path()), "n_frames", 1) == 7


def test_a_film_is_saved_after_another_prediction_was_cancelled(page: Page, clip: Path) -> None:
    asked = held(page, "**/predict?*")
    page.goto("/#/restore?tab=predict")
    page.locator("input[type=file]").set_input_files(clip)
    until(page, lambda: len(asked) == 1)
    asked[0].fulfill(body=plain())
    expect(page.locator(".strip .will")).to_have_count(8)
    page.get_by_role("slider", name="Frames to predict").fill("3")
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Save as a film").click()
    until(page, lambda: "format=gif" in asked[-1].request.url)
    with page.expect_download():
        asked[-1].fulfill(body=plain())
