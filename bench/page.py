"""How long from opening the playground to its first picture, in a real Chromium without a window.

`python -m bench.page` prints the median of 5: the browser opens the page of a service of the shipped models, once with
nothing in its cache and then as one comes back to it. The picture counts when the browser has decoded it, by the page's
own clock, which starts with the navigation.
"""

import argparse
import os
import shutil
import statistics
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from app import web
from bench import conditions, servers
from bench.wire import HOST

ROOT = Path(__file__).resolve().parents[1]
DRAWN = """() => new Promise((resolve) => {
    const look = () => {
        const image = document.querySelector("main .tile img");
        if (image) image.decode().then(() => resolve(performance.now()));
        else requestAnimationFrame(look);
    };
    look();
})"""


def main() -> None:
    """Prints a line for each way of coming."""
    parser = argparse.ArgumentParser("python -m bench.page", description=__doc__)
    parser.add_argument("--models", type=Path, default=ROOT / "models", metavar="FOLDER")
    parser.add_argument("--model", default="cifar10", help="the one that must be ready before anything is timed")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    here = conditions.now()
    with servers.running(servers.ganymede(given.models, given.model)) as [server]:
        first, again = measure(f"http://{HOST}:{server.port}/", given.rounds)
    weight = sum(path.stat().st_size for path in web.STATIC.rglob("*") if path.is_file())
    print(f"{here.date}, {here.processor}, {here.cores} cores, load average {here.load:.2f}, {here.ganymede}")
    print(f"all rooms together weigh {weight / 1000:.1f} kB")
    print(f"from opening it to the first picture, median of {given.rounds}:")
    for name, seconds in (("for the first time", first), ("again", again)):
        print(f"  {name}: {statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})")


def measure(url: str, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds to the first picture for a browser that was never here, and for one that comes back."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    first, again = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for _ in range(rounds):
            context = browser.new_context()
            page = context.new_page()
            first.append(_opened(page, url))
            page.goto("about:blank")
            again.append(_opened(page, url))
            context.close()
        browser.close()
    return first, again


def _opened(page: Page, url: str) -> float:
    page.goto(url, wait_until="commit")
    return float(page.evaluate(DRAWN)) / 1000


if __name__ == "__main__":
    main()
