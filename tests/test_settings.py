"""The knobs: where they come from, and what is said of a value that can't be."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.settings import Settings, explain


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANYMEDE_PORT", "9000")
    monkeypatch.setenv("GANYMEDE_MODELS", "/srv/models")
    monkeypatch.setenv("GANYMEDE_DEFAULT_MODEL", "cifar10@2")
    settings = Settings()
    assert (settings.port, settings.models, settings.default_model) == (9000, Path("/srv/models"), "cifar10@2")


def test_a_flag_beats_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANYMEDE_PORT", "9000")
    assert Settings(port=9001).port == 9001


def test_every_setting_describes_itself() -> None:
    assert all(field.description for field in Settings.model_fields.values())


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("port", 70000, "--port (GANYMEDE_PORT): Input should be less than or equal to 65535, not 70000"),
        ("threads", 0, "--threads (GANYMEDE_THREADS): Input should be greater than or equal to 1, not 0"),
        ("max_batch", 0, "--max-batch (GANYMEDE_MAX_BATCH): Input should be greater than or equal to 1, not 0"),
        ("queue_seconds", -1, "--queue-seconds (GANYMEDE_QUEUE_SECONDS): Input should be greater than 0, not -1"),
        *(
            (
                "device",
                device,
                "--device (GANYMEDE_DEVICE): must be auto, cpu, cuda, or GPUs by number, such as cuda:1 or cuda:0,1, "
                f"not {device!r}",
            )
            for device in ("tpu", "cuda:", "cuda:a", "cuda:0,", "cpu:0", "cuda:-1")
        ),
        ("load", "lazily", "--load (GANYMEDE_LOAD): Input should be 'start' or 'first-use', not 'lazily'"),
        ("memory_mb", 0, "--memory-mb (GANYMEDE_MEMORY_MB): Input should be greater than 0, not 0"),
        (
            "default_model",
            "My Model",
            "--default-model (GANYMEDE_DEFAULT_MODEL): must be a model's name or name@version, "
            "such as cifar10 or cifar10@2, not 'My Model'",
        ),
        ("batch", 3, "--batch (GANYMEDE_BATCH): Extra inputs are not permitted, not 3"),
    ],
)
def test_a_value_that_can_t_be_is_explained(name: str, value: object, said: str) -> None:
    with pytest.raises(ValidationError) as error:
        Settings.model_validate({name: value})
    assert explain(error.value) == said


def test_all_flaws_are_explained_at_once() -> None:
    with pytest.raises(ValidationError) as error:
        Settings.model_validate({"port": -1, "threads": 0})
    assert len(explain(error.value).splitlines()) == 2
