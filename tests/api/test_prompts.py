"""What of a prompt is heeded: the class and the model that it names."""

from pathlib import Path

import pytest

from app.api.faces.prompts import Prompt, meant
from app.engine.model import LiveModel
from app.errors import InvalidParameter
from tests import toy
from tests.conftest import serving

CLASSES = ["airplane", "horse", "dog", "hot dog", "T-shirt/top", "7", "pony", "fox", "glass", "犬"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[LiveModel]:
    """`beasts` with cat and dog, `pets` with dog and hamster, `shapes` without classes; each has a title, too."""
    folder: Path = tmp_path_factory.mktemp("models")
    toy.build(folder, "beasts", classes=("cat", "dog"))
    toy.build(folder, "pets", classes=("dog", "hamster"))
    toy.rewrite(toy.build(folder, "shapes", classes=()), title="Geometry, plain")
    with serving(folder) as catalog:
        return [catalog.get(name) for name in ("beasts", "pets", "shapes")]


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("dog", "dog"),
        ("A photo of a DOG, please!", "dog"),
        ("three dogs", "dog"),
        ("Horses on a beach", "horse"),
        ("ponies", "pony"),
        ("foxes", "fox"),
        ("glasses of water", "glass"),
        ("a t-shirt, top quality", "T-shirt/top"),
        ("a hot-dog stand", "hot dog"),
        ("a dog that is hot", "dog"),
        ("a horse and a dog", "horse"),
        ("a dog and a horse", "dog"),
        ("the number 7", "7"),
        ("可爱的 犬", "犬"),
    ],
)
def test_a_class_is_found_by_its_words_in_any_case_and_number(prompt: str, name: str) -> None:
    assert Prompt(prompt).first(CLASSES) == name


@pytest.mark.parametrize("prompt", ["", "a unicorn", "doghouse", "hotdog", "t shirt", "77", "2", "!?", "gas", "hors"])
def test_anything_else_is_no_class(prompt: str) -> None:
    assert Prompt(prompt).first([*CLASSES, "ga", "???"]) is None


@pytest.mark.parametrize(
    ("prompt", "model", "class_name"),
    [
        ("a dog", "beasts", "dog"),
        ("a hamster", "pets", "hamster"),
        ("pets: a dog", "pets", "dog"),
        ("a dog in the manner of toy pets", "pets", "dog"),
        ("dog shapes", "beasts", "dog"),
        ("pets", "pets", None),
        ("shapes", "shapes", None),
        ("Geometry", "shapes", None),
        ("geometry plain", "shapes", None),
    ],
)
def test_the_model_is_the_first_with_the_class_or_the_one_that_is_named(
    models: list[LiveModel], prompt: str, model: str, class_name: str | None
) -> None:
    live, found = meant(prompt, models)
    assert (live.manifest.name, found) == (model, class_name)


def test_a_prompt_that_names_nothing_is_told_what_there_is(models: list[LiveModel]) -> None:
    with pytest.raises(InvalidParameter) as told:
        meant("a unicorn", models)
    names = "classes: cat, dog, hamster; models: beasts, pets, shapes"
    assert told.value.detail == f"prompt: must name a class or a model; {names}"


def test_a_model_with_classes_is_told_them(models: list[LiveModel]) -> None:
    with pytest.raises(InvalidParameter) as told:
        meant("a hamster", models[:1])
    which = "must name a class of beasts@1, which has cat, dog; or the model, beasts, for any of them"
    assert told.value.detail == f"prompt: {which}"


def test_of_a_model_without_classes_any_prompt_draws(models: list[LiveModel]) -> None:
    assert meant("a unicorn", models[2:]) == (models[2], None)


def test_a_thousand_classes_are_listed_in_part(tmp_path: Path) -> None:
    toy.build(tmp_path, "many", classes=[f"thing{number}" for number in range(1000)])
    with serving(tmp_path) as catalog, pytest.raises(InvalidParameter) as told:
        meant("a unicorn", [catalog.get("many")])
    assert "thing39 and 960 more; or the model, many" in told.value.detail
