"""The Python client against the real service, over real sockets. Each test is run with `Client` and `AsyncClient`."""

import asyncio
import inspect
import re
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import parse_qsl

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from starlette.responses import HTMLResponse, JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.client import AsyncClient, Client, NoAnswerError, Sample, ServiceError
from app.client.clients import Verbs
from app.engine import health, session
from app.media.provenance import recipe_of
from app.settings import Settings
from tests import toy, toy_sound
from tests.api.conftest import count
from tests.api.held import hold
from tests.api.process import Process
from tests.live import Live, listening, live
from tests.media.sounds import file, tone

ROOT = Path(__file__).parents[1]

Connect = Callable[..., Any]


class Awaited:
    """An `AsyncClient` whose verbs are awaited for the caller, so that one test can drive both clients."""

    def __init__(self, runner: asyncio.Runner, *arguments: Any, **named: Any) -> None:
        self._runner = runner
        self._client = AsyncClient(*arguments, **named)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        verb = getattr(self._client, name)

        def call(*arguments: Any, **named: Any) -> Any:
            given = verb(*arguments, **named)
            return self._runner.run(given) if inspect.iscoroutine(given) else self._each(given)

        return call

    def _each(self, parts: Any) -> Iterator[Any]:
        async def following() -> Any:
            return await anext(parts)

        try:
            while True:
                try:
                    part = self._runner.run(following())
                except StopAsyncIteration:
                    return
                yield part
        finally:
            self._runner.run(parts.aclose())


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Makes a client, of either kind; they are closed after the test."""
    with asyncio.Runner() as runner:
        make = Client if request.param == "sync" else partial(Awaited, runner)
        made: list[Any] = []

        def connect(*arguments: Any, **named: Any) -> Any:
            made.append(make(*arguments, **named))
            return made[-1]

        yield connect
        for client in made:
            client.close()


@pytest.fixture(scope="module")
def service(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A service of the toy models, one of sound among them, and of two shipped ones that take pictures."""
    folder = tmp_path_factory.mktemp("served")
    for model in (models_dir / "toy", models_dir / "shapes", ROOT / "models/facades", ROOT / "models/monet"):
        (folder / model.name).symlink_to(model)
    toy_sound.build(folder)
    with live(Settings(models=folder, device="cpu", threads=2, encode_threads=2, max_batch=4)) as service:
        yield service


@pytest.fixture
def client(connect: Connect, service: Live) -> Any:
    return connect(service.url)


@pytest.fixture
def busy(models_dir: Path) -> Iterator[Live]:
    """A service of the toy models for a test of its own, which lets nearly nothing queue."""
    with live(Settings(models=models_dir, device="cpu", threads=1, encode_threads=1, queue_seconds=1e-9)) as service:
        yield service


@pytest.fixture
def held(busy: Live, monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """The device of `toy@2` in that service works and its queue is full, until the event."""
    entered, go = hold(busy, monkeypatch)
    with ThreadPoolExecutor() as others:
        others.submit(httpx.get, f"{busy.url}/generate?model=toy")
        assert entered.wait(10)
        others.submit(httpx.get, f"{busy.url}/generate?model=toy")
        until(lambda: count(busy, "ganymede_queue_samples", model="toy@2") == 1)
        yield go
        go.set()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def photo(height: int = 96, width: int = 128) -> NDArray[np.uint8]:
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 17 + y / 29), np.cos(x / 11), np.sin(y / 7) * (x > width / 2)]
    return np.rint(127 + 100 * np.stack(waves, axis=-1)).astype(np.uint8)


def png(pixels: NDArray[np.uint8]) -> bytes:
    out = BytesIO()
    Image.fromarray(pixels).save(out, "png")
    return out.getvalue()


def pixels(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image)


def refusal(call: Callable[[], Any]) -> ServiceError:
    with pytest.raises(ServiceError) as raised:
        call()
    return raised.value


# Drawing.


def test_a_sample_is_the_picture_of_its_seed_and_says_where_it_lies(client: Any, service: Live) -> None:
    [sample] = client.generate("dog", model="toy@1", seed=42)
    assert (sample.index, sample.class_name, sample.seed) == (0, "dog", 42)
    assert sample.url == f"{service.url}/generate?model=toy@1&class=dog&seed=42&format=png"
    assert httpx.get(sample.url).content == sample.png
    assert np.array_equal(pixels(sample.image), pixels(Image.open(BytesIO(sample.png))))
    assert sample.recipe == recipe_of(sample.png).model_dump(exclude_none=True)


