"""Whatever is sent, no route fails or answers what the OpenAPI document doesn't say. `make fuzz` asks for longer."""

from pathlib import Path

import pytest

from tests.fuzz.__main__ import counted
from tests.fuzz.run import fuzz, serving

BRIEF = ("--phases", "examples,fuzzing", "--max-examples", "12", "--seed", "1", "--no-shrink")


def test_no_request_makes_a_route_fail_or_answer_what_is_not_documented(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(tmp_path) as server:
        found = fuzz(server, *BRIEF)
        answers = counted(server.ask("/metrics")[1].decode())
    assert found.returncode == 0, capfd.readouterr().out
    assert "Traceback" not in server.log.read_text()
    idle = [route for route, statuses in answers.items() if "200" not in statuses]
    assert set(idle) <= {"/reproduce"}, "these routes did nothing but refuse, so nothing is known of them"
