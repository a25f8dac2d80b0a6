"""One of twenty of the uploads of `fuzz.uploads`, sent to the real server on toy models: as a body, or in a form."""

import http.client
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from app.engine.memory import STATM
from tests.api.process import Process
from tests.fuzz.bytewise import Upload, upload
from tests.fuzz.run import serving

SHARE = 20
PATIENCE = 20
"""Seconds after which an answer doesn't come any more."""

ROUTES: dict[str, tuple[tuple[str, str], ...]] = {
    "picture": (
        ("/translate?model=facades", "image"),
        ("/style?model=monet", "image"),
        ("/encode?model=fashion-vae", "image"),
        ("/reconstruct?model=fashion-vae", "image"),
        ("/score?model=fashion-vae", "image"),
        ("/reproduce?", "image"),
    ),
    "recipe": (("/reproduce?", "image"),),
    "clip": (("/predict?model=radar&steps=2", "frames"),),
    "sound": (("/enhance?model=speech", "audio"),),
    "codes": (("/decode?model=fashion-vae", "latents"),),
}
"""Where what is read as that is sent, and what its part of a form is called."""

MEDIA_TYPES = {"picture": "image/png", "recipe": "image/png", "clip": "video/mp4", "sound": "audio/wav"}
BOUNDARY = b"a-boundary-that-is-in-no-file"


@dataclass
class Answers:
    """What the server answered, and the most bytes that it held as the files came, and as they came once more."""

    counts: Counter[str] = field(default_factory=Counter)
    first: int = 0
    again: int = 0
    slowest: float = 0.0
    """Seconds of the slowest answer."""

    @property
    def growth(self) -> float:
        """By which share memory grew as the same files came again: what a large one took before doesn't count."""
        return self.again / self.first - 1


def run(count: int, seed: int) -> Answers:
    """Sends one of twenty of so many files, all of them twice."""
    came = Answers()
    # glibc keeps what large pictures took, for each thread apart, up to eight times as many as there are cores. That is
    # bounded, but takes long to come to its bound; with one arena for all, what still grows is a leak.
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), MALLOC_ARENA_MAX="1") as server:
        for number in range(0, count, SHARE):
            one = upload(seed, number)
            began = time.monotonic()
            came.counts[f"{one.kind}: {answer(server, one, number // SHARE)}"] += 1
            came.slowest = max(came.slowest, time.monotonic() - began)
            came.first = max(came.first, _resident(server.process.pid))
        for number in range(0, count, SHARE):
            answer(server, upload(seed, number), number // SHARE)
            came.again = max(came.again, _resident(server.process.pid))
        if "Traceback" in server.log.read_text():
            came.counts["any: failed, a traceback is in the server's log"] += 1
    return came


def answer(server: Process, one: Upload, number: int) -> str:
    """What the server answers, in words."""
    routes = ROUTES[one.kind]
    target, part = routes[number % len(routes)]
    body, kind = one.data, MEDIA_TYPES.get(one.kind, "application/x-npy")
    if number % 2:
        head = b'Content-Disposition: form-data; name="%s"; filename="x"\r\n\r\n' % part.encode()
        body = b"--%s\r\n%s%s\r\n--%s--\r\n" % (BOUNDARY, head, body, BOUNDARY)
        kind = f"multipart/form-data; boundary={BOUNDARY.decode()}"
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    try:
        connection.request("POST", target, body, {"Content-Type": kind})
        came = connection.getresponse()
        came.read()
    except (OSError, http.client.HTTPException) as error:
        return f"no answer ({type(error).__name__})"
    finally:
        connection.close()
    return f"answered {came.status}"


def _resident(pid: int) -> int:
    """Bytes of a process that are in memory."""
    return int(Path(str(STATM).replace("self", str(pid))).read_text("ascii").split()[1]) * 4096
