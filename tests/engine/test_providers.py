"""Threads by what the machine allows, devices by what it has, and a runtime that reports nothing to anyone."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.engine import providers
from app.engine.providers import Cuda, Device, DeviceUnavailable

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
    monkeypatch.setattr(providers, "_gpus", list)
    with pytest.raises(DeviceUnavailable, match="the NVIDIA driver is missing or shows no GPU"):
        providers.device("cuda")
    assert providers.device("auto").kind == "cpu"


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two GPUs of one kind and one of another, as its driver and runtime would tell."""
    monkeypatch.setattr(providers.onnxruntime, "get_available_providers", lambda: [providers.TENSORRT, providers.CUDA])
    monkeypatch.setattr(providers.onnxruntime, "preload_dlls", lambda: None)
    monkeypatch.setattr(providers, "_gpus", lambda: ["NVIDIA L4", "NVIDIA L4", "NVIDIA T4"])


@pytest.mark.parametrize(
    ("choice", "numbers"),
    [("auto", (0,)), ("cuda", (0,)), ("cuda:1", (1,)), ("cuda:0,1", (0, 1)), ("cuda:1,0", (1, 0))],
)
@pytest.mark.usefixtures("gpus")
def test_gpus_are_chosen_by_number(choice: str, numbers: tuple[int, ...]) -> None:
    device = providers.device(choice)
    assert (device.kind, device.processor, device.gpus) == ("cuda", "NVIDIA L4", numbers)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("cuda:3", "device 'cuda:3' can't be used: there is no GPU 3: the driver shows 3, counted from 0"),
        ("cuda:0,0", "device 'cuda:0,0' can't be used: each GPU can be named once"),
        (
            "cuda:0,2",
            "device 'cuda:0,2' can't be used: GPUs of different kinds round differently: 0 is a NVIDIA L4, "
            "2 is a NVIDIA T4; serve each kind apart",
        ),
    ],
)
@pytest.mark.usefixtures("gpus")
def test_gpus_that_can_not_be_used_say_why(choice: str, message: str) -> None:
    with pytest.raises(DeviceUnavailable) as error:
        providers.device(choice)
    assert str(error.value) == message


@pytest.mark.usefixtures("gpus")
def test_tensorrt_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "NVINFER", "libnvinfer-that-is-missing.so")
    with pytest.raises(
        DeviceUnavailable, match=r"TensorRT 10 can't be loaded \(libnvinfer-that-is-missing\.so: .*\): "
    ):
        providers.device("cuda", Cuda(tensorrt=True))


def test_tensorrt_without_a_runtime_that_has_it_says_so(gpus: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers.onnxruntime, "get_available_providers", lambda: [providers.CUDA])
    with pytest.raises(DeviceUnavailable, match="this ONNX Runtime has no TensorRT"):
        providers.device("cuda", Cuda(tensorrt=True))


def test_neighbouring_executors_are_on_different_gpus() -> None:
    assert Device("cuda", "a GPU", (2, 5), Cuda(streams=2)).lanes == (2, 5, 2, 5)
    assert Device("cpu", "a CPU").lanes == ()


class Runtime:
    """Stands where the runtime would load a graph on a GPU; notes what it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, started: str) -> None:
        self.told: list[tuple[Any, Any, bool]] = []
        self.started = started
        monkeypatch.setattr(providers.onnxruntime, "InferenceSession", self)

    def __call__(self, data: bytes, options: Any, providers: Any, enable_fallback: bool, **_: Any) -> "Runtime":
        self.told.append((options, providers, enable_fallback))
        return self

    def get_providers(self) -> list[str]:
        return [self.started, "CPUExecutionProvider"]


def test_a_session_on_a_gpu_may_fall_back_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = Runtime(monkeypatch, providers.CUDA)
    device = Device("cuda", "a GPU", (1,), Cuda(memory=500_000_000))
    providers.load_fixed(b"graph", device, 1, 8, ["n"], graphs=True)
    [(options, chain, fallback)] = runtime.told
    assert options.get_session_config_entry("session.disable_cpu_ep_fallback") == "1"
    assert fallback is False
    assert chain == [
        (
            "CUDAExecutionProvider",
            {
                "device_id": 1,
                "enable_cuda_graph": 1,
                "gpu_mem_limit": 500_000_000,
                "cudnn_conv_algo_search": "HEURISTIC",
                "cudnn_conv_use_max_workspace": 1,
                "arena_extend_strategy": "kSameAsRequested",
                "do_copy_in_default_stream": 1,
                "use_tf32": 0,
            },
        )
    ]


def test_a_provider_that_does_not_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    Runtime(monkeypatch, "CPUExecutionProvider")
    with pytest.raises(DeviceUnavailable) as error:
        providers.load_fixed(b"graph", Device("cuda", "a GPU", (0,)), 0, 8, [])
    assert str(error.value) == (
        "ONNX Runtime could not start its CUDAExecutionProvider: are CUDA 13 and cuDNN 9, or TensorRT 10, installed?"
    )


def test_tensorrt_keeps_the_engines_of_each_graph_and_size_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runtime = Runtime(monkeypatch, providers.TENSORRT)
    device = Device("cuda", "a GPU", (0,), Cuda(tensorrt=True, cache=tmp_path))
    for data, size in [(b"one", 1), (b"one", 8), (b"two", 8)]:
        providers.load_fixed(data, device, 0, size, ["n"])
    engines = [chain[0][1]["trt_engine_cache_path"] for _, chain, _ in runtime.told]
    assert len(set(engines)) == 3
    assert all(Path(folder).is_dir() and Path(folder).is_relative_to(tmp_path) for folder in engines)
    assert [name for name, _ in runtime.told[0][1]] == [providers.TENSORRT, providers.CUDA]
    assert {chain[0][1]["trt_timing_cache_path"] for _, chain, _ in runtime.told} == {str(tmp_path)}


def test_tensorrt_is_part_of_the_identity() -> None:
    assert Device("cuda", "a GPU", (0,), Cuda(tensorrt=True)).identity == f"{providers.RUNTIME} tensorrt a GPU"


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
        "providers.load(data)\n"
    )
    done = python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.rglob("*")) == []


def test_without_a_runtime_the_error_names_the_extras(tmp_path: Path) -> None:
    done = python("import sys; sys.modules['onnxruntime'] = None; import app.engine.catalog", tmp_path)
    assert done.stderr.splitlines()[-1] == (
        "ImportError: ONNX Runtime is not installed: pip install 'ganymede[cpu]', or 'ganymede[gpu]' for an NVIDIA GPU"
    )
