"""One of twenty of the uploads of `fuzz.uploads`, sent to the real server on toy models: as a body, or in a form."""

import http.client
import tempfile
import time
from collections import Counter
from pathlib import Path

from app.engine.memory import STATM
from tests.api.process import Process
from tests.fuzz.bytewise import Upload, upload
from tests.fuzz.run import serving

SHARE = 20
LOOK = 50
"""Requests between two looks at the server's memory."""
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


def run(count: int, seed: int) -> tuple[Counter[str], list[int], float]:
    """How often each status came, the bytes that the server held, again and again, and the slowest answer's seconds."""
    counts: Counter[str] = Counter()
    held: list[int] = []
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server:
        for sent, number in enumerate(range(0, count, SHARE)):
            one = upload(seed, number)
            began = time.monotonic()
            counts[f"{one.kind}: {answer(server, one, number // SHARE)}"] += 1
            slowest = max(slowest, time.monotonic() - began)
            if sent % LOOK == LOOK - 1:
                held.append(_resident(server.process.pid))
        held.append(_resident(server.process.pid))
        counts["any: failed, a traceback is in the server's log"] += "Traceback" in server.log.read_text()
    return +counts, held, slowest


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
