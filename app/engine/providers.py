"""ONNX Runtime and everything it is told: devices, providers, session options, threads. Nobody else imports it."""

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

# Before the import: official builds since 1.29 write a device id and report each model loaded; afterwards is too late.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from app.contract import processor

try:
    import onnxruntime
except ImportError as missing:
    raise ImportError(
        "ONNX Runtime is not installed: pip install 'ganymede[cpu]', or 'ganymede[gpu]' for an NVIDIA GPU"
    ) from missing

RUNTIME = f"onnxruntime {onnxruntime.__version__}"
"""The runtime's part of a manifest's `exporter`."""

CUDA = "CUDAExecutionProvider"

CUDA_OPTIONS: dict[str, Any] = {
    "device_id": 0,
    # HEURISTIC plans in milliseconds what EXHAUSTIVE, the default, plans in half a second, and runs as fast.
    "cudnn_conv_algo_search": "HEURISTIC",
    "cudnn_conv_use_max_workspace": 1,
    # One size per session: its arena is as large as it needs, and doubling it would only waste memory.
    "arena_extend_strategy": "kSameAsRequested",
    "do_copy_in_default_stream": 1,
    # TF32 keeps 10 bits of mantissa: pictures would differ from the exporter's by more than a grey level.
    "use_tf32": 0,
}

# No file can lie under it. A graph that comes as checked bytes may still name external data, which the runtime would
# open, unchecked, in the working directory.
NOWHERE = os.devnull


class DeviceUnavailable(RuntimeError):  # noqa: N818 - the state of a device
    """The device that was asked for can't be used; the message says what is missing."""


@dataclass(frozen=True)
class Device:
    """Where models run. `processor` names the hardware as far as it decides how numbers are rounded."""

    kind: Literal["cpu", "cuda"]
    processor: str

    @property
    def identity(self) -> str:
        """Runtime, kind and processor: two replicas whose identities are equal give the same bytes."""
        return f"{RUNTIME} {self.kind} {self.processor}"


def device(choice: Literal["auto", "cpu", "cuda"]) -> Device:
    """The device for a setting; `DeviceUnavailable` if CUDA is asked for and can't be had."""
    if choice == "cpu":
        return Device("cpu", processor())
    if CUDA not in onnxruntime.get_available_providers():
        missing = "this ONNX Runtime has no CUDA: install 'ganymede[gpu]' in place of 'ganymede[cpu]'"
    elif (name := _gpu()) is None:
        missing = "the NVIDIA driver is missing or shows no GPU: does nvidia-smi list one here?"
    else:
        # Finds CUDA and cuDNN in their Python packages; without it they would have to be on the loader's path.
        onnxruntime.preload_dlls()
        return Device("cuda", name)
    if choice == "cuda":
        raise DeviceUnavailable(f"device 'cuda' can't be used: {missing}")
    return Device("cpu", processor())


def load(data: bytes, device: Device) -> Any:
    """An `InferenceSession` of a graph's bytes on a device, never elsewhere; raises what the runtime raises."""
    options = onnxruntime.SessionOptions()
    # Executors are the parallelism: one single-threaded run per core gives 1,050 to 1,136 images/s on two cores where
    # one run with two threads gives 830 to 868 (64×64 DCGAN), and leaves none of them idle at a narrow layer.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Threads that spin take the cores of the encoders: 185 instead of 480 images/s with other work on them.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", NOWHERE)
    options.log_severity_level = 3
    if device.kind == "cpu":
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    # A node that only the CPU can run would be a silent tenfold slowdown: refuse the model instead.
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    session = onnxruntime.InferenceSession(data, options, providers=[(CUDA, CUDA_OPTIONS)], enable_fallback=False)
    if session.get_providers()[0] != CUDA:
        raise DeviceUnavailable("ONNX Runtime could not start its CUDA provider: are CUDA 13 and cuDNN 9 installed?")
    return session


def cores(root: Path = Path("/")) -> int:
    """Cores that this process may really use: its affinity, cut by its cgroup's quota; at least 1.

    The runtime's own default counts the host's cores, whatever the container may use.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min(allowed, _quota(root))))


def _quota(root: Path) -> float:
    """Cores of the tightest CPU quota on the way from this process's cgroup up to the root; infinite without one.

    Reads cgroup v2's `cpu.max` ("quota period") and v1's `cpu.cfs_quota_us` and `cpu.cfs_period_us`.
    """
    tightest = float("inf")
    for line in _words(root / "proc/self/cgroup", "\n"):
        _, controllers, group = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = root / "sys/fs/cgroup" / ("cpu" if controllers else "")
        # Inside a container the path may be the host's, while the mount shows the container's own group at its root.
        inner = Path(group.lstrip("/"))
        for folder in [mount / inner, *(mount / parent for parent in inner.parents), mount]:
            if controllers:
                limit = _words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us")
            else:
                limit = _words(folder / "cpu.max")
            if len(limit) == 2 and limit[0] not in ("max", "-1"):
                tightest = min(tightest, int(limit[0]) / int(limit[1]))
    return tightest


def _words(path: Path, separator: str | None = None) -> list[str]:
    """The words, or lines, of a small file; none if it can't be read."""
    try:
        return path.read_text(encoding="ascii").strip().split(separator)
    except OSError:
        return []


def _gpu() -> str | None:
    """The name of the first GPU, from the driver; None without a driver or a GPU."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return None
    name = ctypes.create_string_buffer(256)
    gpu = ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(gpu), 0) or driver.cuDeviceGetName(name, len(name), gpu):
        return None
    return name.value.decode()
