"""What the tests of `/edit` ask, and how they look at what is answered."""

from io import BytesIO
from typing import Any

import numpy as np
from starlette.testclient import TestClient

from app import latents
from tests.toy import LATENT

HERE = "/edit"
HUE, SIZE = np.eye(LATENT, dtype=np.float32)[[2, 5]]
"""The toys' directions."""


def answered(editor: TestClient, **asked: Any) -> bytes:
    """What `/edit` answers to a JSON body."""
    answer = editor.post(HERE, json=asked)
    assert answer.status_code == 200, answer.text
    return answer.content


def drawn(editor: TestClient, **asked: Any) -> np.ndarray:
    """The pictures of an edit, uint8 [n, 16, 16, 3]."""
    return np.load(BytesIO(answered(editor, format="npy", **asked)), allow_pickle=False)


def decoded(editor: TestClient, given: np.ndarray, **asked: Any) -> np.ndarray:
    """The pictures that `/decode` draws of latents, uint8 [n, 16, 16, 3]."""
    answer = editor.post("/decode", json={"format": "npy", "latents": given.tolist(), **asked})
    assert answer.status_code == 200, answer.text
    return np.load(BytesIO(answer.content), allow_pickle=False)


def generated(editor: TestClient, **asked: Any) -> bytes:
    """What `/generate` answers."""
    answer = editor.get("/generate", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.content


def noise(seed: int, n: int = 1, index: int = 0) -> np.ndarray:
    """The latents of samples of a seed, float32 [n, 8]."""
    return latents.noise(seed, range(index, index + n), LATENT)


def again(editor: TestClient, file: bytes) -> bytes:
    """What `/reproduce` answers."""
    answer = editor.post("/reproduce", content=file)
    assert answer.status_code == 200, answer.text
    return answer.content


def refusal(editor: TestClient, asked: dict[str, Any], status: int = 422) -> str:
    """The words in which a request is refused."""
    answer = editor.post(HERE, json=asked)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["detail"])
