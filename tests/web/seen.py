"""What a user gives to the page and sees on it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect


def give(page: Page, file: Path) -> None:
    """Chooses a file in the room."""
    expect(page.get_by_role("button", name="Choose a file")).to_be_visible()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a file").click()
    chooser.value.set_files(file)


def until(page: Page, true: Callable[[], bool]) -> None:
    """Waits for what no locator can tell. (The page forbids eval, so that `wait_for_function` fails.)"""
    for _ in range(100):
        if true():
            return
        page.wait_for_timeout(100)
    pytest.fail("it never came to that")


def pixels(picture: Locator) -> str:
    """What a picture or a canvas shows, as the browser decoded it."""
    drawn: str = picture.evaluate(
        """async (picture) => {
            // A picture that is replaced meanwhile fails to be decoded; the next one won't.
            for (let tries = 0; picture.decode && tries < 50; tries += 1) {
                if (await picture.decode().then(() => true, () => false)) break;
                await new Promise((done) => setTimeout(done, 20));
            }
            const canvas = document.createElement("canvas");
            canvas.width = picture.naturalWidth ?? picture.width;
            canvas.height = picture.naturalHeight ?? picture.height;
            canvas.getContext("2d").drawImage(picture, 0, 0);
            return canvas.toDataURL();
        }"""
    )
    return drawn
