"""A clip goes in, in whatever form, and what follows comes out: in that form, of that size, at that rate."""

import asyncio
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from app import contract
from app.engine import providers
from app.media import animation, bundles, clips, pictures
from app.media.frames import Clip, Limits
from app.media.provenance import Derivation, RecipeError, recipe_of
from app.settings import Settings
from tests import toy_video
from tests.api.conftest import Serve, count, start
from tests.api.held import hold, post, until
from tests.media import films
from tests.toy_video import GIVEN, Pixels, rolled_out

MODELS = Path(__file__).parents[2] / "models"
TYPES = {
    "gif": "image/gif",
    "webp": "image/webp",
    "apng": "image/apng",
    "mp4": "video/mp4",
    "zip": "application/zip",
    "npy": "application/x-npy",
    "png": "image/png",
}
NOISE = np.random.default_rng(0).integers(0, 256, (5, 24, 36, 1), np.uint8)
FILE = bundles.npy(NOISE)
FRAMES = films.every_kind(films.in_rgb(NOISE))
"""The same frames as each kind of file; GIF, MP4 and WebM alter them a little."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`drift` takes grey frames of any size, `paint` coloured ones, `stamp` grey ones of 16×16 pixels only."""
    folder = tmp_path_factory.mktemp("predictors")
    toy_video.build(folder, "drift")
    toy_video.build(folder, "paint", channels=3)
    toy_video.build(folder, "stamp", side=16)
    return folder


@pytest.fixture(scope="module")
def client(models: Path) -> Iterator[TestClient]:
    with ExitStack() as running:
        yield start(running, Settings(models=models, device="cpu", threads=1, encode_threads=1))


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("shipped")
    for name in ("digits-video", "radar"):
        shutil.copytree(MODELS / name, folder / name)
    with ExitStack() as running:
        yield start(running, Settings(models=folder, device="cpu", threads=2, encode_threads=1, max_batch=4))


def opened(data: bytes) -> Clip:
    """The clip in a file, however large."""
    return clips.read(data, Limits(bytes=10**8, frames=1000, pixels=10**8))


def grey(frames: Pixels) -> Pixels:
    return np.stack([pictures.with_channels(frame, 1) for frame in frames])


def array(content: bytes) -> Pixels:
    return np.asarray(np.load(BytesIO(content)))


def carried_on(model: str, clip: Pixels, steps: int) -> Pixels:
    """What the graph of a shipped model alone makes of a clip, uint8 [4, h, w, 1], step by step."""
    session = providers.load((MODELS / model / "1/generator.onnx").read_bytes())
    film = clip
    for _ in range(steps):
        (drawn,) = session.run(["image"], {"frames": film[None, -4:]})
        film = np.concatenate([film, drawn])
    return film[4:]


def detail(response: Any, status: int) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    return str(response.json()["detail"])


def phases(response: Any) -> list[str]:
    return [entry.split(";")[0] for entry in response.headers["server-timing"].split(", ")]


@pytest.mark.parametrize(("height", "width"), [(16, 16), (24, 36), (1, 1), (17, 5), (300, 21)])
def test_each_frame_is_made_from_those_before_it(client: TestClient, height: int, width: int) -> None:
    clip = np.random.default_rng(1).integers(0, 256, (GIVEN, height, width, 1), np.uint8)
    answer = client.post("/predict?steps=7", content=bundles.npy(clip))
    assert answer.headers["x-model"] == "drift@1"
    np.testing.assert_array_equal(array(answer.content), rolled_out(clip, 7))


def test_tiles_of_a_large_frame_never_drift_apart(client: TestClient) -> None:
    clip = np.random.default_rng(2).integers(0, 256, (GIVEN, 20, 600, 1), np.uint8)
    answer = client.post("/predict?steps=40", content=bundles.npy(clip))
    # The toy's left column is wrong in every tile but the first; fed back in tiles, that would come into sight.
    np.testing.assert_array_equal(array(answer.content), rolled_out(clip, 40))


