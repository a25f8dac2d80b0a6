"""What a run is told: the settings that every recipe shares, and how presets and flags become one of them.

A recipe's own hyper-parameters are its fields; `ganymede train RECIPE` offers both as flags. A preset is one line in
the recipe, and a flag beats it.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model
from pydantic_settings import BaseSettings, CliApp, PydanticBaseSettingsSource, SettingsConfigDict

from training.recipes import Recipe, find, names

_COUNT = {"": 1, "k": 1_000, "m": 1_000_000}
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class ConfigError(ValueError):
    """Settings that can't be run; the message says which, and what is possible."""


def _scaled(value: object, units: dict[str, int], example: str) -> object:
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"([0-9]*\.?[0-9]+)\s*([a-z]?)", value.strip().lower())
    if match is None or match[2] not in units:
        raise ValueError(f"{value!r} can't be read: write it like {example}")
    return float(match[1]) * units[match[2]]


def _power_of_two(value: int) -> int:
    if value & (value - 1):
        raise ValueError(f"{value} is not a power of two: the networks double and halve")
    return value


PowerOfTwo = Annotated[int, AfterValidator(_power_of_two)]
# A flag's value comes as text, which no literal number equals.
Channels = Annotated[Literal[1, 3], BeforeValidator(lambda value: int(value) if value in ("1", "3") else value)]
Count = Annotated[int, BeforeValidator(lambda value: _scaled(value, _COUNT, "200k or 2M"))]
Seconds = Annotated[float, BeforeValidator(lambda value: _scaled(value, _SECONDS, "90s, 30m or 2h"))]


class RunSettings(BaseModel):
    """The settings of a run that no recipe owns. Everything is counted in real pictures shown to the discriminator."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str = Field(description="folder, zip, .npz, idx file, or `digits`")
    out: Path = Field(description="the run's folder: checkpoints, log and sample sheets")
    images: Count = Field(1_000_000, gt=0, description="budget in pictures, e.g. 200k or 2M")
    time: Seconds | None = Field(None, gt=0, description="budget in time, e.g. 30m; whichever budget ends first")
    size: PowerOfTwo = Field(32, ge=8, le=1024, description="pictures are brought to size×size")
    channels: Channels = Field(3, description="1 for grey, 3 for RGB")
    mirror: bool = Field(False, description="also show pictures mirrored left to right")
    batch: int = Field(64, gt=1, description="pictures a step, over all processes")
    rate: float = Field(2e-4, gt=0, description="Adam's learning rate")
    beta1: float = Field(0.0, ge=0, lt=1, description="Adam's first decay")
    beta2: float = Field(0.99, ge=0, lt=1, description="Adam's second decay")
    decay_from: float = Field(0.5, ge=0, lt=1, description="share of the run after which the rate falls to 0")
    average: Count = Field(50_000, gt=0, description="half-life of the weights' moving average, in pictures")
    seed: int = Field(0, ge=0, description="seed of everything random")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto takes CUDA where there is a GPU")
    precision: Literal["bf16", "fp32"] = Field("bf16", description="of the networks; losses are always fp32")
    threads: int | None = Field(None, gt=0, description="CPU threads; default: all that torch finds")
    status_every: Count = Field(10_000, gt=0, description="pictures between two status lines")
    sheet_every: Count = Field(50_000, gt=0, description="pictures between two sample sheets and measurements")
    save_every: Seconds = Field(300.0, gt=0, description="time between two checkpoints")
    resume: bool = Field(False, description="go on with the run in --out")


TRANSIENT = {"out", "resume", "threads", "status_every", "sheet_every", "save_every"}
"""Settings that do not change the weights: a resumed run may differ in them."""


class Flags(BaseSettings):
    """Reads flags only: a run must not depend on variables of the shell it was started from."""

    model_config = SettingsConfigDict(cli_kebab_case=True, cli_implicit_flags=True, cli_hide_none_type=True)

    @classmethod
    def settings_customise_sources(  # type: ignore[override]
        cls, _settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, **_others: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


Flagged = TypeVar("Flagged", bound=Flags)


def read(flags: type[Flagged], arguments: list[str]) -> Flagged:
    """The flags of `ganymede <name of the class>` as an object; ConfigError names each that is missing or wrong."""
    flags.model_config["cli_prog_name"] = f"ganymede {flags.__name__.lower()}"
    try:
        return CliApp.run(flags, cli_args=arguments)
    except ValidationError as error:
        raise ConfigError(_flaws(error)) from error


def parse(arguments: list[str]) -> dict[str, Any]:
    """`RECIPE --flag value …` to one flat dictionary for `build`: the preset's values, and the flags over them.

    Raises ConfigError for an unknown recipe or preset and for a value that is missing or out of range; an unknown flag
    or `--help` ends the program, as in any command-line program.
    """
    if not arguments or arguments[0].startswith("-"):
        raise ConfigError(f"name a recipe first, one of {', '.join(sorted(names()))}")
    try:
        recipe = find(arguments[0])
    except ValueError as error:
        raise ConfigError(str(error)) from error
    known = ", ".join(recipe.presets)
    fields: dict[str, Any] = {
        name: (field.annotation, field) for model in (RunSettings, recipe) for name, field in model.model_fields.items()
    }
    fields["preset"] = (str, Field("cpu", description=f"a set of defaults, one of {known}"))
    parsed = read(
        create_model(f"train {arguments[0]}", __base__=Flags, __doc__=recipe.__doc__, **fields), arguments[1:]
    )
    given = {name: getattr(parsed, name) for name in parsed.model_fields_set}
    preset = given.pop("preset", "cpu")
    if preset not in recipe.presets:
        raise ConfigError(f"{arguments[0]} has no preset {preset!r}: there are {known}")
    return {"recipe": arguments[0], **recipe.presets[preset], **given}


def build(values: dict[str, Any]) -> tuple[Recipe, RunSettings]:
    """The recipe and the run's settings out of one flat dictionary; ConfigError names each value that is wrong."""
    recipe = find(values["recipe"])
    own = {key: value for key, value in values.items() if key in recipe.model_fields}
    shared = {key: value for key, value in values.items() if key in RunSettings.model_fields}
    try:
        return recipe(**own), RunSettings(**shared)
    except ValidationError as error:
        raise ConfigError(_flaws(error)) from error


def flat(name: str, recipe: Recipe, settings: RunSettings) -> dict[str, Any]:
    """The dictionary, of JSON values only, from which `build` makes the two again."""
    return {"recipe": name, **settings.model_dump(mode="json"), **recipe.model_dump(mode="json")}


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What would change the weights if a run of settings `old` went on with `new`, one line each."""
    keys = sorted((old.keys() | new.keys()) - TRANSIENT)
    return [f"{key}: {old.get(key)!r} before, {new.get(key)!r} now" for key in keys if old.get(key) != new.get(key)]


def _flaws(error: ValidationError) -> str:
    return "; ".join(f"--{'.'.join(map(str, e['loc'])).replace('_', '-')}: {e['msg']}" for e in error.errors())
