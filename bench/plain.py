"""What a team would write first: FastAPI, a synchronous endpoint in the thread pool, one session, one run per request.

The baseline of the comparison. It draws the same picture for the same seed, and does nothing else: no batches, no
limits, no recipe in the picture, no metrics.
"""

import argparse
from io import BytesIO
from pathlib import Path

import onnxruntime
import uvicorn
from fastapi import FastAPI
from fastapi.responses import Response
from PIL import Image

from app import contract


def create_app(folder: Path) -> FastAPI:
    """Serves the model of `folder`, on a session with the runtime's own defaults."""
    manifest = contract.read(folder)
    graph = manifest.graphs["generator"]
    data = (folder / graph.file).read_bytes()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    image = graph.output("image").name
    app = FastAPI()

    @app.post("/generate")
    def generate(seed: int) -> Response:
        (pixels,) = session.run([image], manifest.inputs(seed, range(1)))
        picture = pixels[0]
        file = BytesIO()
        Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).save(file, "PNG", compress_level=1)
        return Response(file.getvalue(), media_type="image/png")

    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m bench.plain", description=__doc__)
    parser.add_argument("folder", type=Path, help="model folder, <name>/<version>")
    parser.add_argument("--port", type=int, default=8000)
    given = parser.parse_args()
    uvicorn.run(create_app(given.folder), port=given.port, access_log=False, log_level="warning")
