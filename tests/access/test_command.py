"""`ganymede keys`: what it prints, what it writes, and what it refuses."""

import hashlib
import json
import os
import stat
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.access.keys import Keyring, read
from app.access.refusals import Unauthorized
from tests.access.conftest import Keys


def test_a_token_is_printed_once_and_only_its_hash_is_kept(keys: Keys, file: Path) -> None:
    made = keys("add", "studio", "--scope", "generate", "--scope", "metrics")
    assert made.code == 0
    assert made.out == f"{made.token}\n"
    assert made.token.startswith("gny_")
    assert made.token not in file.read_text()
    [key] = json.loads(file.read_text())["keys"]
    assert (key["name"], sorted(key["scopes"])) == ("studio", ["generate", "metrics"])
    assert key["tokens"][0]["sha256"] == hashlib.sha256(made.token.encode()).hexdigest()
    assert made.token not in keys("list").out


def test_two_tokens_are_never_the_same(keys: Keys) -> None:
    tokens = {keys("add", f"key{number}", "--scope", "generate").token for number in range(20)}
    assert len(tokens) == 20
    assert {len(token) for token in tokens} == {47}


def test_a_new_file_is_its_owners_alone_and_another_keeps_its_mode(keys: Keys, file: Path) -> None:
    keys("add", "one", "--scope", "generate")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o640)
    keys("add", "two", "--scope", "generate")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_file_that_is_a_link_stays_one(keys: Keys, file: Path) -> None:
    file.symlink_to("elsewhere.json")
    keys("add", "one", "--scope", "generate")
    assert file.is_symlink()
    assert [key.name for key in read(file.with_name("elsewhere.json")).keys] == ["one"]


def test_list_says_what_each_key_may(keys: Keys) -> None:
    keys("add", "boss", "--scope", "admin", "--expires", "90d")
    keys("add", "studio", "--scope", "generate", "--pictures-per-day", "100", "--concurrent", "2")
    boss, studio = keys("list").out.splitlines()
    end = datetime.now(UTC) + timedelta(days=90)
    assert boss.startswith("boss                     admin; token of ")
    assert f", until {end:%Y-%m-%d}" in boss
    assert boss.endswith("; no quota")
    assert studio.endswith("; pictures_per_day 100, concurrent 2")


def test_list_says_large_quotas_in_full(keys: Keys) -> None:
    keys("add", "mill", "--scope", "generate", "--pictures-per-day", "1234567", "--device-seconds-per-day", "1728000.5")
    assert keys("list").out.endswith("; pictures_per_day 1234567, device_seconds_per_day 1728000.5\n")


def test_while_a_key_is_rotated_both_tokens_hold_and_then_the_new_one(keys: Keys, file: Path) -> None:
    old = keys("add", "studio", "--scope", "generate", "--concurrent", "3").token
    new = keys("rotate", "studio", "--grace", "1s").token
    ring = Keyring(read(file).keys)
    for token in (old, new):
        assert ring.owner(token.encode()).quota.concurrent == 3
    time.sleep(1.1)
    assert ring.owner(new.encode()).name == "studio"
    with pytest.raises(Unauthorized) as refused:
        ring.owner(old.encode())
    assert refused.value.detail == "The key 'studio' has expired; ask whoever runs the service for a new one."


def test_a_rotation_without_grace_ends_the_old_token_and_a_third_one_the_first(keys: Keys, file: Path) -> None:
    first = keys("add", "studio", "--scope", "generate").token
    second, third = (keys("rotate", "studio").token for _ in range(2))
    assert known(file, first, second, third) == [False, True, True]
    last = keys("rotate", "studio", "--grace", "0")
    assert "so far has ended" in last.err
    assert known(file, second, third, last.token) == [False, False, True]


def known(file: Path, *tokens: str) -> list[bool]:
    ring = Keyring(read(file).keys)

    def is_known(token: str) -> bool:
        try:
            return ring.owner(token.encode()).name == "studio"
        except Unauthorized:
            return False

    return [is_known(token) for token in tokens]


def test_a_revoked_key_is_gone(keys: Keys, file: Path) -> None:
    token = keys("add", "studio", "--scope", "generate").token
    keys("add", "boss", "--scope", "admin")
    assert keys("revoke", "studio").code == 0
    assert known(file, token) == [False]
    assert [key.name for key in read(file).keys] == ["boss"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            ("add", "boss", "--scope", "admin"),
            1,
            "There is a key 'boss'; rotate it for a new token, or revoke it first.",
        ),
        (("rotate", "bos"), 1, "has no key 'bos'; known: boss."),
        (("revoke", "bos"), 1, "has no key 'bos'; known: boss."),
        (("add", "Über", "--scope", "admin"), 1, "That can't be a key: name: String should match pattern"),
        (("add", "x", "--scope", "admin", "--concurrent", "0"), 1, "concurrent: Input should be greater than or equal"),
        (("add", "x", "--scope", "everything"), 2, "invalid choice: 'everything'"),
        (("add", "x"), 2, "the following arguments are required: --scope"),
        (("rotate", "boss", "--grace", "soon"), 2, "must be a number of s, m, h or d, such as 90d, not 'soon'"),
    ],
)
def test_what_can_t_be_is_refused_in_words(
    keys: Keys, file: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    keys("add", "boss", "--scope", "admin")
    before = file.read_bytes()
    refused = keys(*arguments)
    assert (refused.code, refused.out) == (code, "")
    assert said in refused.err
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "file: Invalid JSON"),
        ('{"keys": [{"name": "a", "scopes": ["all"], "tokens": []}]}', "keys.0.scopes.0: Input should be"),
        ('{"keys": [], "open": true}', "open: Extra inputs are not permitted"),
        (
            '{"keys": [{"name": "a", "scopes": ["admin"], "tokens": [], "secret": "gny_s3cret"}]}',
            "keys.0.secret: Extra",
        ),
    ],
)
def test_a_broken_file_says_what_is_wrong_and_nothing_that_is_in_it(
    keys: Keys, file: Path, content: str, said: str
) -> None:
    file.write_text(content)
    for command in (("list",), ("add", "b", "--scope", "admin")):
        refused = keys(*command)
        assert refused.code == 1
        assert refused.err.startswith(f"The keys file {file} can't be used: ")
        assert said in refused.err
        assert "s3cret" not in refused.err
    assert file.read_text() == content


def test_names_and_tokens_stand_once(keys: Keys, file: Path) -> None:
    keys("add", "one", "--scope", "generate")
    [one] = json.loads(file.read_text())["keys"]
    file.write_text(json.dumps({"keys": [one, one]}))
    assert "every name must stand once; twice: one" in keys("list").err
    file.write_text(json.dumps({"keys": [one, one | {"name": "two"}]}))
    assert "every token must stand once" in keys("list").err


def test_a_file_that_is_not_there_is_made_by_add_alone(keys: Keys, file: Path) -> None:
    missing = keys("list")
    assert (missing.code, missing.err) == (
        1,
        f"The keys file {file} can't be read: No such file or directory; ganymede keys add makes one.\n",
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_can_t_be_written_is_said(keys: Keys, file: Path) -> None:
    file.parent.chmod(0o500)
    assert "can't be written: Permission denied" in keys("add", "one", "--scope", "generate").err
