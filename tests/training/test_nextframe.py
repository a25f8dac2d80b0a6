"""Video: what the generator moves and adds, what the discriminator sees, and the numbers of a forecast."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from app import contract
from tests.training import runs
from training import export
from training.data import DataError, clips
from training.evaluation import EvaluationError, Request, nowcast, predict
from training.nets.blocks import parameters
from training.nets.video import FramePredictor, moved, roll_out
from training.recipes import Batch, Source
from training.recipes.nextframe import NextFrame, gradient_difference


def predictor(**changed: int) -> FramePredictor:
    torch.manual_seed(0)
    network = FramePredictor(**{"size": 32, "given": 3, "channels": 2, "width": 8, "blocks": 1, "deep": 1, **changed})
    nn.init.normal_(network.last.weight, std=0.1)
    return network


def squares(*lefts: int) -> np.ndarray:
    """Frames [k, 32, 32, 1] with a white square that starts at each of these columns."""
    frames = np.zeros((len(lefts), 32, 32, 1), np.uint8)
    for frame, left in zip(frames, lefts, strict=True):
        frame[10:20, left : left + 10] = 255
    return frames


class Constant(nn.Module):
    """Adds to the last frame of all that it is given."""

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return frames[:, -2:] + 0.1 * frames.shape[1]


@pytest.mark.parametrize("patch", [2, 4])
def test_a_predictor_takes_any_size_in_its_multiples_and_starts_as_a_copy_of_the_last_frame(patch: int) -> None:
    frames = torch.randn(2, 6, 40, 24)
    fresh = FramePredictor(size=32, given=3, channels=2, width=8, patch=patch)
    torch.testing.assert_close(fresh(frames), frames[:, -2:])
    assert predictor(patch=patch)(frames).shape == (2, 2, 40, 24)
    assert (FramePredictor.multiple, fresh.last.out_channels) == (8, 2 * patch**2 + 2)


def test_a_row_of_a_batch_is_predicted_as_alone() -> None:
    network, frames = predictor(), torch.randn(3, 6, 32, 32)
    torch.testing.assert_close(network(frames)[1:2], network(frames[1:2]), atol=1e-4, rtol=1e-4)


def test_a_flow_moves_what_it_points_at_and_the_edge_comes_in() -> None:
    pictures = torch.arange(8.0).repeat(1, 1, 8, 1)
    flow = torch.zeros(1, 2, 8, 8)
    flow[:, 0] = 2.5
    torch.testing.assert_close(moved(pictures, flow)[0, 0, 3], (torch.arange(8.0) + 2.5).clamp(max=7))
    down = moved(pictures.transpose(2, 3), flow.flip(1))
    torch.testing.assert_close(down[0, 0, :, 3], (torch.arange(8.0) + 2.5).clamp(max=7))


def test_a_roll_out_gives_each_frame_back_and_forgets_the_oldest() -> None:
    seen = []
    network = Constant()
    network.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    given = torch.stack([torch.full((2, 4, 4), float(v)) for v in (-0.9, -0.5, 0.3)]).flatten(0, 1)[None]
    made = roll_out(network, given, 3)
    assert made.shape == (1, 6, 4, 4)
    assert made[0, ::2, 0, 0].tolist() == pytest.approx([0.9, 1.5, 1.6])
    assert seen[2][0, ::2, 0, 0].tolist() == pytest.approx([0.3, 0.9, 1.0])  # cut off at white, as what is served is


def test_the_discriminator_sees_each_made_frame_at_the_end_of_the_frames_before_it() -> None:
    recipe, seen = NextFrame(frames=2, ahead=2), []
    critic = nn.Module()
    critic.forward = lambda pair: seen.append(pair) or torch.zeros(1)  # type: ignore[method-assign]
    numbers = [torch.full((1, 1, 2, 2), value) for value in (0.1, 0.2, 0.3, 7.0)]
    batch = Batch(torch.cat(numbers[2:], 1), None, torch.cat(numbers[:2], 1), 0, torch.zeros(()))
    recipe._judge({"critic": critic}, batch, batch.real)
    (pair,) = seen
    assert pair.candidate[:, 0, 0, 0].tolist() == pytest.approx([0.3, 1.0])
    assert pair.condition[:, :, 0, 0].flatten().tolist() == pytest.approx([0.1, 0.2, 0.2, 0.3])


def test_a_blurred_frame_has_smaller_steps_than_a_sharp_one_and_an_inverted_one_the_same() -> None:
    sharp = torch.rand(1, 1, 16, 16)
    assert gradient_difference(sharp, sharp) == 0
    assert gradient_difference(1 - sharp, sharp) == pytest.approx(0, abs=1e-6)
    assert gradient_difference(nn.functional.avg_pool2d(sharp, 3, 1, 1), sharp) > 0.1
    stripes = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    assert gradient_difference(torch.zeros(2, 2), stripes) == 1


def test_without_its_weight_there_is_no_discriminator() -> None:
    recipe = NextFrame(adversarial=0)
    networks = recipe.networks(Source(64, 1, ()))
    assert [phase.name for phase in recipe.phases()] == list(networks) == ["generator"]
    assert 1e6 < parameters(networks["generator"]) < 1.5e6
    batch = Batch(torch.rand(2, 2, 64, 64), None, torch.rand(2, 4, 64, 64), 0, torch.zeros(()))
    assert set(recipe.terms("generator", networks, batch)) == {"mse", "l1", "difference"}


def test_a_sheet_shows_the_film_and_what_was_drawn_of_it() -> None:
    recipe = NextFrame(frames=2)
    batch = Batch(torch.zeros(5, 3, 8, 8), None, torch.zeros(5, 2, 8, 8), 0, torch.zeros(()))
    panels = recipe.preview({"generator": lambda frames: frames[:, -1:] + 0.25}, batch)  # type: ignore[dict-item]
    assert [panel.label for panel in panels] == ["film", "drawn"] * 4
    assert panels[1].pictures[:, 0, 0, 0].tolist() == [1, 1, 0.25, 0.5, 0.75]


def test_rates_of_rain_are_codes_of_the_composites() -> None:
    assert [nowcast.code(rate) for rate in (0.1, 1, 10)] == [81, 111, 142]


def test_critical_success_counts_hits_over_hits_misses_and_false_alarms() -> None:
    success = nowcast.Successes(2, code=100)
    forecast, came = np.zeros((2, 1, 2, 2, 2, 1), np.uint8)
    forecast[0, 0, 0, :], came[0, 0, :, 0] = 100, 255
    success.add(forecast, came)
    assert success.index().tolist() == [pytest.approx(1 / 3), 1]


def test_motion_carries_on_and_nothing_comes_in_from_outside() -> None:
    pytest.importorskip("cv2")
    carried = nowcast.extrapolate(squares(4, 6, 8), 3)
    for frame, came in zip(carried.astype(int), squares(10, 12, 14), strict=True):
        assert np.abs(frame - came).mean() < 0.4 * np.abs(squares(8)[0].astype(int) - came).mean()
    leaving = nowcast.extrapolate(squares(18, 20, 22), 8)
    assert leaving[-1].sum() < 0.4 * squares(22).sum()


def test_a_forecast_is_scored_at_each_step() -> None:
    tally = predict.Tally((1.0,))
    came = np.full((2, predict.STEPS, 16, 16, 1), 200, np.uint8)
    forecast = came.copy()
    forecast[:, 1:] -= 51
    forecast[:, 2:] = 0
    tally.add(forecast, came)
    curves = tally.curves()
    assert curves["squared error"][:2].tolist() == pytest.approx([0, 0.04], abs=1e-6)
    assert curves["PSNR"][:2].tolist() == pytest.approx([100, 13.979], abs=1e-3)
    assert curves["SSIM"][0] == pytest.approx(1)
    assert curves["critical success at 1 mm/h"][:3].tolist() == [1, 1, 0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported model that copies the last frame, as a fresh one does."""
    place = tmp_path_factory.mktemp("clips")
    run = runs.train("nextframe", place / "run", images=32, rate=1e-12)
    return export.export(run, place / "models", name="copy", licence=contract.Licence(data="-", weights="-"))


