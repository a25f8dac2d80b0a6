"""Models that come, change and go by HTTP: who may, what is sent, what is refused, and what others see of it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.processes import listening
from app.settings import Settings
from tests import toy
from tests.api.conftest import start
from tests.api.test_guard import EVERYWHERE
from tests.archives import Files, tarred, zipped
from tests.keyring import key, written


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with version 1 of `toy`, which the test may change."""
    toy.build(tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture
def admin(models: Path) -> Iterator[TestClient]:
    """A client on this machine of an app that lets it change models."""
    with ExitStack() as running:
        yield here(running, models)


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, Path]]:
    """The same, and its models, for tests in which nothing is changed."""
    models = tmp_path_factory.mktemp("settled")
    toy.build(models)
    with ExitStack() as running:
        yield here(running, models), models


def here(running: ExitStack, models: Path) -> TestClient:
    settings = Settings(models=models, device="cpu", threads=1, encode_threads=1, admin=True, max_model_mb=1)
    return TestClient(
        start(running, settings).app, "http://127.0.0.1", raise_server_exceptions=False, client=("127.0.0.1", 50000)
    )


def version(
    tmp_path: Path, number: int = 2, change: Callable[[Path], object] = lambda _: None, name: str = "toy"
) -> Files:
    """The files of a version of `toy` that draws other pictures, changed in a way."""
    folder = toy.build(tmp_path / "sent", name, version=number, seed=number)
    change(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def shares(answer: Any) -> dict[int, float]:
    return {one["version"]: round(one["share"], 6) for one in answer.json()["versions"]}


def drawn_by(client: TestClient) -> str:
    return client.get("/generate?model=toy&seed=1").headers["X-Model"]


@pytest.mark.parametrize(("packed", "home"), [(zipped, ""), (tarred, "toy/2/")])
def test_a_version_that_is_sent_is_proven_kept_and_takes_over(
    admin: TestClient, models: Path, tmp_path: Path, packed: Callable[[Files, str], bytes], home: str
) -> None:
    files = version(tmp_path)
    answer = admin.put("/models/toy@2", content=packed(files, home))
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == "/models/toy@2"
    assert (answer.json()["model"], answer.json()["state"], shares(answer)) == ("toy@2", "ready", {2: 1, 1: 0})
    assert {path.name: path.read_bytes() for path in (models / "toy" / "2").iterdir()} == files
    assert sorted(path.name for path in models.iterdir()) == [".serving.json", "toy"]
    assert drawn_by(admin) == "toy@2"
    assert admin.get("/generate?model=toy@1&seed=1").headers["X-Model"] == "toy@1"
    again = admin.put("/models/toy@2", content=packed(files, home))
    assert again.status_code == 409
    assert again.json()["detail"].startswith("toy@2 is there already, and what a version draws never changes")


def test_a_version_may_be_sent_for_a_share_or_for_those_alone_who_name_it(admin: TestClient, tmp_path: Path) -> None:
    assert shares(admin.put("/models/toy@2?share=0.1", content=zipped(version(tmp_path)))) == {2: 0.1, 1: 0.9}
    assert shares(admin.put("/models/toy@3?share=0", content=zipped(version(tmp_path, 3)))) == {3: 0, 2: 0.1, 1: 0.9}
    drawn = [drawn_by(admin) for _ in range(40)]
    assert drawn.count("toy@2") == pytest.approx(4, abs=2)
    assert admin.get("/generate?model=toy@3&seed=1").status_code == 200
    new = admin.put("/models/fresh@1?share=0.5", content=zipped(version(tmp_path, 1, name="fresh")))
    assert shares(new) == {1: 1}


def test_a_rollback_a_canary_and_an_end(admin: TestClient, tmp_path: Path) -> None:
    before = admin.get("/generate?model=toy&seed=1").content
    admin.put("/models/toy@2", content=zipped(version(tmp_path)))
    assert admin.get("/generate?model=toy&seed=1").content != before
    back = admin.post("/models/toy/load", json={"version": 1})
    assert (back.json()["model"], shares(back)) == ("toy@1", {2: 0, 1: 1})
    assert admin.get("/generate?model=toy&seed=1").content == before
    assert shares(admin.post("/models/toy/load?canary=2:0.25")) == {2: 0.25, 1: 0.75}
    assert shares(admin.post("/models/toy/load")) == {2: 1, 1: 0}
    gone = admin.post("/models/toy/unload?version=1")
    assert gone.json()["versions"][1] == {
        "version": 1,
        "state": "retired",
        "reason": "an operator took it out of service",
        "share": 0,
    }
    pinned = admin.get("/generate?model=toy@1&seed=1")
    assert (pinned.status_code, pinned.json()["type"]) == (404, "urn:ganymede:problem:retired-model")
    assert pinned.json()["detail"] == "toy@1 was taken out of service; in service: toy@2."
    assert admin.get("/models/toy@1/card").json()["detail"] == pinned.json()["detail"]
    assert admin.get("/readyz").status_code == 200
    assert 'ganymede_model_swaps_total{name="toy",result="done"} 4.0' in admin.get("/metrics").text


def test_a_picture_of_a_version_that_was_taken_out_is_gone_not_broken(admin: TestClient, tmp_path: Path) -> None:
    picture = admin.get("/generate?model=toy@1&seed=1").content
    admin.put("/models/toy@2", content=zipped(version(tmp_path)))
    admin.post("/models/toy/unload?version=1")
    answer = admin.post("/reproduce", content=picture)
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "The model is gone: toy@1 was taken out of service; in service: toy@2.",
    )


