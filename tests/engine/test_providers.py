"""Threads by what the machine allows, devices by what it has, and a runtime that reports nothing to anyone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.engine import providers
from app.engine.providers import DeviceUnavailable

CGROUPS = {
    "no quota": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 8),
    "v2": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "300000 100000\n"}, 3),
    "v2, part of a core": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
    "v2, one and a half cores": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1),
    "v2, a parent is tighter": (
        {
            "proc/self/cgroup": "0::/system/web\n",
            "sys/fs/cgroup/system/cpu.max": "200000 100000\n",
            "sys/fs/cgroup/system/web/cpu.max": "400000 100000\n",
        },
        2,
    ),
    "v2, in a container that shows the host's path": (
        {"proc/self/cgroup": "0::/docker/abc\n", "sys/fs/cgroup/cpu.max": "400000 100000\n"},
        4,
    ),
    "v1": (
        {
            "proc/self/cgroup": "5:memory:/app\n4:cpu,cpuacct:/app\n",
            "sys/fs/cgroup/cpu/app/cpu.cfs_quota_us": "250000\n",
            "sys/fs/cgroup/cpu/app/cpu.cfs_period_us": "100000\n",
        },
        2,
    ),
    "v1 without a quota": (
        {
            "proc/self/cgroup": "4:cpu,cpuacct:/app\n",
            "sys/fs/cgroup/cpu/app/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/app/cpu.cfs_period_us": "100000\n",
        },
        8,
    ),
    "no cgroups": ({}, 8),
}


@pytest.mark.parametrize("case", CGROUPS)
def test_cores_are_those_of_the_affinity_cut_by_the_quota(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, expected = CGROUPS[case]
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    assert providers.cores(tmp_path) == expected


def test_an_affinity_tighter_than_the_quota_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3})
    assert providers.cores(tmp_path) == 1


def test_auto_is_the_cpu_where_the_runtime_has_no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers.onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert providers.device("auto") == providers.device("cpu")


def test_cuda_without_a_cuda_runtime_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers.onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(DeviceUnavailable, match=r"install 'ganymede\[gpu\]' in place of 'ganymede\[cpu\]'"):
        providers.device("cuda")


def test_cuda_without_a_gpu_asks_for_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers.onnxruntime, "get_available_providers", lambda: [providers.CUDA])
    monkeypatch.setattr(providers, "_gpu", lambda: None)
    with pytest.raises(DeviceUnavailable, match="the NVIDIA driver is missing or shows no GPU"):
        providers.device("cuda")
    assert providers.device("auto").kind == "cpu"


def test_identity_names_runtime_kind_and_processor() -> None:
    device = providers.device("cpu")
    assert device.identity == f"{providers.RUNTIME} cpu {device.processor}"


def python(code: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Runs code in a new interpreter whose home is `home`, so that what it leaves there can be seen."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "ORT_"))}
    environment |= {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_loading_a_model_leaves_no_trace_of_telemetry(tmp_path: Path, models_dir: Path) -> None:
    code = (
        "from app.engine import providers\n"
        f"data = open({str(models_dir / 'toy' / '1' / 'generator.onnx')!r}, 'rb').read()\n"
        "providers.load(data, providers.device('cpu'))\n"
    )
    done = python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.rglob("*")) == []


def test_without_a_runtime_the_error_names_the_extras(tmp_path: Path) -> None:
    done = python("import sys; sys.modules['onnxruntime'] = None; import app.engine.catalog", tmp_path)
    assert done.stderr.splitlines()[-1] == (
        "ImportError: ONNX Runtime is not installed: pip install 'ganymede[cpu]', or 'ganymede[gpu]' for an NVIDIA GPU"
    )
