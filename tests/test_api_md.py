"""Every request of docs/api.md is made as it stands there, by curl, and is answered as it says there."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from app.main import create_app
from app.settings import Settings
from tests import toy
from tests.api.process import PATIENCE, Process
from tests.media import sounds

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs/api.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
REQUESTS: list[tuple[str, str]] = re.findall(r"^(curl .*?)\n# (.*?)$", "".join(BLOCKS), re.DOTALL | re.MULTILINE)
"""Each command, with the status and the content type of its answer."""

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")

SHIPPED = ("cifar10", "facades", "fashion", "fashion-ae", "fashion-vae", "monet", "pets", "radar", "speech")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """The real server on the shipped models that the requests name."""
    folder = tmp_path_factory.mktemp("service")
    for name in SHIPPED:
        shutil.copytree(ROOT / "models" / name, folder / "models" / name)
    with Process(
        folder / "models", folder / "log", "--max-batch", "4", "--admin"
    ) as process:  # sizes that are made warm
        yield process


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the requests are made: it holds the files that are the reader's, cut from what the models came with."""
    folder = tmp_path_factory.mktemp("place")
    cut("monet", 576, 0).save(folder / "photo.jpg")
    cut("facades", 298, 0).save(folder / "labels.png")
    first, *others = (cut("radar", 38 + 130 * number, 0) for number in range(6))
    first.save(folder / "clip.gif", save_all=True, append_images=others, duration=100)
    (folder / "noisy.wav").write_bytes(sounds.file(sounds.noisy_speech(2, 16_000), 16_000))
    second = Path(shutil.copytree(ROOT / "models" / "fashion" / "1", folder / "fashion" / "2"))
    toy.rewrite(second, version=2)
    shutil.make_archive(str(folder / "fashion-2"), "zip", second)
    (folder / ".curlrc").write_text('silent\nshow-error\nwrite-out = "%{stderr}%{http_code} %{content_type}"\n')
    return folder


def cut(model: str, left: int, top: int) -> Image.Image:
    """A picture of 128×128 from the sheet of a shipped model."""
    return Image.open(ROOT / "models" / model / "1" / "samples.png").crop((left, top, left + 128, top + 128))


def asked(command: str, service: Process, place: Path) -> str:
    """The status and the content type that a command is answered with."""
    here = command.replace("localhost:8000", f"127.0.0.1:{service.port}")
    environment = {"PATH": os.environ["PATH"], "CURL_HOME": str(place)}
    told = subprocess.run(
        ["/bin/sh", "-c", here], cwd=place, env=environment, capture_output=True, timeout=PATIENCE, check=True
    )
    return told.stderr.decode().rstrip()  # an answer without content has no type


@needs_curl
@pytest.mark.parametrize(("command", "answer"), REQUESTS, ids=[re.sub(r"\s+", " ", each)[:72] for each, _ in REQUESTS])
def test_every_request_is_answered_as_it_says(service: Process, place: Path, command: str, answer: str) -> None:
    assert asked(command, service, place) == answer


@needs_curl
def test_the_requests_of_the_readme_are_answered(service: Process, place: Path) -> None:
    [examples] = re.findall(r"```sh\n(# A dog.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    answers = [asked(command, service, place) for command in re.findall(r"(?ms)^curl .*?[^\\]$", examples)]
    assert [answer.split(" ")[0] for answer in answers] == ["200"] * 4 + ["404"]


def test_every_line_of_an_example_belongs_to_a_request() -> None:
    said = "".join(f"{command}\n# {answer}\n" for command, answer in REQUESTS)
    assert said == "".join(BLOCKS).replace("\n\n", "\n")


def test_every_route_has_a_request() -> None:
    paths = create_app(Settings(models=ROOT / "models", admin=True)).openapi()["paths"]
    routes = {(method, path) for path, methods in paths.items() for method in methods}
    missing = [route for route in routes if not any(_is_of(*route, command) for command, _ in REQUESTS)]
    assert not missing, "docs/api.md has no request for these"


def _is_of(method: str, route: str, command: str) -> bool:
    sent = {
        "-T ": "put",
        "-X DELETE ": "delete",
        "-X POST ": "post",
        "-d ": "post",
        "-F ": "post",
        "--data-binary ": "post",
    }
    does = next((verb for flag, verb in sent.items() if f" {flag}" in command), "get")
    address = re.search(rf"localhost:8000{re.sub(r'{.+?}', '[^/]+', route)}[?' ]", f"{command} ")
    return address is not None and does == method
