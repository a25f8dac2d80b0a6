"""ONNX Runtime and everything it is told: devices, providers, session options, threads. Nobody else imports it."""

import ctypes
import os
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

# Before the import: official builds since 1.29 write a device id and report each model loaded; afterwards is too late.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np

from app.contract import digest, processor
from app.engine import cgroups
from app.settings import Settings

try:
    import onnxruntime
except ImportError as missing:
    raise ImportError(
        "ONNX Runtime is not installed: pip install 'ganymede[cpu]', or 'ganymede[gpu]' for an NVIDIA GPU"
    ) from missing

RUNTIME = f"onnxruntime {onnxruntime.__version__}"
"""The runtime's part of a manifest's `exporter`."""

CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"

CUDA_OPTIONS: dict[str, Any] = {
    # HEURISTIC plans in milliseconds what EXHAUSTIVE, the default, plans in half a second, and runs as fast. It also
    # chooses by the shape alone and not by a stopwatch, so that equal GPUs choose equal kernels.
    "cudnn_conv_algo_search": "HEURISTIC",
    "cudnn_conv_use_max_workspace": 1,
    # One size per session: its arena is as large as it needs, and doubling it would only waste memory.
    "arena_extend_strategy": "kSameAsRequested",
    "do_copy_in_default_stream": 1,
    # TF32 keeps 10 bits of mantissa: pictures would differ from the exporter's by more than a grey level.
    "use_tf32": 0,
}

SPIN_MICROSECONDS = "3000"
"""How long a thread of a run with several waits for more: until the next request of a client who has the device to
itself. A core that sleeps meanwhile takes long to wake, on a virtual machine above all, and all threads that pass a
request on have to wake one. On two cores such a client waits 13 to 19 % less for the standard picture than where the
threads stop with the run, and 30 % less for one of 28×28; with 1,500 µs it is 12 and 16 %, with 5,000 no more."""

NVINFER = "nvinfer_10.dll" if os.name == "nt" else "libnvinfer.so.10"

# No file can lie under it. A graph that comes as checked bytes may still name external data, which the runtime would
# open, unchecked, in the working directory.
NOWHERE = os.devnull

_ARENA = threading.Lock()
"""Held by whoever makes a session with the arena that the runtime shares."""

UNCAPTURED = onnxruntime.RunOptions()
"""For a run that is no CUDA graph. Without it, a session with `graphs` captures one at its first run on a thread, and
replays it whenever that thread runs it again: the same kernels, on the same addresses, started at once."""
UNCAPTURED.add_run_config_entry("gpu_graph_id", "-1")


QUIET = onnxruntime.RunOptions()
"""For a run that may fail, of a graph that is looked at: what fails is told by the error, and not logged besides."""
QUIET.log_severity_level = 4


class DeviceUnavailable(RuntimeError):  # noqa: N818 - the state of a device
    """The device that was asked for can't be used; the message says what is missing."""


@dataclass(frozen=True)
class Cuda:
    """How GPUs are used.

    `streams` batches are in flight on each, so that the copies of one overlap with the computing of another; `graphs`
    replays a run as one CUDA graph; `memory` bounds the bytes of each session's arena. With `tensorrt`, TensorRT
    compiles graphs, and keeps in `cache` what took it minutes.
    """

    streams: int = 2
    graphs: bool = True
    memory: int | None = None
    tensorrt: bool = False
    cache: Path = Path("~/.cache/ganymede/tensorrt")

    @classmethod
    def of(cls, settings: Settings) -> "Cuda":
        """As the settings say."""
        return cls(
            streams=settings.gpu_streams,
            graphs=settings.gpu_graphs,
            memory=None if settings.gpu_memory_mb is None else int(settings.gpu_memory_mb * 1_000_000),
            tensorrt=settings.gpu_provider == "tensorrt",
            cache=settings.tensorrt_cache,
        )


@dataclass(frozen=True)
class Device:
    """Where models run. `processor` names the hardware as far as it decides how numbers are rounded.

    A GPU gives a picture that does not depend on its neighbours in a batch, but on the batch's size: kernels differ by
    it, and with them the last bit. Where every byte must be the same at any load, the largest batch is to be 1.
    """

    kind: Literal["cpu", "cuda"]
    processor: str
    gpus: tuple[int, ...] = ()
    """Numbers of the GPUs, as the driver counts them; none on a CPU."""
    cuda: Cuda = Cuda()

    @property
    def identity(self) -> str:
        """Runtime, kind and processor: two replicas whose identities are equal give the same bytes.

        But for TensorRT, which chooses kernels by a stopwatch: there only replicas that share a cache do.
        """
        return f"{RUNTIME} {'tensorrt' if self.gpus and self.cuda.tensorrt else self.kind} {self.processor}"

    @property
    def lanes(self) -> tuple[int, ...]:
        """The GPU of each executor, by the executor's number: neighbours are on different GPUs. None on a CPU."""
        return self.gpus * self.cuda.streams


