"""What the tests of `/interpolate` ask, and how they look at what is answered."""

import base64
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageSequence
from starlette.testclient import TestClient

HERE = "/interpolate"

KINDS: list[tuple[dict[str, str], str]] = [
    ({}, "image/png"),
    ({"format": "jpeg"}, "image/jpeg"),
    ({"format": "webp"}, "image/webp"),
    ({"layout": "animation"}, "image/gif"),
    ({"format": "apng"}, "image/apng"),
    ({"format": "mp4"}, "video/mp4"),
    ({"format": "zip"}, "application/zip"),
    ({"format": "json"}, "application/json"),
    ({"format": "npy"}, "application/x-npy"),
]
"""In what form pictures in a sequence can be asked for, and the media type that the answer then has."""


def drawn(walker: TestClient, **asked: Any) -> np.ndarray:
    """The pictures of a walk, uint8 [n, 16, 16, 3]."""
    answer = walker.post(HERE, json={"format": "npy", **asked})
    assert answer.status_code == 200, answer.text
    return np.load(BytesIO(answer.content), allow_pickle=False)


def sample(walker: TestClient, **asked: Any) -> bytes:
    """What `/generate` answers."""
    answer = walker.get("/generate", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.content


def pixels(data: bytes) -> np.ndarray:
    with Image.open(BytesIO(data)) as picture:
        return np.asarray(picture)


def frames(data: bytes) -> np.ndarray:
    """The frames of an animation, as they are shown."""
    with Image.open(BytesIO(data)) as film:
        return np.stack([np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)])


def refusal(walker: TestClient, asked: dict[str, Any], status: int = 422) -> str:
    """The words in which a request is refused."""
    answer = walker.post(HERE, json=asked)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["detail"])


def npy(values: np.ndarray) -> str:
    out = BytesIO()
    np.save(out, values)
    return base64.b64encode(out.getvalue()).decode()
