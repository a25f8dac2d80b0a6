"""What is known of the pictures that a model draws: of which pictures, and what a collapsed one looks like."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from app import contract, latents
from app.classes import Class
from app.contract import Tensor
from app.engine import likeness, vitals
from app.engine.catalog import Catalog
from app.engine.job import Arrays
from app.engine.likeness import Likeness
from app.engine.realness import Critic
from app.metrics import Metrics
from tests import toy, toy_parts
from tests.conftest import serving
from tests.engine.gate import Line, result, send

PATIENCE = 10
GOOD = {"model": "good@1", "graph": "generator"}
COLLAPSED = {"model": "collapsed@1", "graph": "generator"}
IMAGE = Tensor(name="image", meaning="image", dtype="uint8", shape=("n", "h", "w", 3), layout="NHWC")
FRAMES = Tensor(name="film", meaning="frames", dtype="uint8", shape=("n", 4, "h", "w", 1), layout="NHWC")
AUDIO = Tensor(name="sound", meaning="audio", dtype="float32", shape=("n", "t"))


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every batch is looked at."""
    monkeypatch.setattr(vitals, "PERIOD", 0)
    monkeypatch.setattr(vitals, "SHARE", 1e6)


def seen(*pictures: np.ndarray) -> list[Likeness]:
    return likeness.measured(likeness.thumbnails(IMAGE, np.stack(pictures)))


