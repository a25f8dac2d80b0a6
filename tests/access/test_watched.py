"""The keys file while a service runs: what changes is seen within a second, and what breaks changes nothing."""

import errno
import json
import logging
from pathlib import Path

import pytest

from app.access import watched
from app.access.keys import KeysError
from app.access.refusals import Unauthorized
from app.access.watched import KeysFile
from tests.access.conftest import Keys


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at each call: nobody wants to wait a second here."""
    monkeypatch.setattr(watched, "LOOK", 0)


def test_keys_that_are_made_and_revoked_count_without_a_restart(keys: Keys, file: Path) -> None:
    first = keys("add", "first", "--scope", "generate").token.encode()
    kept = KeysFile(file)
    second = keys("add", "second", "--scope", "generate").token.encode()
    assert [kept.ring().owner(token).name for token in (first, second)] == ["first", "second"]
    keys("revoke", "first")
    with pytest.raises(Unauthorized, match="not known here"):
        kept.ring().owner(first)
    assert kept.ring().owner(second).name == "second"


@pytest.mark.parametrize("breaks", ["cut", "gone"])
def test_a_file_that_breaks_keeps_the_keys_and_says_so_once(
    keys: Keys, file: Path, caplog: pytest.LogCaptureFixture, breaks: str
) -> None:
    token = keys("add", "studio", "--scope", "generate").token.encode()
    whole = file.read_text()
    kept = KeysFile(file)
    if breaks == "cut":
        file.write_text(whole[:-9])
    else:
        file.unlink()
    for _ in range(3):
        assert kept.ring().owner(token).name == "studio"
    assert kept.look()
    [said] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "The keys from before stay in use" in said.getMessage()

    file.write_text(json.dumps({"keys": []}))
    with pytest.raises(Unauthorized):
        kept.ring().owner(token)
    assert not kept.look()


def test_a_file_that_could_not_be_read_once_is_read_again_though_it_is_the_same(
    keys: Keys, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = keys("add", "studio", "--scope", "generate").token.encode()
    kept = KeysFile(file)
    keys("revoke", "studio")

    def exhausted(_: Path) -> bytes:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", exhausted)
        assert kept.look()
        assert kept.ring().owner(token).name == "studio"
    with pytest.raises(Unauthorized):
        kept.ring().owner(token)
    assert not kept.broken


def test_a_file_that_comes_back_as_it_was_is_broken_no_more(keys: Keys, file: Path) -> None:
    token = keys("add", "studio", "--scope", "generate").token.encode()
    kept = KeysFile(file)
    file.rename(file.with_suffix(".away"))
    assert kept.look()
    file.with_suffix(".away").rename(file)
    assert not kept.look()
    assert kept.ring().owner(token).name == "studio"


def test_a_file_is_looked_at_once_a_second(keys: Keys, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "LOOK", 1000)
    token = keys("add", "studio", "--scope", "generate").token.encode()
    kept = KeysFile(file)
    keys("revoke", "studio")
    assert kept.ring().owner(token).name == "studio"


def test_a_service_does_not_start_with_a_file_that_is_broken(file: Path) -> None:
    with pytest.raises(KeysError, match="ganymede keys add makes one"):
        KeysFile(file)