def test_only_what_is_not_in_service_can_be_deleted(admin: TestClient, models: Path, tmp_path: Path) -> None:
    admin.put("/models/toy@2", content=zipped(version(tmp_path)))
    refused = admin.delete("/models/toy@2")
    assert (refused.status_code, refused.json()["detail"]) == (409, "toy@2 is in service: unload it first.")
    admin.post("/models/toy/unload?version=2")
    assert admin.delete("/models/toy@2").status_code == 204
    assert not (models / "toy" / "2").exists()
    assert admin.delete("/models/toy@2").status_code == 404
    assert [one["model"] for one in admin.get("/models").json()["models"]] == ["toy@1"]
    assert "toy@2" not in admin.get("/metrics").text
    assert admin.put("/models/toy@2", content=zipped(version(tmp_path / "again"))).status_code == 201


def test_a_version_that_may_not_be_served_is_not_kept_and_says_why(
    admin: TestClient, models: Path, tmp_path: Path
) -> None:
    before = admin.get("/generate?model=toy&seed=1").content
    wrong: list[tuple[Callable[[Path], object], str]] = [
        (toy.taint, "toy/2/generator.onnx is refused: "),
        (toy.lie, "the golden samples, drawn alone, are not the exporter's"),
        (lambda folder: (folder / "generator.onnx").write_bytes(b""), "was altered"),
        (lambda folder: (folder / "model.json").write_text("{}"), "is not a valid manifest"),
        (lambda folder: toy.rewrite(folder, version=3), "says toy@3, its folder says toy@2"),
        (lambda folder: (folder / "model.json").unlink(), "the archive holds no model.json"),
    ]
    for number, (change, said) in enumerate(wrong):
        answer = admin.put("/models/toy@2", content=zipped(version(tmp_path / str(number), 2, change)))
        assert answer.status_code == 422
        assert answer.json()["type"] == "urn:ganymede:problem:model-refused"
        assert said in answer.json()["reason"]
        assert answer.json()["detail"].endswith("toy goes on with version 1.")
        assert ".incoming" not in answer.text
        failed, serving = admin.get("/models/toy").json()["versions"]
        assert (failed["state"], failed["reason"], serving["share"]) == ("failed", answer.json()["reason"], 1)
    assert admin.get("/generate?model=toy&seed=1").content == before
    assert admin.get("/readyz").status_code == 200
    assert not (models / "toy" / "2").exists()
    assert admin.put("/models/toy@2", content=zipped(version(tmp_path))).status_code == 201