def noise(seed: int, side: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def grey(level: int) -> np.ndarray:
    return np.full((16, 16, 3), level, np.uint8)


def test_a_picture_has_no_diversity_from_itself_whatever_its_contrast() -> None:
    for picture in (noise(0), noise(0) // 100, grey(90)):
        assert likeness.diversity(*seen(picture, picture)) == 0


def test_pictures_that_have_nothing_in_common_have_a_diversity_of_1_whatever_their_contrast() -> None:
    for divisor in (1, 32):
        assert likeness.diversity(*seen(noise(1) // divisor, noise(2) // divisor)) == pytest.approx(1, abs=0.1)


def test_a_picture_and_its_negative_are_as_unlike_as_can_be() -> None:
    assert likeness.diversity(*seen(noise(1), 255 - noise(1))) == pytest.approx(2, abs=0.02)
    assert likeness.diversity(*seen(grey(3), grey(4))) == pytest.approx(2)


def test_a_ground_of_black_or_white_is_not_saturation_and_black_and_white_is() -> None:
    digit = grey(255)
    digit[4:8, 4:8] = 128
    digit[8:10, 4:8] = 0
    burnt_out = np.where(noise(0) < 128, 0, 255).astype(np.uint8)
    of_ground, of_digit, of_burnt_out = (one.saturation for one in seen(grey(255), digit, burnt_out))
    assert of_ground == 0
    assert of_digit == pytest.approx(2 * 8 / 256)
    assert of_burnt_out > 0.9


def test_a_large_picture_is_measured_at_some_of_its_pixels_and_a_film_at_its_newest_frame() -> None:
    assert likeness.thumbnails(IMAGE, np.zeros((2, 300, 200, 3), np.uint8)).shape == (2, 30 * 29 * 3)
    film = np.zeros((1, 4, 32, 32, 1), np.uint8)
    film[:, -1] = 255
    assert likeness.thumbnails(FRAMES, film).tolist() == [[1.0] * 32 * 32]


def test_sound_is_measured_with_silence_in_the_middle() -> None:
    (silence, loud) = likeness.measured(likeness.thumbnails(AUDIO, np.array([[0, 0], [-1, 1]], np.float32)))
    assert (silence.mean, silence.variance, silence.saturation) == (0.5, 0, 0)
    assert (loud.mean, loud.variance, loud.saturation) == (0.5, 0.25, 1)


def test_what_goes_in_is_far_apart_if_it_shows_two_things() -> None:
    still = noise(3)
    moved = np.where(noise(4) < 12, 0, still).astype(np.uint8)
    assert likeness.far_apart(*seen(noise(3), noise(4)))
    assert not likeness.far_apart(*seen(still, moved))
    assert not likeness.far_apart(*seen(grey(3), grey(4)))
    one, other = latents.noise(0, range(2), 64)
    assert likeness.drawn_apart(one, other)
    assert not likeness.drawn_apart(one, latents.slerp(one, other, 0.1))


def count(metrics: Metrics, name: str, /, **labels: str) -> float:
    found = metrics.registry.get_sample_value(name, labels)
    assert found is not None, f"{name} has no series of {labels}"
    return found


def draw(catalog: Catalog, name: str, seeds: range, label: Class | None = None, n: int = 1) -> None:
    """Has a model draw, and waits until the pictures were looked at."""
    live = catalog.named(name)
    for seed in seeds:
        before = live.vitals["generator"].lately()["pictures"]
        inputs = live.manifest.inputs(seed, range(n), label)
        live.submit(inputs, deadline=None, finish=lambda outputs: None).result(PATIENCE)
        end = time.monotonic() + PATIENCE
        while live.vitals["generator"].lately()["pictures"] == before:
            assert time.monotonic() < end, "nobody looked"
            time.sleep(0.005)


def test_a_model_that_heeds_its_latent_is_diverse_and_one_that_does_not_isn_t(tmp_path: Path, eager: None) -> None:
    toy.build(tmp_path, "good", classes=())
    toy.collapse(toy.build(tmp_path, "collapsed", classes=()))
    metrics = Metrics()
    with serving(tmp_path, metrics) as catalog:
        for name in ("good", "collapsed"):
            draw(catalog, name, range(2), n=20)
        good, collapsed = (catalog.named(name).vitals["generator"].lately() for name in ("good", "collapsed"))
    assert good["pairs"] >= 8
    assert collapsed["pairs"] >= 8
    assert good["twins"] == 0
    assert good["diversity"] > 0.5
    assert good["diversity"] == pytest.approx(good["reference"]["diversity"], rel=0.5)
    assert collapsed["variance"] > 0.01
    assert (collapsed["diversity"], collapsed["twins"], collapsed["reference"]["diversity"]) == (0, 1, 0)
    assert count(metrics, "ganymede_output_diversity_count", **COLLAPSED) == collapsed["pairs"]
    assert count(metrics, "ganymede_output_diversity_bucket", **COLLAPSED, le="0.01") == collapsed["pairs"]
    assert count(metrics, "ganymede_output_mean_count", **COLLAPSED) == collapsed["pictures"]
    assert count(metrics, "ganymede_output_reference", **GOOD, measure="diversity") == pytest.approx(
        good["reference"]["diversity"], abs=1e-6
    )


def test_pictures_are_compared_within_their_class_across_batches(tmp_path: Path, eager: None) -> None:
    toy.collapse(toy.build(tmp_path, "toy"))
    with serving(tmp_path) as catalog:
        for seed in range(3):
            for label in (0, 1):
                draw(catalog, "toy", range(seed, seed + 1), label)
        said = catalog.named("toy").vitals["generator"].lately()
    assert (said["pictures"], said["pairs"], said["diversity"]) == (6, 4, 0)


def test_the_same_seed_again_and_again_says_nothing(tmp_path: Path, eager: None) -> None:
    toy.build(tmp_path, "toy", classes=())
    with serving(tmp_path) as catalog:
        for _ in range(3):
            draw(catalog, "toy", range(7, 8))
        said = catalog.named("toy").vitals["generator"].lately()
    assert (said["pictures"], said["pairs"], said["diversity"]) == (3, 0, None)


def test_a_graph_is_looked_at_now_and_then_only(catalog: Catalog) -> None:
    live = catalog.named("shapes")
    began = time.monotonic()
    for seed in range(300):
        live.submit(live.manifest.inputs(seed, range(1)), deadline=None, finish=lambda outputs: None).result(PATIENCE)
    looks = 1 + (time.monotonic() - began) / 0.5
    assert 1 <= live.vitals["generator"].lately()["pictures"] <= looks + 1


def test_a_graph_that_can_t_be_measured_is_looked_at_now_and_then_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    toy.build(tmp_path, "toy", classes=())
    with serving(tmp_path) as catalog:
        monkeypatch.setattr(likeness, "measured", lambda _: 1 / 0)
        live = catalog.named("toy")
        began = time.monotonic()
        while time.monotonic() < began + 0.3:
            live.submit(live.manifest.inputs(0, range(1)), deadline=None, finish=len).result(PATIENCE)
        looks = 1 + (time.monotonic() - began) / 0.5
        said = [record for record in caplog.records if "could not be measured" in record.getMessage()]
        assert 1 <= len(said) <= looks + 1


def score(catalog: Catalog) -> dict[str, float]:
    """Has the model drawn until its critic and its golden samples were judged; what is known then."""
    end = time.monotonic() + PATIENCE
    said = catalog.named("toy").vitals["generator"].lately()
    while said["critic_score"] is None or "critic_score" not in said["reference"]:
        assert time.monotonic() < end, "the critic was not asked"
        draw(catalog, "toy", range(1))
        said = catalog.named("toy").vitals["generator"].lately()
    return said | {"reference": said["reference"]["critic_score"]}


def test_the_critic_judges_some_of_what_is_served_while_the_device_is_idle(tmp_path: Path, eager: None) -> None:
    toy_parts.add(toy.build(tmp_path, "toy"), "critic")
    metrics = Metrics()
    with serving(tmp_path, metrics) as catalog:
        said = score(catalog)
        served = catalog.named("toy").vitals["generator"].lately()["pictures"]
        manifest = catalog.named("toy").manifest
    golden = np.stack([golden.array() for golden in manifest.golden])
    assert said["reference"] == pytest.approx(toy_parts.realness(golden).mean(), abs=1e-5)
    assert said["critic_score"] == pytest.approx(said["mean"], abs=1e-5), "this critic says how bright a picture is"
    assert count(metrics, "ganymede_output_critic_score_count", model="toy@1", graph="generator") >= 1
    assert count(metrics, "ganymede_images_total", model="toy@1") == served, "what is judged counts as no image"


def test_a_critic_that_is_switched_off_is_not_asked(tmp_path: Path, eager: None) -> None:
    toy_parts.add(toy.build(tmp_path, "toy"), "critic")
    metrics = Metrics()
    with serving(tmp_path, metrics, output_critic=False) as catalog:
        draw(catalog, "toy", range(2), n=3)
        assert "critic_score" not in catalog.named("toy").vitals["generator"].lately()
    assert "ganymede_output_critic_score_count" not in metrics.exposition().decode()


def test_a_graph_that_draws_nothing_is_not_looked_at(tmp_path: Path) -> None:
    toy_parts.add(toy.build(tmp_path, "toy"), "encoder", "critic", "stage1")
    metrics = Metrics()
    with serving(tmp_path, metrics) as catalog:
        assert set(catalog.named("toy").vitals) == {"generator", "stage1"}
    text = metrics.exposition().decode()
    assert 'ganymede_output_nan_total{graph="encoder",model="toy@1"} 0.0' in text


class Judging:
    """A critic that notes the threads on which it judges."""

    def __init__(self) -> None:
        self.threads: list[str] = []

    def run(self, inputs: Arrays, alone: bool) -> Arrays:
        self.threads.append(threading.current_thread().name)
        return {"realness": toy_parts.realness(inputs["picture"])}


@pytest.mark.parametrize(("gpu", "thread"), [(True, "ganymede-test-0"), (False, threading.current_thread().name)])
def test_a_critic_runs_on_an_executor_where_a_gpu_has_it_so(tmp_path: Path, line: Line, gpu: bool, thread: str) -> None:
    manifest = contract.read(toy_parts.add(toy.build(tmp_path, "toy"), "critic"))
    judging = Judging()
    critic = Critic(manifest, line.rotation, lambda: judging.run, gpu)
    pictures = np.stack([noise(seed) for seed in range(6)])
    idle(line)
    said = critic.judge(manifest.inputs(0, range(6)), pictures)
    assert said == pytest.approx(toy_parts.realness(pictures[:4]))
    assert set(judging.threads) == {thread}


def test_a_critic_waits_for_an_idle_device_and_passes_over_what_is_of_two_classes(tmp_path: Path, line: Line) -> None:
    manifest = contract.read(toy_parts.add(toy.build(tmp_path, "toy", weighs=True), "critic"))
    critic = Critic(manifest, line.rotation, lambda: Judging().run, gpu=False)
    mixed = manifest.inputs(0, range(2), {0: 0.5, 1: 0.5})
    pictures = np.stack([noise(0), noise(1)])
    batcher, gate = line.batcher()
    job = send(batcher, 1)
    gate.entered()
    assert critic.judge(manifest.inputs(0, range(2), 0), pictures) == []
    assert critic.reference is None
    gate.let()
    assert result(job) == [2]
    idle(line)
    assert critic.judge(mixed, pictures) == []
    assert critic.reference is not None, "its golden samples are of one class each"


def idle(line: Line) -> None:
    """Waits until the executor has nothing to do."""
    end = time.monotonic() + PATIENCE
    while not line.rotation.idle:
        assert time.monotonic() < end, "the executor is busy"
        time.sleep(0.001)
