"""An exported graph, run on the CPU as the service runs it. Training's only door to ONNX Runtime."""

import os
from typing import Any

# Before the import: official builds report each model loaded; afterwards is too late.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

try:
    import onnxruntime
except ImportError as missing:
    raise ImportError("ONNX Runtime is not installed: pip install 'ganymede[cpu]'") from missing

RUNTIME = f"onnxruntime {onnxruntime.__version__}"
"""The runtime's part of a manifest's `exporter`."""


def load(data: bytes) -> Any:
    """An `InferenceSession` of a graph's bytes on one thread, as in the service; raises what the runtime raises.

    Files that the graph names outside of these bytes are not found: only what was checked is run.
    """
    options = onnxruntime.SessionOptions()
    # The service's number: more could sum in another order, and golden samples must come out exactly.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