def device(choice: str, cuda: Cuda | None = None) -> Device:
    """The device for a setting: `cpu`, `cuda` (the first GPU), `cuda:1`, `cuda:0,1` (GPUs of one kind), or `auto`.

    `auto` is the first GPU if there is one, else the CPU. Raises `DeviceUnavailable` if what is asked for can't be had.
    """
    cuda = cuda or Cuda()
    kind, _, numbers = choice.partition(":")
    gpus = tuple(int(number) for number in numbers.split(",")) if numbers else (0,)
    missing = "" if kind == "cpu" else _missing(gpus, cuda)
    if missing and kind != "auto":
        raise DeviceUnavailable(f"device {choice!r} can't be used: {missing}")
    if missing or kind == "cpu":
        return Device("cpu", processor())
    # Finds CUDA and cuDNN in their Python packages; without it they would have to be on the loader's path.
    onnxruntime.preload_dlls()
    return Device("cuda", _gpus()[gpus[0]], gpus, cuda)


def _missing(gpus: tuple[int, ...], cuda: Cuda) -> str:
    """What is missing to use those GPUs, in words; empty if nothing is."""
    available = onnxruntime.get_available_providers()
    if CUDA not in available:
        return "this ONNX Runtime has no CUDA: install 'ganymede[gpu]' in place of 'ganymede[cpu]'"
    found = _gpus()
    if not found:
        return "the NVIDIA driver is missing or shows no GPU: does nvidia-smi list one here?"
    if absent := [str(gpu) for gpu in gpus if gpu >= len(found)]:
        return f"there is no GPU {', '.join(absent)}: the driver shows {len(found)}, counted from 0"
    if len(set(gpus)) < len(gpus):
        return "each GPU can be named once"
    if len({found[gpu] for gpu in gpus}) > 1:
        kinds = ", ".join(f"{gpu} is a {found[gpu]}" for gpu in gpus)
        return f"GPUs of different kinds round differently: {kinds}; serve each kind apart"
    if cuda.tensorrt and TENSORRT not in available:
        return "this ONNX Runtime has no TensorRT; --gpu-provider cuda needs none"
    if cuda.tensorrt and (error := _unloadable(NVINFER)):
        return f"TensorRT 10 can't be loaded ({error}): install it, and name its folder in LD_LIBRARY_PATH"
    return ""


def load(data: bytes, threads: int = 1, *, folds: bool = True) -> Any:
    """An `InferenceSession` of a graph's bytes on the CPU; raises what the runtime raises.

    Executors are the parallelism: one single-threaded run per core gives 1,050 to 1,136 images/s on two cores where
    one run with two threads gives 830 to 868 (64×64 DCGAN), and leaves none of them idle at a narrow layer. Several
    `threads` are for a run that has the machine to itself.

    Unless it `folds`, no constants are computed ahead: that is done in every branch, also in one that no run takes.
    """
    options = _options(threads)
    # Every session's arena would keep the most that any run of it ever took. The allocator of the C library, which all
    # of them share, is as quick here.
    options.enable_cpu_mem_arena = False
    unwanted = None if folds else ["ConstantFolding"]
    session = onnxruntime.InferenceSession(
        data, options, providers=["CPUExecutionProvider"], disabled_optimizers=unwanted
    )
    # The graph's bytes, which it keeps for switching providers. With the arena, two of three bytes of a small model:
    # twelve of 3.6 M parameters take 470 MB without the two, 840 with them.
    session._model_bytes = None
    return session


def load_bounded(data: bytes, most: int) -> Any:
    """An `InferenceSession` on the CPU whose runs raise what the runtime raises when they need more than `most` bytes.

    As slow as the graph is written: nothing of it is computed, or rewritten, before it is run.
    """
    options = _options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.use_env_allocators", "1")
    with _ARENA:
        # The runtime has one arena to share, which sessions take at their making: this one's is its own, and goes with
        # it, since the next one is put in its place at once.
        _share_arena(most)
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        _share_arena(1)
    session._model_bytes = None
    return session


def stoppable() -> Any:
    """`RunOptions` of a session of `load_bounded`: they give back what a run took, and don't log its errors.

    Once their `terminate` is set, a run ends between two nodes.
    """
    options = onnxruntime.RunOptions()
    options.log_severity_level = 4
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def _share_arena(most: int) -> None:
    where = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    same_as_requested = 1
    bounds = onnxruntime.OrtArenaCfg({"max_mem": most, "arena_extend_strategy": same_as_requested})
    onnxruntime.create_and_register_allocator(where, bounds)


