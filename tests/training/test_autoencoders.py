"""What is the auto-encoders' own: codes that random ones resemble, the three parts of a code, the map of all codes."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from app import contract
from tests.training import runs
from training import checkpoint, data, export
from training.batches import batch_of, fixed
from training.checkpoint import LAST
from training.evaluation import EvaluationError, Request, reconstruct
from training.nets.autoencoders import Decoder, Encoder, VariationalEncoder
from training.recipes import Batch
from training.recipes.autoencoder import Autoencoder, between, code_map
from training.recipes.vae import Vae, divergence

LICENCE = contract.Licence(data="BSD, scikit-learn", weights="MIT")


def pictures(count: int, size: int = 16) -> Tensor:
    return torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture(scope="module", params=["autoencoder", "vae"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of digits, hardly trained, beside its run."""
    root = tmp_path_factory.mktemp("codes")
    run = runs.train(request.param, root / "run")
    return export.export(run, root / "models", name="digits", licence=LICENCE, weights="last")


@pytest.mark.parametrize("size", [8, 16, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_goes_to_a_code_and_comes_back_in_its_shape(size: int, channels: int) -> None:
    encoder = Encoder(size=size, channels=channels, width=4, latent=5)
    decoder = Decoder(latent=5, size=size, channels=channels, width=4)
    code = encoder(torch.randn(3, channels, size, size))
    assert code.shape == (3, 5)
    back = decoder(100 * code)
    assert back.shape == (3, channels, size, size)
    assert back.abs().max() <= 1


@pytest.mark.parametrize("size", [4, 24])
def test_a_size_that_cannot_be_halved_down_to_4_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"size {size}: a power of two of at least 8"):
        Decoder(latent=5, size=size, channels=1, width=4)


def test_an_auto_encoders_codes_are_of_the_scale_of_random_ones_whatever_its_weights_are() -> None:
    encoder = Encoder(size=16, channels=1, width=4, latent=5)
    nn.init.constant_(encoder.code.bias, 7.0)
    nn.init.normal_(encoder.code.weight, std=9.0)
    seen = pictures(512)
    for _ in range(100):
        encoder(seen)
    codes = encoder.eval()(seen)
    torch.testing.assert_close(codes.mean(0), torch.zeros(5), atol=1e-2, rtol=0)
    torch.testing.assert_close(codes.std(0), torch.ones(5), atol=1e-2, rtol=0)
    torch.testing.assert_close(encoder(seen[:1]), codes[:1], atol=1e-4, rtol=1e-4)


def test_a_variational_encoder_answers_a_mean_and_a_deviation_that_cannot_vanish_or_overflow() -> None:
    encoder = VariationalEncoder(size=16, channels=1, width=4, latent=5)
    for bias in (-1e4, 1e4):
        nn.init.constant_(encoder.sigma.bias, bias)
        mean, deviation = encoder(pictures(3))
        assert mean.shape == deviation.shape == (3, 5)
        assert (deviation > 0).all()
        assert torch.isfinite(divergence(mean, deviation))


class Cloud(nn.Module):
    """Answers the same mean and deviation to every picture."""

    def __init__(self, mean: float, sigma: float) -> None:
        super().__init__()
        self.mean, self.sigma = mean, sigma

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.full((len(x), 2), self.mean), torch.full((len(x), 2), self.sigma).exp()


class Told(nn.Module):
    """A decoder that keeps the code that it was given."""

    def forward(self, codes: Tensor) -> Tensor:
        self.codes = codes
        return torch.zeros(len(codes), 1, 8, 8)


def test_the_code_that_is_decoded_is_exp_sigma_times_noise_plus_the_mean_and_served_without_the_noise() -> None:
    vae, decoder = Vae(latent=2), Told()
    networks = {"encoder": Cloud(3.0, -0.5), "generator": decoder}
    batch = Batch(real=pictures(4, 8), labels=None, given=None, step=0, progress=torch.zeros(()))
    torch.manual_seed(5)
    vae.terms("codes", networks, batch)
    torch.manual_seed(5)
    noise = torch.randn(4, 2)
    torch.testing.assert_close(decoder.codes, torch.tensor(-0.5).exp() * noise + 3)
    vae.reconstruct(networks, batch.real)
    assert torch.equal(decoder.codes, torch.full((4, 2), 3.0))


def test_the_lectures_penalty_is_the_lectures_formula() -> None:
    mean, sigma = torch.tensor([[1.0, -2.0], [0.0, 0.5]]), torch.tensor([[0.3, -1.0], [0.0, 2.0]])
    by_hand = (sigma.exp() - (1 + sigma) + mean**2).sum(1).mean()
    torch.testing.assert_close(divergence(mean, sigma.exp(), "lecture"), by_hand)


def test_the_exact_penalty_is_twice_the_divergence_from_the_normal_distribution() -> None:
    mean, deviation = torch.randn(6, 4), torch.rand(6, 4) + 0.1
    expected = 2 * kl_divergence(Normal(mean, deviation), Normal(0.0, 1.0)).sum(1).mean()
    torch.testing.assert_close(divergence(mean, deviation, "exact"), expected)


@pytest.mark.parametrize(("penalty", "spread"), [("exact", 1.0), ("lecture", 0.5**0.5)])
def test_codes_that_say_much_spread_as_wide_as_random_ones_under_the_exact_penalty_only(
    penalty: str, spread: float
) -> None:
    means = torch.randn(4096, 1, generator=torch.Generator().manual_seed(0))
    means = (means - means.mean()) / means.std()
    scales = torch.linspace(0.3, 1.5, 121)
    # A decoder can undo a change of scale of mean and deviation together, so the penalty alone decides it.
    told = torch.stack([divergence(s * means, s * torch.full_like(means, 1e-3), penalty) for s in scales])  # type: ignore[arg-type]
    assert float(scales[told.argmin()]) == pytest.approx(spread, abs=0.02)


def test_the_penalty_counts_by_its_weight_and_without_any_the_means_are_free() -> None:
    networks = {"encoder": Cloud(3.0, -0.5), "generator": Told()}
    batch = Batch(real=pictures(4, 8), labels=None, given=None, step=0, progress=torch.zeros(()))
    light, heavy = (Vae(latent=2, weight=w).terms("codes", networks, batch)["divergence"] for w in (0.1, 0.4))
    torch.testing.assert_close(4 * light, heavy)
    assert float(Vae(latent=2, weight=0).terms("codes", networks, batch)["divergence"]) == 0


def test_the_best_vae_is_the_one_of_the_least_error_and_penalty_together() -> None:
    batch = Batch(real=pictures(300, 8), labels=None, given=None, step=0, progress=torch.zeros(()))
    vae = Vae(latent=2, weight=0.1)
    told = {sigma: vae.measure({"encoder": Cloud(3.0, sigma), "generator": Told()}, batch) for sigma in (0.0, -2.0)}
    variance = torch.tensor(-4.0).exp()
    assert told[0.0].value == pytest.approx(float(batch.real.square().sum((1, 2, 3)).mean()) + 0.1 * 2 * 9)
    assert told[-2.0].value - told[0.0].value == pytest.approx(0.1 * 2 * float(variance - 1 + 4), abs=1e-3)


def test_the_map_of_a_two_dimensional_code_is_a_page_of_equally_probable_codes() -> None:
    grid = code_map(8)
    assert grid.shape == (8, 8, 2)
    assert (grid[:, 1:, 0] > grid[:, :-1, 0]).all(), "the first value grows to the right"
    assert (grid[:-1, :, 1] > grid[1:, :, 1]).all(), "the second grows upwards"
    torch.testing.assert_close(grid.mean((0, 1)), torch.zeros(2), atol=1e-6, rtol=0)
    shares = Normal(0.0, 1.0).cdf(grid[0, :, 0])
    torch.testing.assert_close(shares.diff(), torch.full((7,), 1 / 8))


@pytest.mark.parametrize("recipe", ["autoencoder", "vae"])
def test_the_sample_sheet_shows_the_code_map_where_the_code_is_two_dimensional(recipe: str, tmp_path: Path) -> None:
    rows = {
        latent: [panel.label for panel in run.observe(run.recipe.preview, 16)]
        for latent in (2, 3)
        if (run := runs.run(recipe, tmp_path / str(latent), latent=latent))
    }
    assert rows[2] == rows[3] + 16 * ["code map"]
    assert set(rows[3]) == {"real", "back", "between", "random"}


@pytest.mark.parametrize("recipe", ["autoencoder", "vae"])
@pytest.mark.parametrize(("count", "ways"), [(1, 0), (2, 1), (3, 1), (4, 2), (64, 2)])
def test_the_sample_sheet_shows_the_ways_between_as_many_pictures_as_there_are(
    recipe: str, count: int, ways: int, tmp_path: Path
) -> None:
    run = runs.run(recipe, tmp_path / "run")
    labels = [panel.label for panel in run.observe(run.recipe.preview, count)]
    assert labels == ["real", "back", *ways * ["between"], *4 * ["random"]]


def test_the_way_between_two_codes_begins_and_ends_at_them() -> None:
    start, end = torch.randn(2, 6)
    path = between(start, end, 5)
    assert path.shape == (5, 6)
    torch.testing.assert_close(path[0], start)
    torch.testing.assert_close(path[-1], end)


def test_encoder_and_decoder_are_both_served_and_the_variational_one_says_how_sure_it_is(folder: Path) -> None:
    manifest = contract.check(folder)
    assert manifest.tasks == ("generate", "reconstruct")
    assert manifest.latent == contract.Latent(size=8)
    encoder, generator = manifest.graphs["encoder"], manifest.graphs["generator"]
    assert [tensor.meaning for tensor in encoder.inputs] == ["image"]
    sure = manifest.training.recipe == "vae"
    assert [tensor.meaning for tensor in encoder.outputs] == ["latent", "deviation"][: 1 + sure]
    assert generator.input("latent").shape == encoder.output("latent").shape == ("n", 8)  # type: ignore[union-attr]
    assert encoder.inputs[0].sample == generator.output("image").sample == (16, 16, 1)


def test_what_the_folder_gives_back_is_measured_on_the_test_split_beside_as_many_components(folder: Path) -> None:
    ratio, similarity = reconstruct.measure(Request.of(folder, "digits", samples=100))
    assert [ratio.name, similarity.name] == ["PSNR", "SSIM"]
    assert "100 pictures of digits test at 16 px" in ratio.protocol
    for metric in (ratio, similarity):
        assert metric.others["8 principal components"] > metric.value, "64 batches are no training"
    recipe, networks, _ = export.restore(checkpoint.load(folder.parents[2] / "run" / LAST))
    assert isinstance(recipe, Autoencoder)
    test = data.load("digits", size=16, channels=1, split="test")
    real = batch_of(test.draw(fixed(test, 100))).real
    with torch.no_grad():
        back = recipe.reconstruct(networks, real)
    assert ratio.value == pytest.approx(reconstruct.psnr(back, real), abs=0.01)
    assert similarity.value == pytest.approx(reconstruct.ssim(back, real), abs=0.001)


def test_a_model_without_an_encoder_has_nothing_to_give_back(folder: Path) -> None:
    manifest = contract.read(folder)
    only = manifest.model_copy(update={"graphs": {"generator": manifest.graphs["generator"]}})
    with pytest.raises(EvaluationError, match="digits@1 has no encoder"):
        reconstruct.measure(Request(folder, only, "digits", samples=20))


def test_a_signal_to_noise_ratio_is_in_decibels_of_the_whole_range() -> None:
    real = torch.zeros(3, 1, 16, 16)
    assert reconstruct.psnr(real + 0.2, real) == pytest.approx(20)
    mixed = torch.cat([real[:1] + 0.2, real[:1] + 0.02])
    assert reconstruct.psnr(mixed, real[:2]) == pytest.approx(30), "the mean over pictures, not over pixels"
    assert reconstruct.psnr(real, real) == pytest.approx(54.15, abs=0.01)


def test_similarity_is_1_for_equal_pictures_and_does_not_care_where_grey_lies() -> None:
    real = pictures(4)
    assert reconstruct.ssim(real, real) == pytest.approx(1)
    noisy = (real + 0.3 * torch.randn(real.shape, generator=torch.Generator().manual_seed(1))).clamp(-1, 1)
    assert 0 < reconstruct.ssim(noisy, real) < 0.95
    # Without contrast only the means are left, which must be compared from black up.
    dark, black = torch.full((1, 1, 16, 16), -0.98), torch.full((1, 1, 16, 16), -1.0)
    assert reconstruct.ssim(dark, black) == pytest.approx(1e-4 / (1e-4 + 1e-4), abs=0.01)


def test_principal_components_give_back_what_lies_in_their_plane_and_nothing_else() -> None:
    basis = torch.linalg.qr(torch.randn(64, 3, generator=torch.Generator().manual_seed(0))).Q
    train = (0.1 * torch.randn(50, 2) @ basis[:, :2].T).reshape(50, 1, 8, 8)
    inside = 0.1 * basis[:, 0].reshape(1, 1, 8, 8)
    outside = 0.1 * basis[:, 2].reshape(1, 1, 8, 8)
    torch.testing.assert_close(reconstruct.principal(train, inside, 2), inside, atol=1e-5, rtol=0)
    mean = train.mean(0, keepdim=True)
    across = reconstruct.principal(train, mean + outside, 2)
    torch.testing.assert_close(across, mean, atol=1e-5, rtol=0)
