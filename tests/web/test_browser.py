"""Whether the playground can be tested here."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def test_there_is_a_browser_for_the_playground(request: pytest.FixtureRequest) -> None:
    pytest.importorskip("playwright", reason="playwright is not installed: pip install '.[browser]'")
    browser: Browser = request.getfixturevalue("browser")
    assert browser.version