def test_a_clip_of_training_s_size_goes_on_as_the_shipped_graph_makes_it(shipped: TestClient) -> None:
    clip = np.zeros((4, 64, 64, 1), np.uint8)
    for number, frame in enumerate(clip):
        frame[20 + 2 * number : 40 + 2 * number, 10 + 3 * number : 22 + 3 * number] = 255
    answer = shipped.post("/predict?steps=3", content=bundles.npy(clip))
    assert answer.headers["x-model"] == "digits-video@1"
    np.testing.assert_array_equal(array(answer.content), carried_on("digits-video", clip, 3))


def test_a_large_frame_in_tiles_goes_on_as_it_does_in_one_piece(shipped: TestClient) -> None:
    y, x = np.mgrid[:320, :328]
    waves = [np.sin((x - 3 * turn) / 19 + y / 31) + np.cos((y + 2 * turn) / 13) for turn in range(4)]
    clip = np.rint(60 * np.clip(np.stack(waves), 0, 2)).astype(np.uint8)[..., None]
    film = carried_on("radar", clip, 4)
    answer = shipped.post("/predict?model=radar&steps=4", content=bundles.npy(clip))
    assert count(shipped, "ganymede_images_total", model="radar@1") == 4 * 4
    assert np.abs(array(answer.content).astype(int) - film).max() <= 2


@pytest.mark.parametrize("kind", FRAMES)
def test_every_kind_of_clip_is_read(client: TestClient, kind: str) -> None:
    answer = client.post("/predict?steps=3&format=npy", content=FRAMES[kind])
    np.testing.assert_array_equal(array(answer.content), rolled_out(grey(opened(FRAMES[kind]).frames), 3))


@pytest.mark.parametrize(
    ("kind", "answered"),
    [("gif", "gif"), ("webp", "webp"), ("apng", "apng"), ("mp4", "mp4"), ("webm", "mp4"), ("tiff", "zip"),
     ("zip", "zip"), ("npy", "npy")],
)  # fmt: skip
def test_the_answer_has_the_form_of_the_clip(client: TestClient, kind: str, answered: str) -> None:
    answer = client.post("/predict?steps=3", content=FRAMES[kind])
    assert answer.headers["content-type"] == TYPES[answered]
    assert answer.headers["vary"] == "Accept"
    disposition = "attachment" if answered in ("zip", "npy") else "inline"
    assert answer.headers["content-disposition"] == f'{disposition}; filename="drift-1.{answered}"'
    assert clips.kind_of(answer.content).lower() == ("png" if answered == "apng" else answered)
    assert len(opened(answer.content).frames) == 3


@pytest.mark.parametrize("form", ["gif", "webp", "apng", "zip", "npy"])
def test_the_frames_of_every_lossless_form_are_those_that_were_drawn(client: TestClient, form: str) -> None:
    answer = client.post(f"/predict?steps=3&format={form}", content=FILE)
    assert answer.headers["content-type"] == TYPES[form]
    assert "vary" not in answer.headers
    np.testing.assert_array_equal(grey(opened(answer.content).frames), rolled_out(NOISE, 3))


def test_an_mp4_shows_what_was_drawn(client: TestClient) -> None:
    y, x = np.mgrid[:32, :48]
    clip = np.stack([30 + 20 * np.sin(x / 9 + y / 7 + turn) for turn in range(GIVEN)])[..., None].astype(np.uint8)
    answer = client.post("/predict?steps=3&format=mp4", content=bundles.npy(clip))
    shown = opened(answer.content).frames.astype(int)
    assert np.abs(shown - rolled_out(clip, 3)).max() <= 6


