"""Speech enhancement: what the networks see, who is judged against what, and numbers on sound whose answer is known."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from app import contract
from tests.training import runs, sources
from training import export as exporting
from training import spectra
from training.data import DataError, sound
from training.data.sound import RATE, Sound
from training.evaluation import EvaluationError, Request, enhance
from training.nets.blocks import Pair
from training.nets.speech import SpeechDiscriminator, SpeechGenerator, fold, unfold
from training.recipes import Batch
from training.recipes.segan import Segan
from training.wiener import wiener


def noise(*shape: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def generator() -> SpeechGenerator:
    """One that has learned something, as far as its mask is no constant."""
    torch.manual_seed(0)
    network = SpeechGenerator(width=8).eval()
    for part in (network.mask, *(block.second for blocks in network.descent for block in blocks)):
        nn.init.normal_(part.weight, std=0.1)
    return network


def test_frames_are_the_sound_cut_up_and_back() -> None:
    sound = noise(2, 1, 64)
    frames = fold(sound, 16)
    assert torch.equal(frames[1, :, 0, 2], sound[1, 0, 32:48])
    assert torch.equal(unfold(frames), sound)


def test_an_untrained_generator_gives_back_its_input_a_little_damped() -> None:
    sound = noise(2, 1, 8192)
    with torch.no_grad():
        given = SpeechGenerator(width=8)(sound)
    inside = slice(256, -256)
    torch.testing.assert_close(given[..., inside], np.tanh(1.5) * sound[..., inside], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("length", [1024, 4096, 10 * 1024])
def test_the_generator_takes_any_multiple_of_its_stride(generator: SpeechGenerator, length: int) -> None:
    assert generator.multiple == 1024
    assert generator(noise(1, 1, length)).shape == (1, 1, length)


@torch.no_grad()
def test_each_row_stands_alone_and_sound_far_away_changes_nothing(generator: SpeechGenerator) -> None:
    sound = noise(2, 1, 40 * 1024)
    together = generator(sound)
    torch.testing.assert_close(together[:1], generator(sound[:1]), atol=1e-6, rtol=1e-5)
    later = sound.clone()
    later[..., 20 * 1024 :] = 0
    # Three eighths of an overlap are enough to know all that counts: pieces of a recording meet without a seam.
    same = 20 * 1024 - 3 * enhance.OVERLAP // 8
    torch.testing.assert_close(generator(later)[..., :same], together[..., :same], atol=1e-6, rtol=1e-5)


@torch.no_grad()
def test_the_discriminator_tells_candidate_and_noisy_apart() -> None:
    critic = SpeechDiscriminator(width=8).eval()
    clean, noisy = noise(2, 1, 4096), noise(2, 1, 4096, seed=1)
    right = critic(Pair(candidate=clean, condition=noisy))
    assert right.shape == (2, 4096 // 256)
    assert right.dtype == torch.float32
    assert not torch.allclose(right, critic(Pair(candidate=noisy, condition=clean)))


class Noted(nn.Module):
    """A discriminator that notes the pairs it is asked about."""

    def __init__(self) -> None:
        super().__init__()
        self.pairs: list[Pair] = []

    def forward(self, pair: Pair) -> Tensor:
        self.pairs.append(pair)
        return pair.candidate.mean(2)


class Halved(nn.Module):
    def forward(self, noisy: Tensor) -> Tensor:
        return noisy / 2


def test_the_pair_is_the_candidate_then_the_noisy_sound_in_both_phases() -> None:
    clean, noisy = noise(3, 1, 2048), noise(3, 1, 2048, seed=1)
    networks: dict[str, nn.Module] = {"generator": Halved(), "critic": Noted()}
    batch = Batch(clean, None, noisy, step=0, progress=torch.zeros(()))
    for phase in ("critic", "generator"):
        Segan().terms(phase, networks, batch)
    critic = networks["critic"]
    assert isinstance(critic, Noted)
    both, fake = critic.pairs
    assert torch.equal(both.candidate, torch.cat([clean, noisy / 2]))
    assert torch.equal(both.condition, torch.cat([noisy, noisy]))
    assert torch.equal(fake.candidate, noisy / 2)
    assert torch.equal(fake.condition, noisy)


def test_the_critic_wants_the_clean_pair_high_and_the_generator_its_own() -> None:
    batch = Batch(torch.ones(2, 1, 2048), None, torch.zeros(2, 1, 2048), step=0, progress=torch.zeros(()))
    networks: dict[str, nn.Module] = {"generator": Halved(), "critic": Noted()}
    # The discriminator scores the mean of a candidate: 1 for the clean, 0 for what was generated. It is right.
    assert Segan().terms("critic", networks, batch)["tell"].item() == 0
    told = Segan(adversarial=2, l1=100, spectral=0).terms("generator", networks, batch)
    assert told["fool"].item() == pytest.approx(2 * 0.5)
    assert told["l1"].item() == pytest.approx(100)
    assert told["spectral"].item() == 0


def test_the_spectral_distance_is_zero_for_equal_sounds_and_ignores_their_phase() -> None:
    time = torch.arange(16384) / RATE
    sine, cosine = (0.1 * f(2 * np.pi * 1000 * time)[None] for f in (torch.sin, torch.cos))
    assert spectra.distance(sine, sine).item() == 0
    assert spectra.distance(sine, cosine) < 0.1 * spectra.distance(sine, noise(1, 16384))


def test_a_spectrogram_shows_a_high_tone_above_a_low_one() -> None:
    time = torch.arange(16384) / RATE
    picture = spectra.picture(torch.stack([torch.sin(2 * np.pi * f * time) for f in (500.0, 6000.0)]))
    assert picture.shape == (2, 3, 256, 129)
    assert picture.min() >= -1
    assert picture.max() <= 1
    low, high = picture.sum(1)[:, :, 64].argmax(1).tolist()
    assert low == pytest.approx(255 - 256 * 500 / 8000, abs=2)
    assert high == pytest.approx(255 - 256 * 6000 / 8000, abs=2)


def test_without_a_folder_of_noise_the_one_in_the_data_is_taken(tmp_path: Path) -> None:
    sources.speech(tmp_path / "speech")
    sources.noise(tmp_path / "speech" / "noise")
    _, settings = runs.parse("segan", "--data", str(tmp_path / "speech"), "--out", str(tmp_path), "--size", "4096")
    examples = Segan().examples(settings)
    assert examples.source == "speech train in noise"
    assert len(examples) == 8 * 7
    with pytest.raises(DataError, match="away is no folder"):
        Segan(noise=tmp_path / "away").examples(settings)


def test_the_mixtures_that_are_measured_are_of_all_utterances() -> None:
    speech, noise = (
        tuple(sound.Recording(f"{i}.wav", np.full(100, i + 1, np.float32) / 100) for i in range(count))
        for count in (50, 7)
    )
    heard = [round(float(clean[0]) * 100) for clean, _ in enhance._mixtures(speech, noise, 100.0, 10)]
    assert len(set(heard)) > 5
    assert max(heard) > 25


def test_sound_has_one_channel_and_no_mirror_image(tmp_path: Path) -> None:
    for setting in ({"channels": 3}, {"mirror": True}):
        with pytest.raises(DataError, match="leave --channels and --mirror out"):
            runs.run("segan", tmp_path / "run", **setting)


def test_clips_that_the_generator_cannot_halve_are_an_error_before_the_first_step(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="clips of 512 samples: use a --size in multiples of 1024"):
        runs.run("segan", tmp_path / "run", size=512)
    runs.run("segan", tmp_path / "run", size=1024).step()


def test_si_sdr_by_hand() -> None:
    clean, error = np.array([1, 1, -1, -1], np.float32), np.array([1, -1, 1, -1], np.float32)
    assert enhance.si_sdr(clean, 3 * (clean + 0.1 * error)) == pytest.approx(20, abs=1e-3)


def test_the_wiener_filter_damps_steady_noise_and_leaves_what_moves() -> None:
    time = np.arange(4 * RATE) / RATE
    # Half a second of silence, then short glides with pauses between them, as in speech.
    glides = 0.3 * np.sin(2 * np.pi * (300 + 500 * (time % 1)) * time) * (time % 0.5 < 0.25) * (time > 0.5)
    hiss = 0.05 * np.random.default_rng(0).standard_normal(len(time))
    clean, noisy = glides.astype(np.float32), (glides + hiss).astype(np.float32)
    filtered = wiener(noisy)
    assert filtered.shape == clean.shape
    assert enhance.si_sdr(clean, filtered) > enhance.si_sdr(clean, noisy) + 4
    assert np.square(wiener(hiss.astype(np.float32))).mean() < 0.05 * np.square(hiss).mean()


@pytest.mark.parametrize("length", [1, 255, 256, 1000])
def test_the_wiener_filter_takes_any_length_and_silence(length: int) -> None:
    assert np.array_equal(wiener(np.zeros(length, np.float32)), np.zeros(length, np.float32))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of a short run, beside its data."""
    at = tmp_path_factory.mktemp("segan")
    run = runs.train("segan", at / "run", images=96)
    licence = contract.Licence(data="made here", weights="MIT")
    return exporting.export(run, at / "models", name="speech", licence=licence, half=True)


