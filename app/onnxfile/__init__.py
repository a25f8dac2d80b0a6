"""What an ONNX file holds, seen without a runtime: whether its bytes are a plain graph that may be given to one.

The service has neither `onnx` nor protobuf, and needs of the format only what `screen` looks at. `wire` reads protobuf,
`messages` knows which fields ONNX has, `tensors` and `nodes` hold the rules, `screening` applies them to a file. Knows
numpy only; `app.contract` and `app.elsewhere` use it.
"""

from app.onnxfile.refusal import GraphRefusedError
from app.onnxfile.screening import Screened, screen

__all__ = ["GraphRefusedError", "Screened", "screen"]
