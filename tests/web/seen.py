"""What a user gives to the page and sees on it."""

import hashlib
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, Route, expect

HESITANT = """(() => {
    const devices = navigator.mediaDevices;
    const open = devices.getUserMedia.bind(devices);
    window.asked = [];
    window.tracks = [];
    devices.getUserMedia = async (what) => {
        await new Promise((allow) => window.asked.push(allow));
        const stream = await open(what);
        window.tracks.push(...stream.getTracks());
        return stream;
    };
})()"""
"""Has the page wait for camera and microphone until `allow` allows what it asked for."""


def allow(page: Page, questions: int) -> None:
    """Allows what the page asked so many questions for, in their order."""
    assert page.evaluate("window.asked.length") == questions
    page.evaluate("window.asked.forEach((allow) => allow())")
    until(page, lambda: page.evaluate("window.tracks.length") == questions)


def heard(page: Page) -> int:
    """How many cameras and microphones are on."""
    live: int = page.evaluate("window.tracks.filter((track) => track.readyState === 'live').length")
    return live


SLOW = """(() => {
    const read = window.createImageBitmap;
    window.reads = [];
    window.createImageBitmap = async (...what) => {
        if (what[0].name === "slow.png") await new Promise((go) => window.reads.push(go));
        return read(...what);
    };
})()"""
"""Has the page read a file of the name `slow.png` when `finish` says so, not before."""


def finish(page: Page) -> None:
    """Has the page read to the end what is slow."""
    for _ in range(3):  # one reads a picture more than once
        page.evaluate("window.reads.splice(0).forEach((go) => go())")
        page.wait_for_timeout(50)


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


def held(page: Page, address: str | re.Pattern[str]) -> list[Route]:
    """What the page asks of an address from now on, none of which is answered until whoever holds it does so."""
    routes: list[Route] = []
    page.route(address, lambda route: routes.append(route))  # of a builtin playwright can't make a handler
    return routes


def besides(page: Page, model: str, *others: dict[str, Any]) -> None:
    """Has the service list, before a model, others that are like it but for what is said of them."""

    def answer(route: Route) -> None:
        listed: list[dict[str, Any]] = route.fetch().json()["models"]
        like = next(one for one in listed if one["model"] == model)
        route.fulfill(json={"models": [*({**like, **other} for other in others), *listed]})

    page.route("**/models", answer)


def colour(*of: object) -> list[int]:
    """A colour that stands for something."""
    return list(hashlib.sha256(repr(of).encode()).digest()[:3])


def plain(*of: object) -> bytes:
    """A picture of that colour."""
    file = BytesIO()
    Image.new("RGB", (16, 16), tuple(colour(*of))).save(file, "png")
    return file.getvalue()


def newest_stays(page: Page, picture: Locator, older: Route, newer: Route) -> None:
    """Answers the newer request, then the older one: the picture is that of the newer."""
    newer.fulfill(body=plain("newer"))
    until(page, lambda: shown(picture) == colour("newer"))
    older.fulfill(body=plain("older"))
    page.wait_for_timeout(200)
    assert shown(picture) == colour("newer")


def shown(picture: Locator) -> list[int]:
    """The colour of the middle of a picture or a canvas."""
    drawn: list[int] = picture.evaluate(
        """(picture) => {
            const canvas = document.createElement("canvas");
            canvas.width = canvas.height = 3;
            canvas.getContext("2d").drawImage(picture, 0, 0, 3, 3);
            return [...canvas.getContext("2d").getImageData(1, 1, 1, 1).data].slice(0, 3);
        }"""
    )
    return drawn