def test_a_png_is_a_strip_of_the_frames(client: TestClient) -> None:
    answer = client.post("/predict?steps=3&format=png", content=FILE)
    assert answer.headers["content-disposition"] == 'inline; filename="drift-1.png"'
    with Image.open(BytesIO(answer.content)) as strip:
        seen = np.asarray(strip)
    np.testing.assert_array_equal(seen, np.concatenate(rolled_out(NOISE, 3)[..., 0], axis=1))


def test_a_client_may_prefer_another_form(client: TestClient) -> None:
    for accept, kind in [
        ("image/webp", "image/webp"),
        ("video/*", "video/mp4"),
        ("image/*", "image/gif"),
        ("application/zip;q=0.5, */*;q=0.1", "application/zip"),
        ("*/*", "application/x-npy"),
    ]:
        answer = client.post("/predict?steps=1", content=FILE, headers={"Accept": accept})
        assert answer.headers["content-type"] == kind
    refused = client.post("/predict", content=FILE, headers={"Accept": "text/html"})
    assert detail(refused, 406).startswith("Nothing here can be sent as 'text/html'; offered: application/x-npy, ")


def test_a_film_keeps_the_rate_of_the_clip_unless_another_is_asked_for(client: TestClient) -> None:
    def rate(query: str, content: bytes) -> float | None:
        return opened(client.post(f"/predict?steps=4&{query}", content=content).content).rate

    assert rate("", FRAMES["webp"]) == pytest.approx(25)
    assert rate("format=mp4", FRAMES["gif"]) == pytest.approx(25)
    assert rate("fps=5", FRAMES["gif"]) == pytest.approx(5)
    assert rate("format=apng", FRAMES["npy"]) == pytest.approx(10)
    assert rate("format=gif&fps=12.5", FRAMES["zip"]) == pytest.approx(12.5)


def test_a_film_slower_than_can_be_written_is_made_as_slow_as_can_be(client: TestClient) -> None:
    frames = [Image.fromarray(frame[:, :, 0]) for frame in NOISE]
    out = BytesIO()
    frames[0].save(out, "gif", save_all=True, append_images=frames[1:], duration=60_000)
    answer = client.post("/predict?steps=2", content=out.getvalue())
    assert opened(answer.content).rate == pytest.approx(animation.SLOWEST)


def test_the_model_looks_at_the_last_frames_alone(client: TestClient) -> None:
    last = client.post("/predict?steps=2", content=bundles.npy(NOISE[-GIVEN:]))
    assert client.post("/predict?steps=2", content=FILE).content == last.content


def test_the_frames_that_were_given_may_go_first(client: TestClient) -> None:
    answer = client.post("/predict?steps=2&context=1", content=FILE)
    np.testing.assert_array_equal(array(answer.content), np.concatenate([NOISE[-GIVEN:], rolled_out(NOISE, 2)]))
    stamped = client.post("/predict?model=stamp&steps=2&context=1", content=FILE)
    np.testing.assert_array_equal(array(stamped.content)[:GIVEN], NOISE[-GIVEN:])


def test_without_steps_there_are_ten_or_as_many_as_the_server_allows(serve: Serve, models: Path) -> None:
    few = serve(models=models, max_samples=4)
    assert len(array(few.post("/predict", content=FILE).content)) == 4
    assert len(array(serve(models=models).post("/predict", content=FILE).content)) == 10
    assert detail(few.post("/predict?steps=5", content=FILE), 422) == 'steps: must be an integer from 1 to 4, not "5"'


def test_colours_are_seen_as_their_luma_by_a_model_of_grey_frames(client: TestClient) -> None:
    colours = np.random.default_rng(3).integers(0, 256, (GIVEN, 16, 16, 3), np.uint8)
    answer = client.post("/predict?steps=2", content=bundles.npy(colours))
    np.testing.assert_array_equal(array(answer.content), rolled_out(grey(colours), 2))


