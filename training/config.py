"""What a run is told: the settings that every recipe shares, and how presets and flags become one of them.

A recipe's own hyper-parameters are its fields; `ganymede train RECIPE` offers both as flags. A preset is one line in
the recipe, and a flag beats it.
"""

from typing import Any, TypeVar

from pydantic import Field, ValidationError, create_model
from pydantic_settings import BaseSettings, CliApp, PydanticBaseSettingsSource, SettingsConfigDict

from training.recipes import Recipe, find, names
from training.settings import TRANSIENT, RunSettings


class ConfigError(ValueError):
    """Settings that can't be run; the message says which, and what is possible."""


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
