"""A recording goes in, in whatever form, and comes out as the model makes it: at its rate and without a seam."""

import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from starlette.testclient import TestClient

from app import contract
from app.engine import providers
from app.media import audio
from app.media.audio import Samples
from app.media.provenance import Derivation
from app.settings import Settings
from tests import toy_sound
from tests.api.conftest import Serve, count, start
from tests.media.sounds import comment, file, noise, noisy_speech, tone
from tests.toy_sound import LONG, RATE, SHORT

SPEECH = Path(__file__).parents[2] / "models" / "speech"


@pytest.fixture(scope="module")
def client(sound_models: Path) -> Iterator[TestClient]:
    with ExitStack() as running:
        yield start(running, Settings(models=sound_models, device="cpu", threads=2, encode_threads=2))


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of the shipped model."""
    folder = tmp_path_factory.mktemp("speech")
    shutil.copytree(SPEECH, folder / "speech")
    with ExitStack() as running:
        yield start(running, Settings(models=folder, device="cpu", threads=2, encode_threads=2))


def heard(content: bytes) -> Samples:
    """The samples in a file, [channels, t]."""
    return audio.decode(content).samples


def detail(response: Any, status: int) -> str:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    return str(response.json()["detail"])


def decibels(value: float) -> float:
    """Of full scale."""
    return float(20 * np.log10(max(value, 1e-12)))


def test_a_recording_comes_back_at_its_rate_and_in_its_form(client: TestClient) -> None:
    given = noise(1, SHORT)
    answer = client.post("/enhance", content=file(given, RATE, "WAV", "FLOAT"))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["x-model"] == "hush@1"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["vary"] == "Accept"
    assert answer.headers["content-disposition"] == 'inline; filename="hush-1.wav"'
    sound = audio.decode(answer.content)
    assert (sound.kind, sound.subtype, sound.rate) == ("wav", "FLOAT", RATE)
    assert np.array_equal(sound.samples, given / 2)


def test_body_and_form_are_one(client: TestClient) -> None:
    data = file(noise(2, SHORT), RATE, "FLAC")
    body = client.post("/enhance?format=wav", content=data)
    form = client.post("/enhance", files={"audio": data}, data={"format": "wav"})
    assert body.status_code == form.status_code == 200
    assert body.content == form.content


@pytest.mark.parametrize("frames", [1, SHORT, LONG])
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
def test_each_channel_is_enhanced_whatever_their_number(
    client: TestClient, kind: str, channels: int, frames: int
) -> None:
    given = noise(channels, frames)
    sound = audio.decode(client.post("/enhance", content=file(given, RATE, kind, "PCM_24")).content)
    assert (sound.kind, sound.subtype) == (kind.lower(), "PCM_24")
    assert sound.samples.shape == given.shape
    assert np.abs(sound.samples - given / 2).max() <= 2**-23


@pytest.mark.parametrize("rate", [4_000, 11_025, 22_050, 44_100, 48_000, 192_000])
@pytest.mark.parametrize("seconds", [0.4, 4])
def test_any_rate_is_taken_and_kept(client: TestClient, rate: int, seconds: float) -> None:
    frames = int(seconds * rate)
    given = tone(440, rate, frames)
    sound = audio.decode(client.post("/enhance", content=file(given, rate, "FLAC", "PCM_24")).content)
    assert (sound.rate, sound.frames) == (rate, frames)
    away = slice(frames // 8, -frames // 8)
    assert np.abs(sound.samples - given / 2)[:, away].max() < 1e-4


@pytest.mark.parametrize(
    ("kind", "subtype", "query", "accept", "expected"),
    [
        ("WAV", "PCM_16", "", "*/*", "wav PCM_16"),
        ("WAV", "PCM_16", "?format=flac", "audio/wav", "flac PCM_16"),
        ("WAV", "FLOAT", "", "audio/flac", "flac PCM_24"),
        ("WAV", "PCM_16", "", "audio/wav;q=0.5, audio/flac", "flac PCM_16"),
        ("FLAC", "PCM_16", "", "audio/*", "flac PCM_16"),
        ("FLAC", "PCM_16", "?format=wav", "*/*", "wav PCM_16"),
        ("OGG", "VORBIS", "", "*/*", "flac PCM_16"),
        ("MP3", "MPEG_LAYER_III", "", "*/*", "flac PCM_16"),
        ("OGG", "VORBIS", "", "audio/wav", "wav PCM_16"),
    ],
)
def test_the_form_is_that_of_the_recording_or_the_one_asked_for(
    client: TestClient, kind: str, subtype: str, query: str, accept: str, expected: str
) -> None:
    data = file(noise(1, 20_000), 48_000, kind, subtype)
    answer = client.post(f"/enhance{query}", content=data, headers={"accept": accept})
    sound = audio.decode(answer.content)
    assert f"{sound.kind} {sound.subtype}" == expected
    assert answer.headers["content-type"] == f"audio/{sound.kind}"
    assert ("vary" in answer.headers) == (not query)


def test_a_client_that_takes_no_sound_is_told_what_there_is(client: TestClient) -> None:
    answer = client.post("/enhance", content=file(noise(1, 100), RATE), headers={"accept": "image/png"})
    assert detail(answer, 406) == "Nothing here can be sent as 'image/png'; offered: audio/wav, audio/flac."


@pytest.mark.parametrize("frames", [SHORT, LONG])
@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
def test_the_answer_says_which_model_made_it_and_of_what(client: TestClient, kind: str, frames: int) -> None:
    data = file(noise(1, frames), RATE, kind)
    answer = client.post("/enhance", content=data)
    said = Derivation.model_validate_json(comment(answer.content))
    assert (said.model, said.version, said.verb, said.source) == ("hush", 1, "enhance", contract.digest(data))
    assert said.digest == client.app.state.service.catalog.get("hush", task="enhance").digest  # type: ignore[attr-defined]
    assert client.post("/enhance", content=data).content == answer.content, "no time, no address: the same each time"


def test_where_the_time_went_is_told(client: TestClient) -> None:
    before = count(client, "ganymede_phase_seconds_count", model="hush@1", phase="decode")
    answer = client.post("/enhance", content=file(noise(1, SHORT), RATE))
    told = dict(part.split(";", 1) for part in answer.headers["server-timing"].split(", "))
    assert list(told) == ["queue", "batch", "decode", "infer", "encode", "total"]
    assert float(told["decode"].removeprefix("dur=")) > 0
    assert count(client, "ganymede_phase_seconds_count", model="hush@1", phase="decode") == before + 1


WAV = file(noise(1, 1000), RATE)
FLAC = file(noise(1, 1000), RATE, "FLAC")


@pytest.mark.parametrize(
    ("content", "status", "kind", "message"),
    [
        (b"", 422, "invalid-parameter", "audio: is missing: send the file as the body, or as the part 'audio' of a"),
        (b"no sound", 415, "unsupported-sound", "The first bytes are not those of a WAV, FLAC, Ogg or MP3 file"),
        (b"\x89PNG\r\n\x1a\n", 415, "unsupported-sound", "send one of these"),
        (WAV[:1000], 422, "unreadable-sound", "The WAV file has 956 of 2000 bytes of sound; send all of it."),
        (FLAC[: len(FLAC) // 2], 422, "unreadable-sound", "The FLAC file is damaged, or breaks off before the end"),
        (file(noise(1, 0), RATE), 422, "unreadable-sound", "holds no sound: its header is all there is."),
        (file(noise(9, 10), RATE), 422, "unreadable-sound", "The sound has 9 channels; 8 are taken at most: mix it"),
        (file(noise(1, 10) * np.nan, RATE, "WAV", "FLOAT"), 422, "unreadable-sound", "holds NaN or infinity"),
        (file(noise(1, 10), 500), 422, "unreadable-sound", "has 500 samples a second; 1000 to 384000 are taken"),
    ],
    ids=["nothing", "text", "PNG", "half a WAV", "half a FLAC", "no frames", "nine channels", "NaN", "500 Hz"],
)
def test_what_can_t_be_used_is_refused_in_words(
    client: TestClient, content: bytes, status: int, kind: str, message: str
) -> None:
    for answer in (client.post("/enhance", content=content), client.post("/enhance", files={"audio": content})):
        assert message in detail(answer, status)
        assert answer.json()["type"] == f"urn:ganymede:problem:{kind}"


def test_flac_can_t_be_had_of_every_rate(client: TestClient) -> None:
    data = file(noise(1, 1000), 96_001)
    assert client.post("/enhance", content=data).status_code == 200
    said = detail(client.post("/enhance?format=flac", content=data), 422)
    assert said == "format: FLAC can't hold 96001 Hz, which is no multiple of 10 above 65535; ask for wav"


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("format=mp3", 422, 'format: must be one of wav, flac, not "mp3"'),
        ("n=2", 422, "n: there is no such parameter; known: model, timeout, priority, format"),
        ("timeout=31", 422, 'timeout: must be a number above 0 and up to 30, not "31"'),
        ("model=toy", 422, "model: toy@1 can generate, not enhance"),
        ("model=hush@2", 404, "There is no model 'hush@2'; known: hush@1, toy@1."),
    ],
)
def test_a_parameter_that_can_t_be_used_is_named(client: TestClient, query: str, status: int, message: str) -> None:
    assert detail(client.post(f"/enhance?{query}", content=WAV), status) == message


def test_a_recording_may_be_as_long_as_the_settings_say(serve: Serve, sound_models: Path) -> None:
    client = serve(models=sound_models, max_audio_seconds=2)
    assert client.post("/enhance", content=file(noise(1, 2 * RATE), RATE)).status_code == 200
    refused = client.post("/enhance", content=file(noise(1, 2 * RATE + 1), RATE, "FLAC"))
    assert detail(refused, 413) == (
        "The sound lasts 2 s; of 1 channels at 8000 Hz, 2 s are taken at most: send it in parts."
    )
    wide = file(np.zeros((8, 96_000), np.float32), 48_000, "FLAC")
    assert "of 8 channels at 48000 Hz, 1 s are taken at most" in detail(client.post("/enhance", content=wide), 413)
    assert "of up to 2 seconds" in client.get("/openapi.json").json()["paths"]["/enhance"]["post"]["description"]


def test_a_file_may_be_as_large_as_the_settings_say(serve: Serve, sound_models: Path) -> None:
    client = serve(models=sound_models, max_upload_mb=0.002)
    assert detail(client.post("/enhance", content=WAV), 413) == "The file may hold 2,000 bytes; send a smaller one."


def test_ten_minutes_in_stereo_are_not_too_much_by_default(serve: Serve, tmp_path: Path) -> None:
    toy_sound.build(tmp_path, clip=16_384)
    quiet = np.zeros((2, 600 * 16_000), np.int16)
    answer = serve(models=tmp_path).post("/enhance", content=file(quiet, 16_000, "FLAC"))
    assert answer.status_code == 200
    with soundfile.SoundFile(BytesIO(answer.content)) as opened:
        assert (opened.frames, opened.samplerate, opened.channels) == (600 * 16_000, 16_000, 2)


def test_what_can_t_be_done_by_the_deadline_is_refused_before_it_begins(serve: Serve, sound_models: Path) -> None:
    client = serve(models=sound_models)
    cost = client.app.state.service.catalog.get("hush", task="enhance").queues["generator"].cost  # type: ignore[attr-defined]
    for _ in range(200):
        cost.observe(cost.useful, cost.useful / 4)  # about a second for a piece
    said = detail(client.post("/enhance?timeout=20", content=file(noise(1, LONG), RATE)), 413)
    assert re.fullmatch(
        r"hush@1 would take \d+(\.\d)? s for all of it; the deadline is in (19.*|20) s: send it.*", said
    )
    assert count(client, "ganymede_refused_requests_total", model="hush@1", reason="deadline") == 1
    assert client.post("/enhance?timeout=20", content=file(noise(1, SHORT), RATE)).status_code == 200


def at_once(channel: Samples) -> Samples:
    """One channel [t] through the shipped network in a single piece."""
    manifest = contract.read(SPEECH / "1")
    session = providers.load(contract.load(SPEECH / "1", manifest, "generator.onnx"))
    (clean,) = session.run(["clean"], {"noisy": np.pad(channel, (0, -len(channel) % 1024))[None]})
    found: Samples = clean[0, : len(channel)]
    return found


def test_a_minute_of_noisy_speech_has_no_seam(speech: TestClient) -> None:
    given = noisy_speech(60, 16_000)
    answer = speech.post("/enhance", content=file(given, 16_000, "WAV", "FLOAT"))
    made, expected = heard(answer.content)[0], at_once(given[0]).clip(-1, 1)
    assert answer.headers["x-model"] == "speech@1"
    assert made.shape == expected.shape
    assert np.std(expected - given[0]) > 0.02, "the network does something"
    # The last piece ends in silence, and not where the recording ends.
    assert decibels(np.abs(made - expected)[:-16_384].max()) < -100


@pytest.mark.parametrize("seconds", [2, 15])
def test_the_channels_of_a_stereo_recording_don_t_know_of_each_other(speech: TestClient, seconds: int) -> None:
    given = np.concatenate([noisy_speech(seconds, 22_050), noisy_speech(seconds, 22_050, seed=1)[:, ::-1]])
    both = heard(speech.post("/enhance", content=file(given, 22_050, "FLAC")).content)
    for channel in range(2):
        alone = speech.post("/enhance", content=file(given[channel : channel + 1], 22_050, "FLAC"))
        assert np.array_equal(heard(alone.content)[0], both[channel])