def test_a_model_of_coloured_frames_keeps_their_colours(client: TestClient) -> None:
    colours = np.random.default_rng(3).integers(0, 256, (GIVEN, 19, 30, 3), np.uint8)
    answer = client.post("/predict?model=paint&steps=2", content=bundles.npy(colours))
    np.testing.assert_array_equal(array(answer.content), rolled_out(colours, 2))
    as_grey = client.post("/predict?model=paint&steps=2", content=FILE)
    np.testing.assert_array_equal(array(as_grey.content), rolled_out(NOISE, 2).repeat(3, axis=3))


def test_where_the_graph_s_size_is_fixed_frames_are_squeezed_into_it_and_come_back_at_theirs(
    client: TestClient,
) -> None:
    squeezed = np.stack([pictures.resize(frame, 16, 16) for frame in NOISE])
    expected = np.stack([pictures.resize(frame, 24, 36) for frame in rolled_out(squeezed, 3)])
    answer = client.post("/predict?model=stamp&steps=3", content=FILE)
    np.testing.assert_array_equal(array(answer.content), expected)


def test_body_and_form_are_one(client: TestClient) -> None:
    as_body = client.post("/predict?steps=2&format=webp", content=FILE)
    as_form = client.post("/predict", files={"frames": ("any name", FILE)}, data={"steps": "2", "format": "webp"})
    assert as_body.content == as_form.content


def test_a_film_says_which_clip_it_follows_and_how(client: TestClient) -> None:
    answer = client.post("/predict?model=drift&steps=2&fps=5&format=webp&timeout=9", content=FILE)
    recipe = recipe_of(answer.content)
    assert isinstance(recipe, Derivation)
    assert (recipe.model, recipe.version, recipe.verb) == ("drift", 1, "predict")
    assert recipe.source == contract.digest(FILE)
    assert recipe.parameters == {"steps": 2, "fps": 5}
    without = recipe_of(client.post("/predict?format=png", content=FILE).content)
    assert isinstance(without, Derivation)
    assert without.parameters == {"steps": 10}


