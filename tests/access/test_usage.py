"""Counters that several workers share: sums over all of them, and nobody's death holds one up."""

import multiprocessing
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.access import quotas
from app.access.keys import Key, Quota, new_token
from app.access.quotas import Quotas
from app.access.refusals import QuotaExceeded
from app.access.usage import NAMES, FullError, Usage


def test_every_worker_sees_what_all_have_counted(tmp_path: Path) -> None:
    workers = [Usage.shared(tmp_path, index, 3) for index in range(3)]
    for amount, worker in enumerate(workers, start=1):
        worker.add("studio", "pictures", 7, amount)
        worker.add(f"own-{amount}", "pictures", 7, 100)
        worker.enter("studio")
    for worker in workers:
        assert worker.total("studio", "pictures", 7) == 6
        assert worker.total("own-2", "pictures", 7) == 100
        assert worker.total("studio", "device_seconds", 7) == 0
        assert worker.in_flight("studio") == 3


def test_a_new_window_begins_at_nothing(tmp_path: Path) -> None:
    one, other = (Usage.shared(tmp_path, index, 2) for index in range(2))
    one.add("studio", "requests", 1, 5)
    other.add("studio", "requests", 2, 1)
    assert [one.total("studio", "requests", window) for window in (1, 2, 3)] == [5, 1, 0]


def test_a_worker_that_is_started_again_finds_its_counts_and_nothing_in_flight(tmp_path: Path) -> None:
    dies, lives = (Usage.shared(tmp_path, index, 2) for index in range(2))
    dies.add("studio", "pictures", 1, 5)
    dies.enter("studio")
    lives.enter("studio")
    again = Usage.shared(tmp_path, 0, 2)
    assert (again.total("studio", "pictures", 1), lives.total("studio", "pictures", 1)) == (5, 5)
    assert (again.in_flight("studio"), lives.in_flight("studio")) == (1, 1)


def test_names_that_don_t_fit_are_an_error_and_no_limit_that_isn_t() -> None:
    usage = Usage.alone()
    for number in range(NAMES):
        usage.enter(f"key-{number}")
    with pytest.raises(FullError):
        usage.enter("one-more")
    with pytest.raises(QuotaExceeded, match="1024 names since the service started"):
        Quotas(usage).enter(key("another", Quota()))
    assert usage.in_flight("key-5") == 1


def key(name: str, quota: Quota) -> Key:
    return Key(name=name, scopes=frozenset({"generate"}), tokens=(new_token()[1],), quota=quota)


def test_processes_that_ask_at_the_same_moment_let_none_too_many_in(tmp_path: Path) -> None:
    """Four processes try for 250 requests each, of 300 that there are."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(4, _as_worker, (tmp_path, context.Value("i", 0))) as pool:
        let_in = sum(pool.map(_ask, [250] * 4, chunksize=1))
    assert 290 <= let_in <= 300


_quotas: Quotas
_key = key("studio", Quota(requests_per_minute=300))


def _as_worker(folder: Path, index: "multiprocessing.sharedctypes.Synchronized[int]") -> None:
    global _quotas
    with index.get_lock():
        mine, index.value = index.value, index.value + 1
    # All in one minute, whenever it is.
    quotas.time = SimpleNamespace(monotonic=lambda: 1e9)
    _quotas = Quotas(Usage.shared(folder, mine, 4))


def _ask(times: int) -> int:
    let_in = 0
    for _ in range(times):
        try:
            _quotas.enter(_key)
        except QuotaExceeded:
            continue
        let_in += 1
    return let_in
