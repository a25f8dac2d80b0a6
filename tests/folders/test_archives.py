"""Archives of model folders that mean harm, or are none: refused with a reason, and nothing leaves its place."""

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from app import contract
from tests import toy
from tests.archives import tarred, zipped

MOST = 1_000_000


def _link_in_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        info = zipfile.ZipInfo("model.json")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(info, "/etc/passwd")
    return out.getvalue()


def _special_in_tar(kind: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as packed:
        info = tarfile.TarInfo("model.json")
        info.type, info.linkname = kind, "/etc/passwd"
        packed.addfile(info)
    return out.getvalue()


def _long_header() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "x"}) as packed:
        packed.addfile(tarfile.TarInfo("model.json"))
    data = bytearray(out.getvalue())
    data[124:136] = b"77777777777\0"  # a header of 8 GB
    data[148:156] = b"        "
    data[148:156] = b"%06o\0 " % sum(data[:512])
    return bytes(data)


def _encrypted() -> bytes:
    data = bytearray(zipped({"model.json": b"{}"}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def _twice() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as packed:
        for _ in range(2):
            packed.addfile(tarfile.TarInfo("model.json"))
    return out.getvalue()


@pytest.mark.parametrize(
    ("archive", "said"),
    [
        (lambda: b"", "it is neither a zip nor an uncompressed tar"),
        (lambda: b"no archive", "it is neither a zip nor an uncompressed tar"),
        (lambda: b"PK\x03\x04" + b"\0" * 99, "the zip doesn't end as a plain one does"),
        (lambda: zipped({"model.json": b"{}"}) + b"x", "the zip doesn't end as a plain one does"),
        (lambda: zipped({"model.json": b"{}"})[:-30] + zipped({})[-22:], "the archive holds no model.json"),
        (lambda: zipped({"../model.json": b"{}"}), "doesn't lie in the folder of the others"),
        (lambda: tarred({"/etc/model.json": b"{}"}), "doesn't lie in the folder of the others"),
        (lambda: tarred({"a/../../model.json": b"{}"}), "doesn't lie in the folder of the others"),
        (lambda: zipped({"a/model.json": b"{}", "b/generator.onnx": b""}), "doesn't lie in the folder of the others"),
        (lambda: zipped({".serving.json": b"{}"}), "is no name of a model's file"),
        (lambda: zipped({"model.json\n": b"{}"}), "is no name of a model's file"),
        (_link_in_zip, "which is no plain file"),
        *((lambda kind=kind: _special_in_tar(kind), "which is no plain file") for kind in (b"1", b"2", b"3", b"6")),
        (_long_header, "the tar has a header larger than any name"),
        (_encrypted, "the archive can't be read"),
        (_twice, "the archive holds model.json twice"),
        (lambda: zipped({f"f{number}": b"" for number in range(66)}), "the archive holds more than 65 files"),
        (lambda: zipped({f"f{number}" * 60: b"" for number in range(400)}), "the zip's table of contents has"),
        (lambda: tarred({f"{'d/' * number}f": b"" for number in range(2)}), "doesn't lie in the folder of the others"),
        (lambda: zipped({"a": b"\0" * 900_000, "b": b"\0" * 200_000}), "have more than 1,000,000 bytes in all"),
        (lambda: zipped({"a": b"\0" * 50_000_000}), "have more than 1,000,000 bytes in all"),
    ],
)
def test_a_hostile_archive_is_refused_and_nothing_leaves_its_place(
    tmp_path: Path, archive: Callable[[], bytes], said: str
) -> None:
    sent = tmp_path / "archive"
    sent.write_bytes(archive())
    place = tmp_path / "toy" / "2"
    with pytest.raises(contract.ContractError) as refused:
        contract.unpack(sent, place, MOST)
    assert said in str(refused.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.parent != place] == [sent]
    assert sum(path.stat().st_size for path in place.iterdir()) <= MOST


@pytest.mark.parametrize("packed", [zipped, tarred])
@pytest.mark.parametrize("home", ["", "2/", "toy/2/", "./"])
def test_a_folder_comes_out_as_it_went_in(
    tmp_path: Path, packed: Callable[[dict[str, bytes], str], bytes], home: str
) -> None:
    folder = toy.build(tmp_path / "models")
    toy.present(folder)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    (tmp_path / "archive").write_bytes(packed(files, home))
    contract.unpack(tmp_path / "archive", tmp_path / "toy" / "1", MOST)
    assert {path.name: path.read_bytes() for path in (tmp_path / "toy" / "1").iterdir()} == files
    assert contract.check(tmp_path / "toy" / "1").reference == "toy@1"