def test_the_exported_graph_says_what_sound_it_takes(folder: Path) -> None:
    manifest = contract.check(folder)
    assert manifest.tasks == ("enhance",)
    (noisy,) = manifest.graphs["generator"].inputs
    assert (noisy.meaning, noisy.rate, noisy.multiple, noisy.range) == ("audio", RATE, 1024, (-1, 1))
    assert (folder / "samples.png").exists()


def test_the_exported_graph_does_not_tell_the_paths_of_the_machine_that_exported_it(folder: Path) -> None:
    assert b"speech.py" not in (folder / "generator.onnx").read_bytes()


def test_sound_of_any_length_comes_back_as_long_and_without_a_seam(folder: Path) -> None:
    graph = Request.of(folder, "nowhere").graph()
    for length in (1, 1000, enhance.SIZE, 3 * enhance.SIZE + 17):
        assert enhance.enhanced(graph, noise(length).numpy()).shape == (length,)
    sound = noise(2 * enhance.SIZE)
    whole = graph(sound[None, None])
    assert isinstance(whole, Tensor)
    # The last piece ends in silence, and not where the sound ends.
    heard = slice(-enhance.OVERLAP // 4)
    np.testing.assert_allclose(enhance.enhanced(graph, sound.numpy())[heard], whole[0, 0].numpy()[heard], atol=1e-5)


def test_numbers_stand_beside_the_noisy_and_the_filtered_sound(folder: Path) -> None:
    data = folder.parents[2]
    request = Request.of(folder, str(data / "speech"), options={"noise": str(data / "noise")}, samples=2)
    metrics = {metric.name: metric for metric in enhance.measure(request)}
    for ratio in (0, 5, 10, 15):
        metric = metrics[f"SI-SDR at {ratio} dB"]
        assert set(metric.others) == {"noisy", "Wiener"}
        assert metric.others["noisy"] == pytest.approx(ratio, abs=0.5)
        assert metric.others["Wiener"] != metric.others["noisy"]
        assert 0 < metrics[f"STOI at {ratio} dB"].value <= 1
        assert "mean of 2 mixtures of 8 test utterances of speech with 2 held-out noises of noise" in metric.protocol


def test_pesq_is_measured_where_it_is_installed_and_missed_in_a_sentence_where_not(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(enhance.importlib.util, "find_spec", lambda name: None)
    assert list(enhance._scores()) == ["SI-SDR", "STOI"]
    assert "PESQ is not measured: pip install 'ganymede[pesq]', which needs a C compiler" in caplog.text


def test_pesq_hears_that_nothing_is_wrong_and_that_there_is_no_speech() -> None:
    pytest.importorskip("pesq", reason="PESQ is an extra of its own, which needs a C compiler")
    score = enhance._scores()["PESQ"]
    time = np.arange(2 * RATE) / RATE
    spoken: Sound = (0.2 * np.sin(2 * np.pi * 300 * time) * (np.sin(2 * np.pi * 2 * time) > 0)).astype(np.float32)
    assert score(spoken, spoken) > 4.5
    assert np.isnan(score(np.zeros_like(spoken), np.zeros_like(spoken)))


def test_a_model_of_another_rate_is_refused(folder: Path) -> None:
    request = Request.of(folder, "nowhere")
    graph = request.manifest.graphs["generator"]
    slow = graph.model_copy(update={"inputs": (graph.inputs[0].model_copy(update={"rate": 8000}),)})
    request.manifest.graphs["generator"] = slow
    with pytest.raises(EvaluationError, match="speech@1 takes no sound of 16000 Hz"):
        enhance.measure(request)