@pytest.mark.parametrize("data", ["digits", "films"])
def test_a_model_that_copies_scores_as_the_copy_on_bouncing_pictures_and_on_whole_films(folder, data, tmp_path) -> None:
    source = data
    if data == "films":
        source = str(tmp_path / "films.npz")
        frames = np.random.default_rng(0).integers(0, 255, (2, 64, 45, 37), np.uint8)
        np.savez(source, a=frames[0], b=frames[1])
    metrics = {metric.name: metric for metric in predict.measure(Request.of(folder, source, samples=5))}
    assert list(metrics)[:2] == ["squared error, step 1", "squared error, step 2"]
    assert len(metrics) == 30
    for metric in metrics.values():
        assert metric.value == metric.others["copy of the last frame"]
    error = metrics["squared error, step 1"]
    what = "films.npz test (b frames 32 to 63)" if data == "films" else "digits test, 2 bouncing"
    size = "32×40 px" if data == "films" else "32×32 px"
    assert error.protocol.startswith(f"5 clips of {size} from {what}: 4 frames given, the next 10 made")
    assert 0.1 < error.value < 0.25 if data == "films" else 0.005 < error.value < 0.1


def test_the_clips_that_are_measured_are_of_all_films_and_not_of_the_first_alone(folder, tmp_path) -> None:
    films = {f"test_{name}": np.full((40, 32, 32), shade, np.uint8) for shade, name in enumerate("abc")}
    np.savez(tmp_path / "films.npz", train_a=films["test_a"], **films)
    examples = clips.load(str(tmp_path / "films.npz"), size=32, channels=1, given=4, ahead=10, split="test")
    frames = contract.read(folder).graphs["generator"].input("frames")
    shades = [int(batch[0, 0, 0, 0, 0]) for batch in predict._batches(examples, frames, 20)]
    assert (len(shades), set(shades)) == (20, {0, 1, 2})
    assert len(list(predict._batches(examples, frames, 1000))) == 3 * 27


