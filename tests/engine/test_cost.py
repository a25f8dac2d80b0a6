"""The cost curve: what it predicts, which batches it recommends, and how it learns."""

import pytest

from app.engine.cost import PERIOD, SETTLING, TRIAL, Cost, Ways, fit


def test_between_measured_sizes_the_curve_is_a_straight_line() -> None:
    cost = Cost({1: 1.0, 2: 1.5, 4: 2.5})
    assert [cost.seconds(n) for n in range(5)] == [0, 1, 1.5, 2, 2.5]


def test_with_fixed_sizes_it_is_a_staircase() -> None:
    cost = Cost({1: 1.0, 2: 1.5, 4: 2.5}, fixed=True)
    assert [cost.seconds(n) for n in range(5)] == [0, 1, 1.5, 2.5, 2.5]
    assert [cost.size(n) for n in range(5)] == [0, 1, 2, 4, 4]


@pytest.mark.parametrize(
    ("measured", "useful"),
    [
        ({1: 1.0, 2: 2.0, 4: 4.0}, 1),  # a CPU: batches gain nothing
        ({1: 1.0, 2: 1.95, 4: 3.9}, 1),  # 2.5 % are not worth the delay
        ({1: 1.0, 2: 1.1, 4: 1.2, 8: 2.35}, 4),  # a GPU that is full at 4
        ({1: 1.0, 2: 1.0, 4: 1.0}, 4),
    ],
)
def test_the_useful_size_is_the_smallest_within_5_percent_of_the_best(measured: dict[int, float], useful: int) -> None:
    assert Cost(measured).useful == useful


def test_a_queue_costs_its_useful_batches_and_the_rest() -> None:
    assert Cost({1: 1.0, 2: 1.2, 4: 1.6}).queued(10) == pytest.approx(1.6 + 1.6 + 1.2)


def test_a_batch_takes_what_waits_up_to_the_useful_size() -> None:
    cost = Cost({1: 1.0, 4: 1.0})
    assert [cost.batch(n) for n in (1, 3, 4, 9)] == [1, 3, 4, 4]


def test_a_modest_batch_is_one_of_which_twice_the_size_would_gain_little() -> None:
    cost = Cost({1: 1.0, 2: 1.9, 4: 3.3, 8: 6.0})
    assert (cost.modest, cost.useful) == (4, 8)
    assert [cost.batch(n, most=cost.modest) for n in (3, 20)] == [3, 4]


def test_idle_executors_get_equal_shares() -> None:
    cost = Cost({1: 1.0, 8: 1.0})
    assert [cost.batch(5, executors) for executors in (1, 2, 4)] == [5, 3, 2]


def test_two_small_batches_are_preferred_to_one_padded_batch_that_costs_more() -> None:
    assert Cost({1: 1.0, 8: 4.0, 16: 7.8}, fixed=True).batch(9) == 8
    assert Cost({1: 1.0, 8: 1.1, 16: 1.2}, fixed=True).batch(9) == 9


def test_served_batches_move_the_whole_curve() -> None:
    cost = Cost({1: 1.0, 4: 2.0})
    for _ in range(100):
        cost.observe(4, 4.0)
    assert cost.seconds(4) == pytest.approx(4, rel=0.01)
    assert cost.seconds(1) == pytest.approx(2, rel=0.01)
    assert cost.snapshot() == {1: cost.seconds(1), 4: cost.seconds(4)}


def test_one_hiccup_does_not_upset_the_curve() -> None:
    cost = Cost({1: 1.0})
    cost.observe(1, 1000.0)
    assert cost.seconds(1) < 1.5


def test_fit_is_the_smallest_size_that_holds() -> None:
    assert [fit(n, [1, 2, 4, 6]) for n in (1, 3, 4, 5, 6)] == [1, 4, 4, 6, 6]


def served(ways: Ways, seconds: tuple[float, float], runs: int) -> list[int]:
    """The ways that so many runs take, whose times are these."""
    taken = []
    for _ in range(runs):
        way = ways.choose()
        ways.observe(way, seconds[way])
        taken.append(way)
    return taken


def test_the_quicker_way_is_taken() -> None:
    for quicker in (0, 1):
        ways = Ways()
        seconds = (0.001, 0.002) if quicker == 0 else (0.002, 0.001)
        taken = served(ways, seconds, 4 * PERIOD)
        assert set(taken[2 * TRIAL : 4 * TRIAL]) == {quicker}
        assert taken.count(1 - quicker) < len(taken) / 32


def test_a_way_that_became_quicker_is_noticed() -> None:
    ways = Ways()
    served(ways, (0.001, 0.002), 2 * PERIOD)
    taken = served(ways, (0.002, 0.0005), 4 * PERIOD)
    assert taken[-PERIOD:].count(1) >= PERIOD - TRIAL


def test_threads_that_must_wake_first_do_not_spoil_the_trial() -> None:
    ways = Ways()
    before, streak, taken = 0, 0, []
    for _ in range(4 * PERIOD):
        taken.append(ways.choose())
        streak = streak + 1 if taken[-1] == before else 1
        before = taken[-1]
        ways.observe(before, 1.0 if streak <= SETTLING else (0.002, 0.001)[before])
    assert taken.count(1) > 0.9 * len(taken)


def test_executors_of_one_gpu_do_not_share_what_waits() -> None:
    """Two halves side by side on one GPU take longer than the whole; on two GPUs they don't."""
    cost = Cost({1: 1, 2: 1, 4: 1, 8: 1}, fixed=True, streams=2)
    assert cost.batch(8, executors=1) == 8
    assert cost.batch(8, executors=2) == 8
    assert cost.batch(8, executors=4) == 4
