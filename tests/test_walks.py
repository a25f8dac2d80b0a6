"""Walks from stop to stop: which pictures there are, and that stops are neither missed nor doubled."""

import numpy as np
import pytest

from app import latents
from app.latents import lerp, slerp
from app.walks import Walk, eased, most_steps, nearest

STOPS = np.array([[0.0], [10.0], [40.0]], np.float32)


def test_a_walk_takes_as_many_steps_from_each_stop_to_the_next() -> None:
    walk = Walk(stops=3, steps=3)
    assert walk.along(STOPS, lerp).tolist() == [[0], [5], [10], [25], [40]]
    assert walk.landings == {0: 0, 2: 1, 4: 2}


def test_a_loop_goes_back_to_the_first_stop_and_ends_before_it() -> None:
    walk = Walk(stops=3, steps=3, loop=True)
    assert walk.along(STOPS, lerp).tolist() == [[0], [5], [10], [25], [40], [20]]
    assert walk.landings == {0: 0, 2: 1, 4: 2}


def test_a_loop_of_two_stops_goes_there_and_back() -> None:
    assert Walk(stops=2, steps=3, loop=True).along(STOPS[:2], lerp).tolist() == [[0], [5], [10], [5]]


def test_two_steps_are_the_stops_themselves() -> None:
    assert Walk(stops=3, steps=2).along(STOPS, slerp).tolist() == STOPS.tolist()
    assert Walk(stops=3, steps=2, loop=True).along(STOPS, slerp).tolist() == STOPS.tolist()


def test_a_grid_lies_between_four_corners() -> None:
    corners = np.array([[0], [2], [10], [12]], np.float32)
    walk = Walk(stops=4, steps=3, grid=True)
    assert walk.along(corners, lerp).reshape(3, 3).tolist() == [[0, 1, 2], [5, 6, 7], [10, 11, 12]]
    assert walk.landings == {0: 0, 2: 1, 6: 2, 8: 3}


@pytest.mark.parametrize("between", [lerp, slerp])
@pytest.mark.parametrize("easing", ["linear", "smooth"])
@pytest.mark.parametrize("shape", [{}, {"loop": True}, {"grid": True}])
def test_stops_are_landed_on_to_the_bit(between: object, easing: str, shape: dict[str, bool]) -> None:
    stops = latents.noise(9, range(4), 31)
    walk = Walk(stops=4, steps=7, easing=easing, **shape)  # type: ignore[arg-type]
    along = walk.along(stops, between)  # type: ignore[arg-type]
    assert (along.dtype, along.shape) == (np.float32, (len(walk), 31))
    for picture, stop in walk.landings.items():
        assert along[picture].tobytes() == stops[stop].tobytes()


def test_a_smooth_walk_is_slow_near_the_stops() -> None:
    path = Walk(stops=2, steps=5, easing="smooth").along(STOPS[:2], lerp)[:, 0]
    assert path.tolist() == [0, 1.5625, 5, 8.4375, 10]
    assert [eased(t, "smooth") for t in (0, 0.5, 1)] == [0, 0.5, 1]


def test_what_cannot_be_blended_changes_half_way() -> None:
    labels = np.array([3, 7], np.int64)
    assert Walk(stops=2, steps=5).along(labels, nearest).tolist() == [3, 3, 7, 7, 7]
    assert Walk(stops=2, steps=4).along(labels, nearest).tolist() == [3, 3, 7, 7]


def test_each_cell_of_a_grid_has_what_its_nearest_corner_has() -> None:
    cells = Walk(stops=4, steps=4, grid=True).along(np.arange(4), nearest).reshape(4, 4)
    assert cells.tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]


@pytest.mark.parametrize("pictures", [2, 3, 4, 9, 64, 1000])
@pytest.mark.parametrize("stops", [2, 3, 4, 11])
@pytest.mark.parametrize(("loop", "grid"), [(False, False), (True, False), (False, True)])
def test_the_most_steps_that_fit_fit_and_one_more_does_not(stops: int, pictures: int, loop: bool, grid: bool) -> None:
    most = most_steps(stops, pictures, loop=loop, grid=grid)
    if most >= 2:
        assert len(Walk(stops, most, loop=loop, grid=grid)) <= pictures
    assert len(Walk(stops, max(2, most + 1), loop=loop, grid=grid)) > pictures
