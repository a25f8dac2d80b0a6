"""The command `ganymede`: what it says, and its exit codes."""

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from pydantic_settings import CliApp

from app import cli, contract
from app.processes import serving
from app.settings import Settings
from tests import toy

Ganymede = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ganymede(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ganymede:
    """Runs the command with these arguments; its exit code, output and errors."""

    # These would end the tests, not a command.
    monkeypatch.setattr("app.processes.signals.end_at_once", lambda: None)

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ganymede", *map(str, arguments)])
        try:
            code = cli.main()
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Commands as an environment finds them that has neither torch, nor a runtime, nor a whole disk of extras."""
    for module, missing in (("trains", "torch.nn"), ("runs", "onnxruntime"), ("fails", "no_such_package")):
        (tmp_path / f"{module}.py").write_text(f"raise ModuleNotFoundError('missing', name='{missing}')")
    (tmp_path / "wraps.py").write_text(
        "try:\n    import runs\nexcept ImportError as missing:\n    raise ImportError('no runtime') from missing\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = [EntryPoint(name, f"{name}:command", cli.GROUP) for name in ("trains", "runs", "wraps")]
    found.append(EntryPoint("models", "app.cli:models", cli.GROUP))
    monkeypatch.setattr(cli, "entry_points", lambda group: found if group == cli.GROUP else [])


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_lists_every_command_with_its_purpose_or_its_extra(
    ganymede: Ganymede, bare: None, arguments: tuple[str, ...]
) -> None:
    code, said, _ = ganymede(*arguments)
    assert code == 0
    lines = [line.split(maxsplit=1) for line in said.splitlines() if line.startswith("  ")]
    assert dict(lines) == {
        "models": "List the models of a folder, show one, check that all can be served, or add one made elsewhere.",
        "runs": "needs the cpu or gpu extra",
        "trains": "needs the train extra",
        "wraps": "needs the cpu or gpu extra",
    }


@pytest.mark.parametrize(
    ("command", "install"),
    [
        ("trains", "pip install 'ganymede[train]'"),
        ("runs", "pip install 'ganymede[cpu]' or pip install 'ganymede[gpu]'"),
        ("wraps", "pip install 'ganymede[cpu]' or pip install 'ganymede[gpu]'"),
    ],
)
def test_a_command_whose_extra_is_missing_says_which(
    ganymede: Ganymede, bare: None, command: str, install: str
) -> None:
    assert ganymede(command) == (2, "", f"ganymede {command} needs what isn't installed: {install}\n")


def test_an_import_that_no_extra_mends_is_not_hidden(ganymede: Ganymede, bare: None, monkeypatch: object) -> None:
    monkeypatch.setattr(cli, "entry_points", lambda group: [EntryPoint("fails", "fails:command", group)])
    with pytest.raises(ModuleNotFoundError):
        ganymede("fails")


def test_an_unknown_command_lists_those_there_are(ganymede: Ganymede, bare: None) -> None:
    assert ganymede("sreve") == (2, "", "ganymede has no command 'sreve'; it has models, runs, trains, wraps\n")


def test_the_installed_command_serves_and_checks(ganymede: Ganymede) -> None:
    commands = {point.name for point in cli.entry_points(group=cli.GROUP)}
    assert {"serve", "models", "train", "export", "evaluate"} <= commands
    assert ganymede("--version")[1].startswith("ganymede ")


def test_every_setting_is_a_flag_of_serve(ganymede: Ganymede) -> None:
    code, said, _ = ganymede("serve", "--help")
    assert code == 0
    for name, field in Settings.model_fields.items():
        assert f"--{name.replace('_', '-')}" in said
        assert (field.description or "").split()[0] in said


def test_a_flag_wins_over_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANYMEDE_MAX_BATCH", "4")
    monkeypatch.setenv("GANYMEDE_MAX_SAMPLES", "5")
    flags = CliApp.run(serving.Flags, ["--max-batch", "8"])
    assert (flags.max_batch, flags.max_samples) == (8, 5)


def test_a_bad_flag_is_named_with_its_variable(ganymede: Ganymede) -> None:
    code, _, said = ganymede("serve", "--port", "99999")
    assert code == 2
    assert said.startswith("--port (GANYMEDE_PORT): Input should be less than or equal to 65535")


def test_a_flag_that_does_not_exist_is_refused(ganymede: Ganymede) -> None:
    code, _, said = ganymede("serve", "--prot", "1")
    assert code == 2
    assert "unrecognized arguments: --prot 1" in said


def test_a_device_that_is_not_there_is_said_at_start(ganymede: Ganymede, models_dir: Path) -> None:
    code, _, said = ganymede("serve", "--models", models_dir, "--device", "cuda")
    assert code == 2
    assert said.startswith("device 'cuda' can't be used: ")


def test_models_list_shows_one_line_each(ganymede: Ganymede, models_dir: Path) -> None:
    code, said, _ = ganymede("models", "list", "--models", models_dir)
    assert code == 0
    assert [line.split() for line in said.splitlines()] == [
        ["shapes@1", "generate;", "no", "classes;", "Toy", "shapes"],
        ["toy@2", "generate;", "2", "classes;", "Toy", "toy"],
        ["toy@1", "generate;", "2", "classes;", "Toy", "toy"],
    ]


def test_models_come_from_the_variable_too(
    ganymede: Ganymede, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANYMEDE_MODELS", str(models_dir))
    assert "shapes@1" in ganymede("models", "list")[1]


def test_models_show_prints_the_newest_manifest_without_pixels(ganymede: Ganymede, models_dir: Path) -> None:
    code, said, _ = ganymede("models", "show", "toy", "--models", models_dir)
    assert code == 0
    assert '"version": 2' in said
    assert '"pixels"' not in said


def test_models_show_of_an_unknown_one_lists_the_known(ganymede: Ganymede, models_dir: Path) -> None:
    code, _, said = ganymede("models", "show", "cow", "--models", models_dir)
    assert (code, said) == (1, f"{models_dir} has no model 'cow'; known: shapes@1, toy@2, toy@1\n")


def test_models_check_passes_good_models(ganymede: Ganymede, models_dir: Path) -> None:
    code, said, _ = ganymede("models", "check", "--models", models_dir)
    assert code == 0
    assert said.count("ok: files unaltered, 3 golden samples drawn right on ") == 3


def test_models_check_says_why_each_broken_one_is(ganymede: Ganymede, tmp_path: Path) -> None:
    toy.build(tmp_path, "good")
    (toy.build(tmp_path, "altered") / "generator.onnx").write_bytes(b"another")
    (toy.build(tmp_path, "empty") / "model.json").unlink()
    graph = toy.build(tmp_path, "nonsense") / "generator.onnx"
    graph.write_bytes(b"no graph")
    toy.rewrite(graph.parent)
    other = toy.build(tmp_path, "other")
    golden = contract.read(toy.build(tmp_path, "wrong", seed=5)).golden
    toy.rewrite(other, golden=golden)
    code, said, _ = ganymede("models", "check", "--models", tmp_path)
    assert code == 1
    reasons = dict(line.split(maxsplit=1) for line in said.splitlines())
    assert "altered: its SHA-256 is not the manifest's" in reasons["altered@1"].replace(" was", "")
    assert "model.json can't be read: No such file or directory" in reasons["empty@1"]
    assert "nonsense/1/generator.onnx is refused: it is no protobuf of ONNX" in reasons["nonsense@1"]
    assert "are not the exporter's" in reasons["other@1"]
    assert reasons["good@1"].startswith("ok: ")
    assert all(reasons[name].startswith("broken: ") for name in reasons if name not in ("good@1", "wrong@1"))


def test_models_check_takes_folders(ganymede: Ganymede, models_dir: Path) -> None:
    code, said, _ = ganymede("models", "check", models_dir / "toy" / "1")
    assert (code, said.split()[0], len(said.splitlines())) == (0, "toy@1", 1)


def test_models_check_of_an_empty_folder_fails(ganymede: Ganymede, tmp_path: Path) -> None:
    code, _, said = ganymede("models", "check", "--models", tmp_path)
    assert (code, said) == (1, f"{tmp_path} holds no model folder <name>/<version>/\n")
