"""Speech in noise, enhanced: how much closer it comes to the clean, and how it would be heard."""

import importlib.util
import logging
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from pystoi import stoi
from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio

from app import contract, overlap
from training.batches import fixed
from training.data import sound
from training.data.mixtures import RATIOS, drown, looped
from training.data.sound import RATE, Sound, rms
from training.evaluation.request import EvaluationError, Request
from training.served import Served
from training.wiener import wiener

log = logging.getLogger("ganymede.evaluate")

NOISES = 3
"""Noises in which each utterance is heard, at each ratio."""
SIZE = 4 * 2**14
OVERLAP = 2**14
"""Samples of the pieces that the graph is given, and how far they overlap: 4 s and 1 s."""

Score = Callable[[Sound, Sound], float]


def measure(request: Request) -> tuple[contract.Metric, ...]:
    """SI-SDR, STOI and, where `pesq` is installed, wide-band PESQ at 0 to 15 dB, beside noisy and filtered sound.

    On whole utterances of the test split in held-out noises, through overlapping pieces. Raises `EvaluationError` or
    `DataError`.
    """
    graph = request.graph()
    if graph.graph.inputs[0].rate != RATE:
        raise EvaluationError(f"{request.manifest.reference} takes no sound of {RATE} Hz, which all is measured at")
    noise_folder = Path(request.options.get("noise", Path(request.data) / "noise"))
    speech = sound.load(request.data, split="test", shortest=RATE, without=noise_folder)
    noise = sound.load(noise_folder, split="test", hold_out=True)
    scores = _scores()
    told: list[contract.Metric] = []
    for ratio in RATIOS:
        rows = []
        for clean, noisy in _mixtures(speech, noise, ratio, request.samples):
            heard = {"": enhanced(graph, noisy), "noisy": noisy, "Wiener": wiener(noisy)}
            rows.append([[score(clean, candidate) for candidate in heard.values()] for score in scores.values()])
        protocol = _protocol(len(rows), len(speech), len(noise), Path(request.data).name, noise_folder.name)
        for name, (ours, noisily, filtered) in zip(scores, np.nanmean(np.array(rows), axis=0), strict=True):
            others = {"noisy": _rounded(noisily), "Wiener": _rounded(filtered)}
            told.append(
                contract.Metric(name=f"{name} at {ratio:g} dB", value=_rounded(ours), others=others, protocol=protocol)
            )
    return tuple(told)


def enhanced(graph: Served, noisy: Sound) -> Sound:
    """Sound [t] of any length through the graph, in overlapping pieces."""

    def process(pieces: Sound) -> Sound:
        clean = graph(torch.from_numpy(pieces).unsqueeze(1))
        assert isinstance(clean, torch.Tensor)
        return clean.squeeze(1).numpy()

    multiple = graph.graph.inputs[0].multiple
    return overlap.through(noisy, process, size=SIZE, overlap=OVERLAP, multiple=multiple)


def si_sdr(clean: Sound, candidate: Sound) -> float:
    """Scale-invariant signal-to-distortion ratio (Le Roux et al. 2019, eq. 5), in dB; of sounds [t]."""
    return float(scale_invariant_signal_distortion_ratio(torch.from_numpy(candidate), torch.from_numpy(clean)))


def _scores() -> dict[str, Score]:
    """Every score of (clean, candidate) by name; larger is better in all."""
    scores: dict[str, Score] = {"SI-SDR": si_sdr, "STOI": lambda clean, candidate: float(stoi(clean, candidate, RATE))}
    if importlib.util.find_spec("pesq") is None:
        log.warning("PESQ is not measured: pip install 'ganymede[pesq]', which needs a C compiler")
        return scores
    from pesq import PesqError, pesq

    def wide_band(clean: Sound, candidate: Sound) -> float:
        told = float(pesq(RATE, clean, candidate, "wb", on_error=PesqError.RETURN_VALUES))
        return told if told > 0 else np.nan  # it hears no speech at all

    return {**scores, "PESQ": wide_band}


def _mixtures(
    speech: tuple[sound.Recording, ...], noise: tuple[sound.Recording, ...], ratio: float, most: int
) -> Iterator[tuple[Sound, Sound]]:
    """Clean and noisy utterances: each with the next `NOISES` noises in turn, at one ratio over the whole of it."""
    pairs = [
        (utterance, noise[(NOISES * i + j) % len(noise)]) for j in range(NOISES) for i, utterance in enumerate(speech)
    ]
    for utterance, recording in (pairs[index] for index in fixed(pairs, most)):
        lasting = looped(recording.samples, 0, len(utterance.samples))
        # A short utterance may end before a noise begins.
        yield drown(utterance.samples, lasting, ratio, utterance.level, max(rms(lasting), recording.level / 10))


def _protocol(count: int, utterances: int, noises: int, speech: str, noise: str) -> str:
    judges = f"STOI by pystoi {version('pystoi')}"
    if importlib.util.find_spec("pesq"):
        judges += f", wide-band PESQ by pesq {version('pesq')}"
    return (
        f"mean of {count} mixtures of {utterances} test utterances of {speech} with {noises} held-out noises of "
        f"{noise}, at one ratio over the whole utterance; in pieces of {SIZE / RATE:.3g} s that overlap by "
        f"{OVERLAP / RATE:.3g} s; "
        f"SI-SDR in dB, {judges}; Wiener: decision-directed, with a tracked noise"
    )


def _rounded(value: float) -> float:
    """Four digits: further ones are noise."""
    return float(f"{value:.4g}")