def test_what_is_not_given_is_drawn_by_the_service(client: Any) -> None:
    first, second = (client.generate()[0] for _ in range(2))
    assert first.seed != second.seed
    assert first.class_name is None or first.class_name in ("cat", "dog")


def test_samples_come_in_order_from_an_index_on(client: Any) -> None:
    many = client.generate(1, model="toy", n=5, seed=7, index=3, truncation=0.5, priority="bulk", timeout=20)
    assert [sample.index for sample in many] == [3, 4, 5, 6, 7]
    assert {sample.class_name for sample in many} == {"dog"}
    assert {sample.recipe["truncation"] for sample in many} == {0.5}
    [alone] = client.generate("dog", model="toy", seed=7, index=6, truncation=0.5)
    assert alone == many[3]


def test_a_model_without_classes_draws_samples_without_one(client: Any) -> None:
    assert client.generate(model="shapes")[0].class_name is None


def test_a_stream_gives_the_samples_that_generate_gives(client: Any) -> None:
    asked = {"model": "toy@1", "n": 40, "seed": 42}
    streamed = sorted(client.stream("cat", **asked), key=lambda sample: sample.index)
    assert streamed == client.generate("cat", **asked)


def test_a_stream_gives_samples_before_the_last_is_drawn(
    connect: Connect, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with live(Settings(models=models_dir, device="cpu", threads=1, max_batch=4)) as service:
        _, go = hold(service, monkeypatch, after=1)
        samples = connect(service.url).stream(model="toy", n=12)
        first = [next(samples) for _ in range(4)]
        go.set()
        assert {sample.index for sample in [*first, *samples]} == set(range(12))


def test_who_closes_a_stream_takes_along_what_is_not_drawn(
    connect: Connect, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with live(Settings(models=models_dir, device="cpu", threads=1, max_batch=4)) as service:
        _, go = hold(service, monkeypatch, after=1)
        samples = connect(service.url).stream(model="toy", n=40)
        next(samples)
        samples.close()
        until(lambda: count(service, "ganymede_queue_samples", model="toy@2") == 0)
        go.set()
        assert count(service, "ganymede_dropped_samples_total", model="toy@2", reason="cancelled") >= 32


def test_a_line_ends_at_a_line_feed_alone(connect: Connect, tmp_path: Path) -> None:
    names = ("a\u2028b", "c\x85d")
    toy.build(tmp_path, "odd", classes=names)
    with live(Settings(models=tmp_path, device="cpu", threads=1)) as service:
        assert {sample.class_name for sample in connect(service.url).stream(n=20, seed=1)} == set(names)


def test_addresses_are_right_behind_a_prefix(connect: Connect, service: Live) -> None:
    with listening(Prefixed(service.app, "/pictures")) as url:
        for base_url in (f"{url}/pictures", f"{url}/pictures/"):
            [sample] = connect(base_url).generate("dog", seed=3)
            assert sample.url.startswith(f"{url}/pictures/generate?model=")
            assert httpx.get(sample.url).content == sample.png


# Pictures that are sent.


@pytest.mark.parametrize("verb", ["translate", "style"])
def test_a_picture_may_be_given_in_many_forms(client: Any, service: Live, tmp_path: Path, verb: str) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(png(photo()))
    expected = pixels(Image.open(BytesIO(httpx.post(f"{service.url}/{verb}", content=path.read_bytes()).content)))
    assert expected.shape == (96, 128, 3)
    for given in (path, str(path), path.read_bytes(), Image.open(path), photo()):
        assert np.array_equal(pixels(getattr(client, verb)(given)), expected)


def test_grey_and_transparent_arrays_are_pictures_too(client: Any) -> None:
    grey = photo()[..., 0]
    clear = np.dstack([photo(), np.full((96, 128), 255, np.uint8)])
    assert np.array_equal(pixels(client.translate(grey)), pixels(client.translate(grey[..., None])))
    assert np.array_equal(pixels(client.translate(clear)), pixels(client.translate(photo())))


def test_style_and_its_parameters_reach_the_service(client: Any) -> None:
    assert np.array_equal(pixels(client.style(photo(), "monet", model="monet", strength=0)), photo())
    large, small = (client.style(photo(), scale=scale) for scale in ("original", "model"))
    assert not np.array_equal(pixels(large), pixels(small))
    assert b"&quot;verb&quot;:&quot;style&quot;" in small.info["xmp"] or b'"verb":"style"' in small.info["xmp"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (photo() / 255, "a picture must be uint8 [h, w], [h, w, 3] or [h, w, 4], not float64 [96, 128, 3]"),
        (photo()[None], "a picture must be uint8 [h, w], [h, w, 3] or [h, w, 4], not uint8 [1, 96, 128, 3]"),
        (Image.new("CMYK", (4, 4)), "an image of mode CMYK can't be sent as PNG; convert it to RGB, or give its file"),
    ],
)
def test_what_is_no_picture_is_refused_before_it_is_sent(client: Any, given: Any, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        client.translate(given)


def test_a_file_that_is_not_there_is_an_error_of_the_file(client: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        client.translate(tmp_path / "none.png")


# Sound.


@pytest.mark.parametrize("frames", [toy_sound.SHORT, toy_sound.LONG])
def test_a_recording_comes_back_in_its_own_form_or_another(
    client: Any, service: Live, tmp_path: Path, frames: int
) -> None:
    path = tmp_path / "tone.wav"
    path.write_bytes(file(tone(440, toy_sound.RATE, frames), toy_sound.RATE))
    expected = httpx.post(f"{service.url}/enhance", content=path.read_bytes()).content
    assert expected.startswith(b"RIFF")
    for given in (path, str(path), path.read_bytes()):
        assert client.enhance(given, model="hush") == expected
    assert client.enhance(path, format="flac", timeout=20, priority="bulk").startswith(b"fLaC")


def test_what_is_no_sound_is_refused(client: Any) -> None:
    assert refusal(lambda: client.enhance(b"no sound")).title == "Unsupported sound"


# The service itself.


def test_models_say_what_they_can(client: Any) -> None:
    models = {model.reference: model for model in client.models()}
    assert set(models) == {"facades@1", "hush@1", "monet@1", "shapes@1", "toy@1", "toy@2"}
    assert models["toy@2"].classes == ("cat", "dog")
    assert models["monet@1"].tasks == ("style",)
    assert models["monet@1"].styles == ("monet", "photo")
    assert {model.state for model in models.values()} == {"ready"}


def test_a_model_is_shown_with_its_manifest(client: Any) -> None:
    shown = client.model("toy")
    assert (shown.reference, shown.title, shown.reason) == ("toy@2", "Toy toy", None)
    assert shown.document["latent"]["size"] == toy.LATENT
    assert client.model("toy@1").reference == "toy@1"


def test_a_model_that_can_not_be_read_says_why(connect: Connect, tmp_path: Path) -> None:
    (toy.build(tmp_path, "toy") / "model.json").write_text("{")
    with live(Settings(models=tmp_path, device="cpu", threads=1)) as service:
        [broken] = connect(service.url).models()
    assert (broken.reference, broken.state, broken.classes) == ("toy@1", "failed", ())
    assert "model.json" in broken.reason


def test_a_service_says_that_it_lives_and_can_work(client: Any) -> None:
    assert client.health() == {"status": "alive"}
    assert {"model": "toy@2", "state": "ready", "reason": None} in client.ready()["models"]


def test_a_service_that_can_not_work_says_why(connect: Connect, tmp_path: Path) -> None:
    with live(Settings(models=tmp_path, device="cpu", threads=1)) as service:
        client = connect(service.url)
        assert client.health() == {"status": "alive"}
        assert refusal(client.ready).status == 503


# What goes wrong.


def test_a_refusal_is_a_sentence_and_a_document(client: Any) -> None:
    error = refusal(lambda: client.generate("unicorn", model="toy"))
    assert str(error) == "404 Unknown class: toy@2 has no class 'unicorn'; known: cat, dog."
    assert (error.status, error.title, error.retry_after) == (404, "Unknown class", None)
    assert error.document["classes"] == ["cat", "dog"]
    assert error.document["detail"] == error.detail


def test_a_stream_is_refused_as_any_other_request(client: Any) -> None:
    assert refusal(lambda: list(client.stream(n=0))).detail == 'n: must be an integer from 1 to 64, not "0"'


def test_a_stream_that_fails_later_raises_after_what_came(
    connect: Connect, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with live(Settings(models=models_dir, device="cpu", threads=1, max_batch=4)) as service:
        _, go = hold(service, monkeypatch, after=1, failing=True)
        samples, came = connect(service.url).stream(model="toy", n=40), []
        came.append(next(samples))
        go.set()
        error = refusal(lambda: came.extend(samples))
    assert all(isinstance(sample, Sample) for sample in came)
    assert error.document["type"] == "urn:ganymede:problem:inference-failed"


def test_a_busy_service_is_asked_again_when_it_says_so(connect: Connect, busy: Live, held: Event) -> None:
    def release() -> None:
        until(lambda: count(busy, "ganymede_requests_total", route="/generate", model="toy@2", status="429") >= 2)
        held.set()

    with ThreadPoolExecutor() as others:
        others.submit(release)
        [sample] = connect(busy.url, retries=1000).generate(model="toy", seed=1)
    assert sample.seed == 1


@pytest.mark.parametrize("retries", [0, 2])
def test_a_busy_service_is_asked_so_often_and_no_more(connect: Connect, busy: Live, held: Event, retries: int) -> None:
    error = refusal(lambda: connect(busy.url, retries=retries).generate(model="toy"))
    assert (error.status, error.title) == (429, "Overloaded")
    assert error.retry_after is not None
    assert error.retry_after > 0
    assert count(busy, "ganymede_requests_total", route="/generate", model="toy@2", status="429") == 1 + retries


def test_a_stream_is_asked_for_again_too(connect: Connect, busy: Live, held: Event) -> None:
    error = refusal(lambda: next(connect(busy.url, retries=3).stream(model="toy")))
    assert error.status == 429
    assert count(busy, "ganymede_requests_total", route="/generate", model="toy@2", status="429") == 4


def test_nobody_waits_longer_than_the_answer_is_of_use(
    connect: Connect, busy: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its failures a model rests for 30 s: it says so, and a client that has less doesn't wait at all."""
    monkeypatch.setattr(session.Session, "_run", lambda *_: 1 / 0)
    for _ in range(health.FAILURES):
        assert refusal(lambda: connect(busy.url).generate(model="toy@1")).status == 500
    began = time.monotonic()
    for error in (
        refusal(lambda: connect(busy.url, timeout=5).generate(model="toy@1")),
        refusal(lambda: connect(busy.url).generate(model="toy@1", timeout=5)),
    ):
        assert error.status == 503
        assert error.retry_after > 5
    assert time.monotonic() - began < 4


def test_a_later_try_says_how_much_time_is_left(connect: Connect, busy: Live, held: Event) -> None:
    watched = Prefixed(busy.app, "")
    with listening(watched) as url:
        assert refusal(lambda: connect(url).generate(model="toy", timeout=5)).status == 429
    asked = [float(query["timeout"]) for query in watched.queries]
    assert asked[0] == 5
    assert 5 > asked[1] > asked[2] > 4


def test_the_milliseconds_are_what_is_waited(connect: Connect, busy: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    client, run = connect(busy.url), session.Session._run
    monkeypatch.setattr(health, "COOL_DOWN", 0.3)
    monkeypatch.setattr(session.Session, "_run", lambda *_: 1 / 0)
    for _ in range(health.FAILURES):
        assert refusal(lambda: client.generate(model="toy@1")).status == 500
    began = time.monotonic()
    monkeypatch.setattr(session.Session, "_run", run)
    client.generate(model="toy@1")
    assert 0.1 < time.monotonic() - began < 1
    assert count(busy, "ganymede_requests_total", route="/generate", model="toy@1", status="503") >= 1


def test_a_service_that_is_silent_for_too_long_is_given_up(
    connect: Connect, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with live(Settings(models=models_dir, device="cpu", threads=1)) as service:
        _, go = hold(service, monkeypatch)
        with pytest.raises(NoAnswerError) as raised:
            connect(service.url, timeout=0.3).generate(model="toy")
        go.set()
    said = f"GET {service.url}/generate gave no answer within 0.3 s; ask for less, or set a longer timeout."
    assert str(raised.value) == said


def test_a_service_that_vanishes_is_told_from_one_that_was_never_there(
    connect: Connect, models_dir: Path, tmp_path: Path
) -> None:
    server = Process(models_dir, tmp_path / "log", "--max-samples", "4096")
    try:
        server.ready()
        url = f"http://127.0.0.1:{server.port}"
        client = connect(url)
        samples = client.stream(n=4096)
        assert next(samples).png
    finally:
        server.process.kill()
        server.process.wait()
    with pytest.raises(NoAnswerError) as broken:
        list(samples)
    assert str(broken.value).startswith(f"GET {url}/generate broke off before the answer was complete: ")
    with pytest.raises(NoAnswerError) as gone:
        client.generate()
    assert re.fullmatch(rf"GET {url}/generate can't be reached: .+; is the service running there\?", str(gone.value))


def test_what_is_no_ganymede_is_recognised(connect: Connect) -> None:
    for status, said in (
        (200, ", not application/json: is base_url the address of a Ganymede service?"),
        (502, ": '<h1>Bad day</h1>'."),
    ):
        with listening(HTMLResponse("<h1>Bad day</h1>", status)) as url:
            error = refusal(connect(url).generate)
        assert error.detail == f"GET {url}/generate answered with text/html{said}"
        assert (error.status, error.document) == (status, {})


def test_a_problem_of_a_gateway_may_say_little(connect: Connect) -> None:
    with listening(JSONResponse({}, 504, media_type="application/problem+json")) as url:
        assert str(refusal(connect(url).generate)) == "504 Gateway Timeout: no more is said."


@pytest.mark.parametrize("base_url", ["localhost:8000", "ftp://localhost", "http://", "/generate"])
def test_an_address_must_be_one(connect: Connect, base_url: str) -> None:
    with pytest.raises(ValueError, match="base_url must be an address such as http://localhost:8000, not "):
        connect(base_url)


# Both clients.


def test_calls_share_a_connection_and_carry_the_headers(connect: Connect, service: Live) -> None:
    seen = Prefixed(service.app, "")
    with listening(seen) as url:
        client = connect(url, headers={"Authorization": "Bearer me"})
        for _ in range(3):
            client.generate(model="toy")
        assert len(list(client.stream(model="toy", n=3))) == 3
        assert refusal(lambda: client.model("none")).status == 404
        client.health()
    assert len(seen.peers) == 1
    assert seen.keys == {b"Bearer me"}


def test_both_clients_are_closed_with_their_block(service: Live) -> None:
    async def story() -> None:
        async with AsyncClient(service.url) as client:
            assert await client.health() == {"status": "alive"}
        with pytest.raises(RuntimeError):
            await client.health()

    asyncio.run(story())
    with Client(service.url) as client:
        assert client.health() == {"status": "alive"}
    with pytest.raises(RuntimeError):
        client.health()


def test_many_calls_of_an_async_client_are_under_way_at_once(service: Live) -> None:
    async def story() -> list[list[Sample]]:
        async with AsyncClient(service.url) as client:
            calls: list[Coroutine[Any, Any, list[Sample]]] = [client.generate(seed=seed) for seed in range(20)]
            return await asyncio.gather(*calls)

    assert [sample.seed for [sample] in asyncio.run(story())] == list(range(20))


@pytest.mark.parametrize("name", [name for name in vars(Verbs) if not name.startswith("_")])
def test_every_verb_says_what_it_does(name: str) -> None:
    assert inspect.getdoc(getattr(Client, name))
    assert inspect.getdoc(getattr(Client(), name)) == inspect.getdoc(getattr(AsyncClient(), name))


def test_the_readme_s_example_runs(service: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(png(photo()))
    exec(code.replace("Client()", f"Client({service.url!r})"), {})  # noqa: S102
    for name in ("dog.jpg", "painting.png"):
        Image.open(name).verify()


class Prefixed:
    """An application seen below a prefix, as a proxy shows it; it keeps who asked what, and with which key."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self.app = app
        self.prefix = prefix
        self.peers: set[Any] = set()
        self.keys: set[bytes] = set()
        self.queries: list[dict[str, str]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self.peers.add(scope["client"])
        self.keys.add(dict(scope["headers"]).get(b"authorization", b""))
        self.queries.append(dict(parse_qsl(scope["query_string"].decode())))
        assert scope["path"].startswith(self.prefix)
        scope |= {"path": scope["path"].removeprefix(self.prefix), "root_path": self.prefix}
        await self.app(scope, receive, send)
