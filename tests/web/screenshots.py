"""The playground's rooms as they are: one picture for the README, and each room alone.

`python -m tests.web.screenshots OUT.webp` draws a strip, the rooms light at a desk above dark on a phone;
`--apart FOLDER` keeps each room as a PNG, in both themes and widths, to be looked at.
"""

import argparse
from collections.abc import Iterator
from io import BytesIO
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.api.process import Process
from tests.web.conftest import ARGUMENTS, CHROMIUM, ROOT

ROOMS = {
    "generate": "generate?model=cifar10&class=dog",
    "walk": "walk?model=cifar10",
    "translate": "translate?model=monet",
    "restore": "restore?model=fashion-vae",
    "models": "models",
    "model": "models?model=cifar10",
}
WIDTHS = {"desk": (1280, 860), "phone": (390, 800)}
SHOWN = (("desk", "light"), ("phone", "dark"))
"""What stands in the strip."""
WIDE = 1600
"""Pixels of the strip's width."""
GAP = 12
MOST = 300_000
"""Bytes of the strip."""
SETTLED = 2500
"""Milliseconds after which a room has drawn what it draws by itself."""


def main() -> None:
    """Writes the strip, and the rooms apart if asked."""
    parser = argparse.ArgumentParser("python -m tests.web.screenshots", description=__doc__)
    parser.add_argument("out", type=Path, help="the strip, a WebP")
    parser.add_argument("--apart", type=Path, metavar="FOLDER", help="a PNG of each room, theme and width besides")
    given = parser.parse_args()
    with TemporaryDirectory(prefix="ganymede-screenshots-") as scratch:
        process = Process(ROOT / "models", Path(scratch) / "log", "--load", "first-use")
        try:
            process.ready()
            looks = SHOWN if given.apart is None else tuple(product(WIDTHS, ("light", "dark")))
            seen = dict(rooms(f"http://127.0.0.1:{process.port}", looks))
        finally:
            process.stop()
    if given.apart:
        given.apart.mkdir(parents=True, exist_ok=True)
        for (width, theme, room), picture in seen.items():
            picture.save(given.apart / f"{room}-{width}-{theme}.png")
    desks, phones = ([seen[*look, room] for room in ROOMS] for look in SHOWN)
    given.out.write_bytes(packed(stacked([row(desks[:3]), row(desks[3:]), row(phones)])))
    print(f"{given.out}: {given.out.stat().st_size / 1000:.0f} kB")


def rooms(url: str, looks: tuple[tuple[str, str], ...]) -> Iterator[tuple[tuple[str, str, str], Image.Image]]:
    """Each room in each look, by width, theme and room; under the hood is open where one draws at a desk."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        for width, theme in looks:
            page = opened(browser, url, width, theme)
            for room, address in ROOMS.items():
                yield (width, theme, room), seen(page, address, hood=(room, width) == ("generate", "desk"))
            page.close()
        browser.close()


def opened(browser: Browser, url: str, width: str, theme: str) -> Page:
    wide, high = WIDTHS[width]
    return browser.new_page(base_url=url, viewport={"width": wide, "height": high}, color_scheme=theme)  # type: ignore[arg-type]


def seen(page: Page, address: str, *, hood: bool) -> Image.Image:
    page.goto("about:blank")
    page.goto(f"/#/{address}")
    page.locator("main h1").wait_for()
    if hood:
        page.get_by_role("button", name="Under the hood").click()
        for _ in range(4):
            page.wait_for_timeout(SETTLED / 2)
            page.get_by_role("button", name="Draw", exact=True).click()
    page.wait_for_timeout(SETTLED)
    return Image.open(BytesIO(page.screenshot())).convert("RGB")


def row(pictures: list[Image.Image]) -> Image.Image:
    """Pictures of one size side by side, as wide as the strip together."""
    each = (WIDE - GAP * (len(pictures) - 1)) // len(pictures)
    high = round(pictures[0].height * each / pictures[0].width)
    strip = Image.new("RGB", (WIDE, high), "white")
    for at, picture in enumerate(pictures):
        strip.paste(picture.resize((each, high), Image.Resampling.LANCZOS), (at * (each + GAP), 0))
    return strip


def stacked(rows: list[Image.Image]) -> Image.Image:
    """Rows above each other."""
    strip = Image.new("RGB", (WIDE, sum(one.height + GAP for one in rows) - GAP), "white")
    down = 0
    for one in rows:
        strip.paste(one, (0, down))
        down += one.height + GAP
    return strip


def packed(picture: Image.Image) -> bytes:
    """The picture as WebP, at the best quality at which it is small enough."""
    for quality in range(90, 20, -5):
        file = BytesIO()
        picture.save(file, "WEBP", quality=quality, method=6)
        if file.tell() <= MOST:
            break
    return file.getvalue()


if __name__ == "__main__":
    main()
