"""The contract between training and serving: what a folder `models/<name>/<version>/` is.

`Manifest` is `model.json`. `training.export` writes folders by it; `app.engine` reads and serves them. A folder is data
that anybody may have written: whatever it holds is bounded, and looked at, before it is used. Knows neither torch nor
ONNX Runtime: pydantic, numpy and the lower floor only.
"""

from app.contract.archive import unpack
from app.contract.declaration import Version
from app.contract.errors import ContractError
from app.contract.folder import MANIFEST, check, digest, load, load_graph, read, write
from app.contract.machine import VECTORS, processor
from app.contract.manifest import Manifest
from app.contract.parts import Curve, Exporter, Golden, Latent, Licence, Metric, Origin, Training
from app.contract.probes import PATCH, probe
from app.contract.tensors import GIVEN, SCORES, FileName, Graph, Meaning, Name, Part, Pixels, Task, Tensor, Values

__all__ = [
    "GIVEN",
    "MANIFEST",
    "PATCH",
    "SCORES",
    "VECTORS",
    "ContractError",
    "Curve",
    "Exporter",
    "FileName",
    "Golden",
    "Graph",
    "Latent",
    "Licence",
    "Manifest",
    "Meaning",
    "Metric",
    "Name",
    "Origin",
    "Part",
    "Pixels",
    "Task",
    "Tensor",
    "Training",
    "Values",
    "Version",
    "check",
    "digest",
    "load",
    "load_graph",
    "probe",
    "processor",
    "read",
    "unpack",
    "write",
]
