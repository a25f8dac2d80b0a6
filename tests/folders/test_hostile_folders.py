"""Folders that lead elsewhere, never end, or say absurd things: each is refused before any of it is used."""

import json
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app import contract
from app.contract import ContractError, bounds
from app.metrics import Metrics
from tests import toy
from tests.conftest import serving


def moved(path: Path) -> Path:
    """Moves a file or folder away, and puts a link to it in its place."""
    away = path.parents[2] / "elsewhere" if path.is_dir() else path.parents[3] / "elsewhere"
    path.rename(away)
    path.symlink_to(away)
    return path


def replaced(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


def grown(path: Path, size: int) -> None:
    """A file of that size, which takes no room on the disk."""
    os.truncate(path, size)


FOLDERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a link to a graph": (
        lambda f: moved(f / "generator.onnx"),
        r"generator\.onnx is a symbolic link: a model folder hol",
    ),
    "a link to a manifest": (lambda f: moved(f / "model.json"), r"model\.json is a symbolic link"),
    "a link to a version": (moved, r"toy/1 is a symbolic link"),
    "a link to a name": (lambda f: moved(f.parent), r"models/toy is a symbolic link"),
    "a link to a device": (
        lambda f: replaced(f / "generator.onnx", lambda path: path.symlink_to("/dev/zero")),
        r"generator\.onnx is a symbolic link",
    ),
    "a pipe in the place of a graph": (
        lambda f: replaced(f / "generator.onnx", os.mkfifo),
        r"onnx is no regular file$",
    ),
    "a pipe in the place of a manifest": (lambda f: replaced(f / "model.json", os.mkfifo), r"json is no regular file$"),
    "a folder in the place of a graph": (
        lambda f: replaced(f / "generator.onnx", Path.mkdir),
        r"generator\.onnx is no regular file$",
    ),
    "a graph of terabytes": (
        lambda f: grown(f / "generator.onnx", 2**42),
        r"generator\.onnx has 4,398,046,511,104 bytes; 2,147,483,648 are read at most$",
    ),
    "a manifest of gigabytes": (
        lambda f: grown(f / "model.json", 2**32),
        r"model\.json has 4,294,967,296 bytes; 64,000,000 are read at most$",
    ),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_that_leads_elsewhere_or_has_no_end_is_refused(name: str, tmp_path: Path) -> None:
    spoil, said = FOLDERS[name]
    folder = toy.build(tmp_path / "models")
    spoil(folder)
    began = time.monotonic()
    with pytest.raises(ContractError, match=said):
        contract.check(folder)
    assert time.monotonic() - began < 2


def test_where_the_models_lie_may_be_a_link(tmp_path: Path) -> None:
    toy.build(tmp_path / "disk")
    (tmp_path / "models").symlink_to(tmp_path / "disk")
    with serving(tmp_path / "models") as catalog:
        assert catalog.get("toy").manifest.reference == "toy@1"


def test_a_card_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    folder = toy.build(tmp_path)
    toy.present(folder)
    grown(folder / "README.md", 2**32)
    with pytest.raises(ContractError, match=r"README\.md has 4,294,967,296 bytes; 64,000,000 are read at most$"):
        contract.check(folder)


def test_a_graph_that_is_swapped_after_it_was_checked_is_not_the_one_that_is_loaded(tmp_path: Path) -> None:
    """Two writers change places all the time; what is loaded is what was hashed, or nothing."""
    folder = toy.build(tmp_path)
    path, good = folder / "generator.onnx", (folder / "generator.onnx").read_bytes()
    manifest, over = contract.read(folder), threading.Event()

    def swap() -> None:
        while not over.is_set():
            for data in (good[::-1], good):
                (folder / "next").write_bytes(data)
                (folder / "next").replace(path)

    swapper = threading.Thread(target=swap)
    swapper.start()
    outcomes = set()
    try:
        for _ in range(300):
            try:
                outcomes.add(contract.load_graph(folder, manifest, "generator.onnx")[0] == good)
            except ContractError as error:
                outcomes.add(str(error))
    finally:
        over.set()
        swapper.join()
    assert True in outcomes
    assert False not in outcomes
    assert outcomes <= {True, f"{path} was altered: its SHA-256 is not the manifest's"}


