"""The Python client: `Client`, and `AsyncClient` with the same verbs. Pictures come as PIL images, arrays as numpy's.

    with Client("http://localhost:8000") as client:
        [dog] = client.generate("dog", seed=42)
        dog.image.show()

Stands alone: it knows nothing else of `app`, and nothing of `app` knows it. Copied into another project under any name,
this folder works there; it needs httpx, numpy and Pillow.
"""

from .answers import Code, Edited, Frame, Model, Sample, Score
from .clients import AsyncClient, Client
from .errors import NoAnswerError, ServiceError
from .stops import Stop

__all__ = [
    "AsyncClient",
    "Client",
    "Code",
    "Edited",
    "Frame",
    "Model",
    "NoAnswerError",
    "Sample",
    "Score",
    "ServiceError",
    "Stop",
]