def load_fixed(
    data: bytes, device: Device, gpu: int, size: int, axes: Collection[str], *, graphs: bool = False, folds: bool = True
) -> Any:
    """An `InferenceSession` for batches of `size` on one GPU, never elsewhere; raises what the runtime raises.

    `axes` are the names that the graph gives to its batch axis: with the size in their place, what only computes
    shapes is folded away, which else would be left to the CPU, and TensorRT needs no profile. With `graphs` it
    captures a CUDA graph, see `UNCAPTURED`. On a CPU it stands in for a GPU's.
    """
    options = _options()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    for axis in axes:
        options.add_free_dimension_override_by_name(axis, size)
    unwanted = None if folds else ["ConstantFolding"]
    if device.kind == "cpu":
        return onnxruntime.InferenceSession(
            data, options, providers=["CPUExecutionProvider"], disabled_optimizers=unwanted
        )
    # A node that only the CPU can run would be a silent tenfold slowdown: refuse the model instead.
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    chain = gpu_providers(device, gpu, size, digest(data), graphs=graphs)
    session = onnxruntime.InferenceSession(
        data, options, providers=chain, enable_fallback=False, disabled_optimizers=unwanted
    )
    if session.get_providers()[0] != chain[0][0]:
        raise DeviceUnavailable(
            f"ONNX Runtime could not start its {chain[0][0]}: are CUDA 13 and cuDNN 9, or TensorRT 10, installed?"
        )
    return session


def gpu_providers(
    device: Device, gpu: int, size: int, sha256: str, *, graphs: bool
) -> list[tuple[str, dict[str, Any]]]:
    """The providers of a session on one GPU, the first one first, with their options."""
    cuda = {"device_id": gpu, "enable_cuda_graph": int(graphs), **CUDA_OPTIONS}
    if device.cuda.memory is not None:
        cuda["gpu_mem_limit"] = device.cuda.memory
    if not device.cuda.tensorrt:
        return [(CUDA, cuda)]
    cache = device.cuda.cache.expanduser()
    # TensorRT names an engine by the graph's nodes, neither by its weights nor by its shapes: engines of two sizes, or
    # of two versions of a model, would be taken for each other in one folder.
    engines = cache / sha256[:16] / str(size)
    engines.mkdir(parents=True, exist_ok=True)
    tensorrt = {
        "device_id": gpu,
        "trt_engine_cache_enable": 1,
        "trt_engine_cache_path": str(engines),
        "trt_timing_cache_enable": 1,
        "trt_timing_cache_path": str(cache),
    }
    return [(TENSORRT, tensorrt), (CUDA, cuda)]


def placement(session: Any) -> set[str]:
    """The providers that the nodes of a session of `load_fixed` were given to."""
    return {part.ep_name for part in session.get_provider_graph_assignment_info()}


def buffer(shape: Sequence[int], dtype: str, device: Device, gpu: int) -> Any:
    """An `OrtValue` in the memory of a GPU, or of the CPU where that stands in; its address never changes."""
    return onnxruntime.OrtValue.ortvalue_from_shape_and_type(list(shape), np.dtype(dtype).type, device.kind, gpu)


def _options(threads: int = 1) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin take the cores of the encoders: 185 instead of 480 images/s with other work on them. But from
    # one operator to the next of a small graph, or from one run to the next, waking a thread takes longer than its
    # work: where there are several, which is where nobody else wants the device, they wait for each other.
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(threads > 1)))
    options.add_session_config_entry("session.intra_op.spin_duration_us", SPIN_MICROSECONDS)
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", NOWHERE)
    # Else bytes that look like its own format would be taken for it.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.log_severity_level = 3
    return options


def cores(root: Path = Path("/")) -> int:
    """Cores that this process may really use: its affinity, cut by its cgroup's quota; at least 1.

    The runtime's own default counts the host's cores, whatever the container may use.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min(allowed, cgroups.cores(root))))


def _gpus() -> list[str]:
    """The names of the GPUs, from the driver; none without a driver."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return []
    count = ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return []
    names = []
    for number in range(count.value):
        gpu, name = ctypes.c_int(), ctypes.create_string_buffer(256)
        if driver.cuDeviceGet(ctypes.byref(gpu), number) or driver.cuDeviceGetName(name, len(name), gpu):
            break
        names.append(name.value.decode())
    return names


def _unloadable(library: str) -> str:
    """Why a shared library can't be loaded; empty if it can."""
    try:
        ctypes.CDLL(library)
    except OSError as error:
        return str(error)
    return ""
