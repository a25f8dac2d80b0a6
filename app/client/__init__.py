"""The Python client: `Client`, and `AsyncClient` with the same verbs. Pictures come as PIL images, arrays as numpy's.

    with Client("http://localhost:8000") as client:
        [dog] = client.generate("dog", seed=42)
        dog.image.show()

Stands alone: it knows nothing else of `app`, and nothing of `app` knows it. Copied into another project under any name,
this folder works there; it needs httpx, numpy and Pillow.
"""

from .answers import Model, Sample
from .clients import AsyncClient, Client
from .errors import NoAnswerError, ServiceError

__all__ = ["AsyncClient", "Client", "Model", "NoAnswerError", "Sample", "ServiceError"]