def test_a_hostile_archive_is_refused_and_leaves_nothing(settled: tuple[TestClient, Path]) -> None:
    admin, models = settled
    answer = admin.put("/models/toy@2", content=zipped({"../model.json": b"{}"}))
    assert answer.status_code == 422
    assert "doesn't lie in the folder of the others" in answer.json()["detail"]
    assert sorted(path.name for path in models.rglob("*") if path.is_file() and path.name != ".serving.json") == [
        "generator.onnx",
        "model.json",
    ]
    assert drawn_by(admin) == "toy@1"
    assert admin.get("/models/toy").json()["versions"][0]["state"] == "failed"
    assert admin.delete("/models/toy@2").status_code == 204
    assert len(admin.get("/models/toy").json()["versions"]) == 1


def test_an_archive_that_is_too_large_is_not_even_written(settled: tuple[TestClient, Path]) -> None:
    admin, models = settled
    for body in (b"\0" * 1_000_001, iter([b"\0" * 600_000] * 2)):
        answer = admin.put("/models/toy@2", content=body)
        assert (answer.status_code, answer.json()["detail"]) == (
            413,
            "The archive may hold 1,000,000 bytes; send a smaller one.",
        )
    assert [path.name for path in models.iterdir() if path.name != ".serving.json"] == ["toy"]


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("POST", "/models/nobody/load", 404, "There is no model 'nobody'; known: toy@1."),
        ("POST", "/models/toy/load?version=9", 404, "There is no model 'toy@9'; known: toy@1."),
        ("POST", "/models/%2e%2e/load?version=1", 404, "There is no model '..@1'; known: toy@1."),
        ("POST", "/models/toy/unload?version=9", 404, "There is no model 'toy@9'; known: toy@1."),
        ("POST", "/models/toy/load?version=0", 422, 'version: must be an integer from 1 to 999999999, not "0"'),
        ("POST", "/models/toy/load?canary=2", 422, "canary: must be versions with shares, such as 2:0.1, not '2'"),
        ("POST", "/models/toy/load?canary=2:.6,3:.6", 422, "canary: has shares of 1.2 in all; they may be 1"),
        (
            "POST",
            "/models/toy/load?canary=1:0.1",
            409,
            "Version 1 of toy has the requests that are left: say with version which other has.",
        ),
        ("POST", "/models/toy/load?versoin=1", 422, "versoin: there is no such parameter; known: version, canary"),
        ("PUT", "/models/toy", 422, "reference: must be name@version, such as cifar10@2, not 'toy'"),
        ("PUT", "/models/toy@2?share=2", 422, 'share: must be a number from 0 to 1, not "2"'),
        ("DELETE", "/models/toy@9", 404, "There is no model 'toy@9'; known: toy@1."),
    ],
)
def test_what_can_t_be_asked_is_said_in_a_sentence(
    settled: tuple[TestClient, Path], method: str, path: str, status: int, said: str
) -> None:
    admin, _ = settled
    answer = admin.request(method, path)
    assert (answer.status_code, answer.json()["detail"]) == (status, said)


CHANGES = [
    ("POST", "/models/toy/load"),
    ("POST", "/models/toy/unload"),
    ("PUT", "/models/toy@2"),
    ("DELETE", "/models/toy@1"),
]


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_unless_the_settings_say_so_nothing_can_be_changed(client: TestClient, method: str, path: str) -> None:
    assert client.request(method, path).status_code in (404, 405)
    assert "/models/{name}/load" not in client.get("/openapi.json").json()["paths"]


