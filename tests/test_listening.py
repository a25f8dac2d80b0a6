"""How many connections there may be, by how many files the process may open."""

import logging
import resource

import pytest

from app.processes import listening


@pytest.mark.parametrize(
    ("soft", "hard", "raised", "most"),
    [
        (1024, 524_288, 2 * 4096 + 64, 4096),
        (100_000, 524_288, None, 4096),
        (1024, resource.RLIM_INFINITY, 2 * 4096 + 64, 4096),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, None, 4096),
        (1024, 1024, None, 960),
        (256, 1064, 1064, 1000),
        (10, 10, None, 1),
    ],
)
def test_as_many_connections_as_are_wanted_or_as_files_may_be_open(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    soft: int,
    hard: int,
    raised: int | None,
    most: int,
) -> None:
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: told.append(limits))
    with caplog.at_level(logging.WARNING):
        assert listening.most_connections(4096) == most
    assert told == ([(raised, hard)] if raised else [])
    said = f"Of 4096 connections, {most} are taken: this process may open {hard} files at most."
    assert caplog.messages == ([said] if most < 4096 else [])