def test_each_picture_in_a_zip_says_which_frame_it_is_and_one_that_was_sent_says_nothing(client: TestClient) -> None:
    answer = client.post("/predict?steps=8&context=1&format=zip", content=FILE)
    with ZipFile(BytesIO(answer.content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert list(files) == [f"drift-1_{number:02}.png" for number in range(1, GIVEN + 8 + 1)]
    sent, made = list(files.values())[:GIVEN], list(files.values())[GIVEN:]
    for data in sent:
        assert b"trainedAlgorithmicMedia" not in data
        with pytest.raises(RecipeError):
            recipe_of(data)
    said = [recipe_of(data) for data in made]
    assert [one.parameters for one in said if isinstance(one, Derivation)] == [
        {"steps": 8, "context": 1, "frame": number} for number in range(1, 9)
    ]


def test_the_same_question_has_the_same_answer(client: TestClient) -> None:
    for form in TYPES:
        first, second = (client.post(f"/predict?format={form}", content=FILE).content for _ in range(2))
        assert first == second


def test_an_answer_can_be_sent_in_again_and_goes_on(client: TestClient) -> None:
    first = client.post("/predict?steps=4", content=FRAMES["zip"])
    second = client.post("/predict?steps=4", content=first.content)
    np.testing.assert_array_equal(grey(opened(second.content).frames), rolled_out(NOISE, 8)[4:])


def test_the_time_of_all_steps_is_told_to_the_client(client: TestClient) -> None:
    before = count(client, "ganymede_phase_seconds_count", model="drift@1", phase="decode")
    answer = client.post("/predict?steps=3", content=FILE)
    assert phases(answer) == ["queue", "batch", "decode", "infer", "encode", "total"]
    assert 'batch;desc="1/1/1"' in answer.headers["server-timing"]
    assert count(client, "ganymede_phase_seconds_count", model="drift@1", phase="decode") == before + 1


def test_who_hangs_up_ends_the_steps_that_are_left(serve: Serve, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = serve(models=models)
    entered, go = hold(client, monkeypatch, after=2, model="drift", task="predict")

    async def story() -> None:
        gone = asyncio.Event()
        leaves = asyncio.create_task(post(client, "model=drift&steps=9", gone, path="/predict", content=FILE))
        await until(entered.is_set)
        gone.set()
        assert (await leaves)[0]["status"] == 499
        go.set()

    asyncio.run(story())
    assert count(client, "ganymede_images_total", model="drift@1") == 2
    assert count(client, "ganymede_dropped_samples_total", model="drift@1", reason="cancelled") == 1
    assert count(client, "ganymede_requests_total", route="/predict", model="drift@1", status="499") == 1


def test_all_steps_share_one_deadline(serve: Serve, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = serve(models=models)
    entered, go = hold(client, monkeypatch, after=2, model="drift", task="predict")

    async def story() -> None:
        never = asyncio.Event()
        asked = "model=drift&steps=9&timeout=1"
        late = asyncio.create_task(post(client, asked, never, path="/predict", content=FILE))
        await until(entered.is_set)
        await asyncio.sleep(1)
        go.set()
        start, answer = await late
        assert start["status"] == 429
        said = "The deadline passed when 3 of 9 frames were drawn; ask for fewer, or come back later."
        assert json.loads(answer["body"])["detail"] == said
        assert b"retry-after" in dict(start["headers"])

    asyncio.run(story())


def test_more_steps_than_can_be_made_by_the_deadline_are_refused_before_the_first(serve: Serve, models: Path) -> None:
    client = serve(models=models)
    cost = client.app.state.service.catalog.get("drift", task="predict").queues["generator"].cost  # type: ignore[attr-defined]
    for _ in range(200):
        cost.observe(cost.useful, cost.useful / 4)  # about a second for a frame
    said = detail(client.post("/predict?timeout=9&steps=20", content=FILE), 413)
    advice = "ask for fewer steps, or send smaller frames"
    assert re.fullmatch(rf"drift@1 would take \d+(\.\d)? s for all of it; the deadline is in [89].*: {advice}\.", said)
    assert count(client, "ganymede_refused_requests_total", model="drift@1", reason="deadline") == 1
    assert client.post("/predict?timeout=9&steps=2", content=FILE).status_code == 200


def test_a_clip_that_is_too_short_is_told_how_many_frames_it_takes(client: TestClient) -> None:
    said = "frames: are too few: drift@1 predicts the next frame from 3, and the clip has 2; send 1 more"
    assert detail(client.post("/predict", content=bundles.npy(NOISE[:2])), 422) == said
    still = films.picture(NOISE[0])
    said = "frames: are too few: drift@1 predicts the next frame from 3, and the clip has 1; send 2 more"
    assert detail(client.post("/predict", content=still), 422) == said


def test_a_request_without_a_clip_is_told_how_to_send_one(client: TestClient) -> None:
    said = "frames: is missing: send the file as the body, or as the part 'frames' of a form"
    assert detail(client.post("/predict"), 422) == said
    other = client.post("/predict", files={"image": FILE})
    assert detail(other, 422) == "image: is no file that is wanted; call it frames"


@pytest.mark.parametrize(
    ("data", "status", "said"),
    [
        (b"hello", 415, "The upload is no known kind of clip; supported: GIF, WebP, APNG, TIFF, MP4"),
        (films.picture(NOISE[0], "jpeg"), 415, "The upload is JPEG, a single picture; supported: GIF"),
        (FRAMES["gif"][:300], 422, "The GIF can't be read: it is truncated or damaged"),
        (FRAMES["mp4"][:-200], 422, "The MP4 can't be read: it is truncated or damaged"),
        (FILE[:-1], 422, "The npy can't be read: its shape, [5, 24, 36, 1], takes 4320 bytes, and it has 4319."),
        (films.zipped({}), 422, "The zip can't be read: it holds no frame."),
        (films.zipped({"a.txt": b"hello"}), 422, "The zip can't be read: a.txt: The upload is no known picture"),
        (
            films.zipped({"1.png": films.picture(NOISE[0]), "2.png": films.picture(NOISE[1, :9])}),
            422,
            "The zip can't be read: frame 2 has 36×9 pixels, where those before have 36×24.",
        ),
    ],
)  # fmt: skip
def test_what_is_no_clip_is_refused_in_words(client: TestClient, data: bytes, status: int, said: str) -> None:
    assert detail(client.post("/predict", content=data), status).startswith(said)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("steps=0", 'steps: must be an integer from 1 to 64, not "0"'),
        ("steps=65", 'steps: must be an integer from 1 to 64, not "65"'),
        ("context=2", 'context: must be an integer from 0 to 1, not "2"'),
        ("fps=0", 'fps: must be a number from 0.1 to 240.0, not "0"'),
        ("fps=nan", 'fps: must be a number from 0.1 to 240.0, not "nan"'),
        ("format=avi", 'format: must be one of gif, webp, apng, mp4, zip, npy, png, not "avi"'),
        ("fps=5", "fps: is of gif, webp, apng, mp4, not of npy; leave fps out"),
        ("fps=5&format=png", "fps: is of gif, webp, apng, mp4, not of png; leave fps out"),
        ("step=5", "step: there is no such parameter; known: model, timeout, priority, steps, context, fps, format"),
    ],
)
def test_a_parameter_that_can_not_be_used_says_why(client: TestClient, query: str, said: str) -> None:
    assert detail(client.post(f"/predict?{query}", content=FILE), 422) == said


def test_a_model_of_another_task_says_what_it_can(serve: Serve, models_dir: Path) -> None:
    client = serve(models=models_dir)
    answer = client.post("/predict?model=shapes", content=FILE)
    assert detail(answer, 422) == "model: shapes@1 can generate, not predict"
    assert detail(client.post("/predict", content=FILE), 503) == "No model that can predict is ready."


def test_a_clip_over_the_limits_is_refused_before_it_is_unpacked(serve: Serve, models: Path) -> None:
    client = serve(models=models, max_frames=4, max_pixels=4000, max_upload_mb=0.01)
    said = "The clip has more than 4 frames in all, the most that are read: send fewer frames."
    assert detail(client.post("/predict", content=FILE), 413) == said
    said = "The clip has more than 4000 pixels in all, the most that are read: send fewer frames, or smaller ones."
    assert detail(client.post("/predict", content=bundles.npy(NOISE.reshape(3, 40, 36, 1))), 413) == said
    wide = np.zeros((3, 60, 60, 1), np.uint8)
    assert detail(client.post("/predict", content=bundles.npy(wide)), 413).startswith("The file may hold 10,000 bytes")


def test_an_answer_that_would_be_too_large_is_refused_before_it_is_drawn(serve: Serve, models: Path) -> None:
    client = serve(models=models, max_pixels=10_000)
    said = (
        "steps: make an answer too large: 12 frames of 36×24 have more than 10000 pixels in all, and 11 fit; "
        "ask for fewer"
    )
    assert detail(client.post("/predict?steps=12", content=FILE), 422) == said
    assert detail(client.post("/predict?steps=9&context=1", content=FILE), 422) == said
    assert client.post("/predict?steps=11", content=FILE).status_code == 200
    assert count(client, "ganymede_images_total", model="drift@1") == 11


def test_frames_too_long_for_a_format_are_told_so_before_they_are_drawn(client: TestClient) -> None:
    wide = bundles.npy(np.zeros((GIVEN, 2, 4100, 1), np.uint8))
    said = "format: can't be mp4: a side has 4100 pixels, it holds 4096; use another"
    assert detail(client.post("/predict?steps=1&format=mp4", content=wide), 422) == said
    assert client.post("/predict?steps=1&format=webp", content=wide).status_code == 200
