"""MLServer: a runtime behind the Open Inference Protocol, with its adaptive batching."""

# Its package is in an environment of its own, where no types are checked.
# mypy: disable-error-code="import-not-found", allow-subclassing-any, allow-untyped-decorators

import asyncio
from pathlib import Path

import mlserver
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.settings import ModelParameters, ModelSettings, Settings
from mlserver.types import InferenceRequest, InferenceResponse

from bench.peers import work


class Generator(mlserver.MLModel):
    async def load(self) -> bool:
        self.work = work.Work(Path(self.settings.parameters.uri))
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        seeds = NumpyCodec.decode_input(payload.inputs[0]).ravel().tolist()
        pictures = await asyncio.to_thread(self._pictures, seeds)
        image = StringCodec.encode_output("image", pictures)
        return InferenceResponse(model_name=self.name, outputs=[image])

    def _pictures(self, seeds: list[int]) -> list[str]:
        return [work.text(picture) for picture in self.work.draw(seeds)]


def settings(folder: Path, port: int) -> tuple[Settings, ModelSettings]:
    """The server's and the model's: one process, nothing beside HTTP that takes a fixed port."""
    server = Settings(
        host="127.0.0.1",
        http_port=port,
        grpc_port=_beside(port, 1),
        metrics_port=_beside(port, 2),
        parallel_workers=0,
        debug=False,
    )
    model = ModelSettings(
        name="dcgan",
        implementation=Generator,
        max_batch_size=work.BATCH,
        max_batch_time=work.WAIT,
        parameters=ModelParameters(uri=str(folder)),
    )
    return server, model


def _beside(port: int, distance: int) -> int:
    return port + distance if port + distance < 2**16 else port - distance


if __name__ == "__main__":
    server_settings, model_settings = settings(*work.arguments())
    asyncio.run(mlserver.MLServer(server_settings).start([model_settings]))
