"""What deploy/ray names exists and fits together; Ray itself is asked by `deploy/ray/check.py`, for minutes."""

import ast
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from app.processes.server import SLOW_READERS
from app.processes.supervisor import GRACE
from app.settings import PREFIX, Settings

FOLDER = Path(__file__).parents[1] / "deploy/ray"
CONFIGURATION = yaml.safe_load((FOLDER / "serve.yaml").read_text())
[APPLICATION] = CONFIGURATION["applications"]
[DEPLOYMENT] = APPLICATION["deployments"]
SCALING = DEPLOYMENT["autoscaling_config"]


def names(module: str) -> set[str]:
    """What a file of the folder defines, which can't be imported without Ray."""
    tree = ast.parse((FOLDER / f"{module}.py").read_text()).body
    defined = {node.name for node in tree if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return defined | {target.id for node in tree if isinstance(node, ast.Assign) for target in node.targets}


def test_the_configuration_names_what_is_defined() -> None:
    for path in (APPLICATION["import_path"], SCALING["policy"]["policy_function"]):
        module, name = path.split(":")
        assert name in names(module)
    assert DEPLOYMENT["name"] in names("application")


def test_a_replica_takes_the_cores_that_ray_gives_it(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = APPLICATION["runtime_env"]["env_vars"]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings, cores = Settings(), DEPLOYMENT["ray_actor_options"]["num_cpus"]
    assert (settings.threads, settings.encode_threads, settings.device) == (cores, cores, "cpu")
    assert {name for name in variables if name.startswith(PREFIX)} <= {
        PREFIX + n.upper() for n in Settings.model_fields
    }


def test_ray_waits_as_long_as_the_service_may_take() -> None:
    settings = Settings.model_construct()
    assert CONFIGURATION["http_options"]["request_timeout_s"] > settings.request_timeout
    assert DEPLOYMENT["graceful_shutdown_timeout_s"] > settings.drain_seconds + max(SLOW_READERS, GRACE)
    assert DEPLOYMENT["health_check_timeout_s"] >= settings.load_seconds


def test_this_machine_alone_is_served_and_requests_queue_in_the_replicas() -> None:
    assert CONFIGURATION["http_options"]["host"] == "127.0.0.1"
    assert DEPLOYMENT["max_ongoing_requests"] > 10 * SCALING["target_ongoing_requests"]


@pytest.mark.parametrize(
    ("queues", "open_requests", "replicas"),
    [([0, 0], 20, 1), ([0, 0], 128, 2), ([1, 3], 20, 8), ([0.25, 0.25], 20, 1), ([], 200, 4)],
)
def test_there_are_as_many_replicas_as_queues_or_open_requests_want(
    monkeypatch: pytest.MonkeyPatch, queues: list[float], open_requests: int, replicas: int
) -> None:
    pytest.importorskip("ray.serve", reason="Ray, which isn't installed, asks this policy")
    monkeypatch.syspath_prepend(FOLDER)
    from autoscaling import by_queue_seconds

    context = SimpleNamespace(
        current_num_replicas=2,
        target_num_replicas=2,
        total_num_requests=open_requests,
        config=SimpleNamespace(get_target_ongoing_requests=lambda: SCALING["target_ongoing_requests"]),
        aggregated_metrics={"queue_seconds": dict(enumerate(queues))} if queues else None,
    )
    wanted, _ = by_queue_seconds(context)
    assert -(-wanted // 1) == replicas