def test_rain_is_measured_at_the_rates_that_are_asked_for(folder) -> None:
    metrics = predict.measure(Request.of(folder, "digits", samples=2, options={"rain": "0.1,1"}))
    assert len(metrics) == 50
    assert metrics[-1].name == "critical success at 1 mm/h, step 10"
    for wrong, message in (
        ("light", "rain=light: expected rates in mm/h"),
        ("0", "rates of rain are above 0"),
        ("nan", "rates of rain are above 0"),
        ("1,inf", "rates of rain are above 0, and finite"),
    ):
        with pytest.raises(EvaluationError, match=message):
            predict.measure(Request.of(folder, "digits", options={"rain": wrong}))


def test_without_opencv_the_copy_stands_alone_beside_the_model_and_it_is_said(folder, monkeypatch, caplog) -> None:
    monkeypatch.setattr(nowcast, "has_flow", lambda: False)
    metrics = predict.measure(Request.of(folder, "digits", samples=2))
    assert set(metrics[0].others) == {"copy of the last frame"}
    assert "pip install 'ganymede[motion]'" in caplog.text


def test_of_one_frame_given_no_motion_is_measured(tmp_path) -> None:
    run = runs.train("nextframe", tmp_path / "run", images=32, frames=1)
    one = export.export(run, tmp_path / "models", name="one", licence=contract.Licence(data="-", weights="-"))
    metrics = predict.measure(Request.of(one, "digits", samples=2))
    assert set(metrics[0].others) == {"copy of the last frame"}


def test_frames_too_small_to_be_exported_are_an_error_before_the_first_step(tmp_path) -> None:
    with pytest.raises(DataError, match="clips of 8 px: use a --size of at least 16"):
        runs.run("nextframe", tmp_path / "run", size=8)
    folder = runs.train("nextframe", tmp_path / "run", size=16, images=32)
    export.export(folder, tmp_path / "models", name="small", licence=contract.Licence(data="-", weights="-"))


def test_single_pictures_that_bounce_are_not_mirrored_or_turned_in_silence(tmp_path) -> None:
    for setting in ("mirror", "rotate"):
        with pytest.raises(DataError, match="bounce upright: leave --mirror and --rotate out"):
            runs.run("nextframe", tmp_path / "run", **{setting: True})


def test_the_manifest_says_what_is_given_and_which_sizes_are_taken(folder) -> None:
    manifest = json.loads((folder / "model.json").read_text())
    (frames,) = manifest["graphs"]["generator"]["inputs"]
    assert (frames["shape"], frames["multiple"], frames["usual"]) == (["n", 4, "h", "w", 1], 8, [4, 32, 32, 1])
    assert manifest["tasks"] == ["predict"]