def rewritten(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "model.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def tensor(manifest: dict[str, Any], **facts: Any) -> None:
    manifest["graphs"]["generator"]["inputs"][0].update(facts)


def files(manifest: dict[str, Any], name: str) -> None:
    manifest["files"][name] = "0" * 64


MANIFESTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a path that climbs": (lambda m: files(m, "../x"), r"files\.\.\./x\.\[key\]: String should match pattern"),
    "an absolute path": (lambda m: files(m, "/etc/passwd"), r"/etc/passwd\.\[key\]: String should match pattern"),
    "a path with another slash": (lambda m: files(m, "a\\b"), r"String should match pattern"),
    "a hidden file": (lambda m: files(m, ".model.json"), r"String should match pattern"),
    "a name of a mile": (lambda m: files(m, "x" * 300), r"String should have at most 256 characters"),
    "a name with a line break": (lambda m: m.update(name="toy\n"), r"^.*name: String should match pattern"),
    "a name in other letters": (lambda m: m.update(name="tоy"), r"name: String should match pattern"),
    "a version beyond count": (
        lambda m: m.update(version=10**12),
        r"version: Input should be less than or equal to 999",
    ),
    "a field that nobody knows": (lambda m: m.update(hooks="import os"), r"hooks: Extra inputs are not permitted"),
    "a million classes": (lambda m: m.update(classes=["x"] * 10**6), r"classes: Tuple should have at most 65536 items"),
    "a class of a megabyte": (lambda m: m.update(classes=["x" * 10**6, "y"]), r"at most 200 characters"),
    "two classes of one name": (lambda m: m.update(classes=["cat", "cat"]), r"two of its classes have the same name"),
    "a class that turns the line": (
        lambda m: m.update(classes=["cat", "dog\u202egnp.exe"]),
        r"classes\.1: Value error, it holds U\+202E, which nobody sees",
    ),
    "a class with a header in it": (
        lambda m: m.update(classes=["cat", "dog\r\nSet-Cookie: a=b"]),
        r"classes\.1: Value error, it holds U\+000A, U\+000D, which nobody sees",
    ),
    "a title with a terminal's codes": (lambda m: m.update(title="\x1b[2J"), r"title: Value error, it holds U\+001B"),
    "a latent of gigabytes": (
        lambda m: m["latent"].update(size=10**9),
        r"latent\.size: Input should be less than or eq",
    ),
    "a side of petabytes": (
        lambda m: tensor(m, shape=["n", 2**50]),
        r"Input should be less than or equal to 2147483647",
    ),
    "sides that multiply": (
        lambda m: tensor(m, shape=["n", 2**20, 2**20]),
        r"a sample of z has 1,099,511,627,776 values; 134,217,728 are taken at most",
    ),
    "a negative side": (lambda m: tensor(m, shape=["n", -8]), r"Input should be greater than or equal to 1"),
    "a hundred axes": (lambda m: tensor(m, shape=["n"] * 100), r"shape: Tuple should have at most 8 items"),
    "an axis without a name": (lambda m: tensor(m, shape=["n", "a\x00"]), r"it holds U\+0000, which nobody sees"),
    "a range without an end": (
        lambda m: tensor(m, range=[0, float("inf")]),
        r"range\.1: Input should be a finite number",
    ),
    "a usual shape that it can't have": (
        lambda m: tensor(m, usual=[9]),
        r"z can't be \[9\] as a rule, since it is \['n', 8\]",
    ),
    "golden samples by the thousand": (
        lambda m: m.update(golden=m["golden"] * 100),
        r"golden: Tuple should have at most 64 items",
    ),
    "golden samples of gigabytes": (
        lambda m: m["golden"][0].update(shape=[2**20, 2**20, 3]),
        r"its golden samples have 3,298,534,\S+ values; 134,217,728 are taken at most",
    ),
    "notes of megabytes": (
        lambda m: m.update(notes="x" * 10**6),
        r"notes: String should have at most 65536 characters",
    ),
    "thousands of files": (
        lambda m: [files(m, f"f{n}") for n in range(5000)],
        r"files: Dictionary should have at most 64",
    ),
    "thousands of graphs": (
        lambda m: m["graphs"].update({f"g{n}": m["graphs"]["generator"] for n in range(5000)}),
        r"graphs: Dictionary should have at most 16",
    ),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_that_says_absurd_things_is_refused_in_few_words(name: str, tmp_path: Path) -> None:
    change, said = MANIFESTS[name]
    folder = toy.build(tmp_path)
    rewritten(folder, change)
    began = time.monotonic()
    with pytest.raises(ContractError) as refused:
        contract.check(folder)
    assert time.monotonic() - began < 3
    words = str(refused.value)
    assert re.search(said, words), words
    assert len(words) < 4000


@pytest.mark.parametrize(
    "text",
    ["[" * 10**6, '{"a":' * 10**6, "9" * 10**6, '{"name": "\ud800"}', "null", "[]", '"model"', "NaN", "", "\ufeff{}"],
    ids=["arrays", "objects", "digits", "surrogate", "null", "array", "text", "nan", "nothing", "mark"],
)
def test_what_is_no_manifest_is_refused_however_deep(text: str, tmp_path: Path) -> None:
    folder = toy.build(tmp_path)
    (folder / "model.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ContractError, match=r"model\.json is not a valid manifest: "):
        contract.check(folder)


def test_many_flaws_are_counted_and_the_first_ones_told(tmp_path: Path) -> None:
    folder = toy.build(tmp_path)
    rewritten(folder, lambda manifest: manifest.update({f"field{number}": 1 for number in range(1000)}))
    with pytest.raises(ContractError, match=r"field0: Extra inputs are not permitted; .*; and 992 more$"):
        contract.read(folder)


def test_hostile_folders_leave_the_others_and_the_metrics_alone(tmp_path: Path) -> None:
    toy.build(tmp_path, "good")
    for number, (change, _) in enumerate(MANIFESTS.values()):
        rewritten(toy.build(tmp_path, f"bad{number}"), change)
    metrics = Metrics()
    with serving(tmp_path, metrics) as catalog:
        states = {entry.name: entry.state for entry in catalog.entries()}
    assert states.pop("good") == "ready"
    assert len(states) == len(MANIFESTS)
    assert set(states.values()) == {"failed"}
    labels = {value for family in metrics.registry.collect() for one in family.samples for value in one.labels.values()}
    assert all(len(value) < 100 and value.isascii() for value in labels)


def test_the_shipped_models_are_far_below_every_bound() -> None:
    for path in sorted((Path(__file__).parents[2] / "models").glob("*/*/model.json")):
        manifest = contract.check(path.parent)
        assert path.stat().st_size < bounds.MANIFEST_BYTES / 100
        assert all((path.parent / file).stat().st_size < bounds.FILE_BYTES / 10 for file in manifest.files)
