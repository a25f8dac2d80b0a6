"""A device under the test's control, closed after each test."""

from collections.abc import Iterator

import pytest

from tests.engine.gate import Line


@pytest.fixture
def line() -> Iterator[Line]:
    """A device with one executor."""
    line = Line()
    yield line
    line.close()


@pytest.fixture
def wide_line() -> Iterator[Line]:
    """A device with two executors."""
    line = Line(executors=2)
    yield line
    line.close()