@pytest.mark.parametrize(("method", "path"), CHANGES)
@pytest.mark.parametrize(
    ("caller", "headers"),
    [
        ("10.0.0.7", {}),
        ("127.0.0.1", {"Host": "evil.example"}),
        ("127.0.0.1", {"Host": "evil.example", "Origin": "http://evil.example"}),
        ("127.0.0.1", {"Origin": "http://evil.example"}),
        ("127.0.0.1", {"Origin": "null"}),
        ("127.0.0.1", {"Origin": "http://["}),
        *(("127.0.0.1", {"Host": host}) for host in ("[", "[::1", "[zz]", "a]")),
    ],
)
def test_without_keys_neither_another_machine_nor_a_page_changes_anything(
    settled: tuple[TestClient, Path], method: str, path: str, caller: str, headers: dict[str, str]
) -> None:
    admin, _ = settled
    other = TestClient(admin.app, "http://127.0.0.1", raise_server_exceptions=False, client=(caller, 1))
    assert other.request(method, path, headers=headers).status_code == 403
    assert drawn_by(admin) == "toy@1"


def test_with_keys_only_one_of_the_scope_admin_changes_models(models: Path, tmp_path: Path) -> None:
    tokens = {}
    keys = []
    for scope in ("generate", "metrics", "admin"):
        tokens[scope], kept = key(scope, scope)
        keys.append(kept)
    file = written(tmp_path / "keys.json", *keys)
    with ExitStack() as running:
        client = start(running, Settings(models=models, device="cpu", threads=1, admin=True, keys_file=file))
        for method, path in CHANGES:
            assert client.request(method, path).status_code == 401
            for scope in ("generate", "metrics"):
                answer = client.request(method, path, headers={"Authorization": f"Bearer {tokens[scope]}"})
                assert answer.status_code == 403
        bearer = {"Authorization": f"Bearer {tokens['admin']}"}
        assert client.post("/models/toy/load?version=1", headers=bearer).status_code == 200


@pytest.mark.parametrize(
    ("settings", "let"),
    [
        ({}, True),
        ({"host": EVERYWHERE}, False),
        ({"host": EVERYWHERE, "allow_anonymous": True}, False),
        ({"host": EVERYWHERE, "keys_file": "keys.json"}, True),
        ({"management_port": 9001, "management_host": EVERYWHERE}, False),
    ],
)
def test_without_keys_a_service_that_can_be_changed_listens_to_this_machine_alone(
    settings: dict[str, Any], let: bool
) -> None:
    flaw = listening.flaw(Settings.model_validate({"admin": True, **settings}))
    assert (flaw is None) == let
    assert flaw is None or "with --admin, without keys, whoever reaches the port could change what is served" in flaw


def test_they_are_on_the_port_of_management_alone(models: Path) -> None:
    with ExitStack() as running:
        settings = Settings(models=models, device="cpu", threads=1, admin=True, management_port=9001)
        client = start(running, settings)
        statuses = []
        for port in (8000, 9001):
            here = TestClient(client.app, f"http://127.0.0.1:{port}", client=("127.0.0.1", 50000))
            statuses.append(here.post("/models/toy/load?version=1").status_code)
        assert statuses == [404, 200]


def test_where_models_can_t_be_written_the_change_is_not_made(
    settled: tuple[TestClient, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, _ = settled

    def full(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.mkstemp", full)
    monkeypatch.setattr("tempfile.mkdtemp", full)
    for method, path in CHANGES[:3]:
        answer = admin.request(method, path)
        assert answer.status_code == 507
        assert "Read-only file system" in answer.json()["detail"]
    assert drawn_by(admin) == "toy@1"


def test_openapi_describes_them(settled: tuple[TestClient, Path]) -> None:
    admin, _ = settled
    paths = admin.get("/openapi.json").json()["paths"]
    assert {"post"} == set(paths["/models/{name}/load"]) == set(paths["/models/{name}/unload"])
    assert {"get", "put", "delete"} == set(paths["/models/{reference}"])
    assert [one["name"] for one in paths["/models/{name}/load"]["post"]["parameters"]] == ["name", "version", "canary"]
