"""What this machine is, as far as it decides how numbers are rounded."""

import platform
from pathlib import Path

VECTORS = ("fma", "avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "asimddp", "sve", "i8mm")
"""Processor flags by which a runtime picks its kernels, and with them the order in which it sums."""


def processor() -> str:
    """This machine's processor: architecture, model, and the extensions that decide the width of its vectors.

    Processors that share it are taken to round alike: where it and the runtime are the exporter's, the golden samples
    must come out exactly. Two that differ in it may still round alike, which only loosens the check.
    """
    architecture = platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{architecture} {platform.processor()}".strip()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = facts.get("flags", facts.get("Features", "")).split()
    model = facts.get("model name", facts.get("CPU part", ""))
    return " ".join([architecture, model, *(flag for flag in VECTORS if flag in flags)])
