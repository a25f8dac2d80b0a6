"""Archives of model folders, as clients send them."""

import io
import tarfile
import zipfile

Files = dict[str, bytes]
"""What a folder holds, by name."""


def zipped(files: Files, home: str = "") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in files.items():
            packed.writestr(home + name, data)
    return out.getvalue()


def tarred(files: Files, home: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as packed:
        for name, data in files.items():
            info = tarfile.TarInfo(home + name)
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
    return out.getvalue()
