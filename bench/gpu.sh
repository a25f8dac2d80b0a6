#!/bin/sh
# Proves the CUDA path on a machine with an NVIDIA GPU: runs the tests marked `gpu`, then measures. Needs no network and
# installs nothing. From the root of the repository:
#
#     bench/gpu.sh OUT [--seconds 4] [--model models/cifar10/1] [--device cuda:0]
#
# writes OUT/tests.txt, OUT/gpu.json and OUT/gpu.md. It takes about two minutes after the tests. PYTHON names the
# interpreter, python3 by default; Python 3.11 or later.
#
# What it needs, where the network is:
#
#     python3 -m pip install '.[gpu,dev]'
#
# Where it is not: CUDA 13, cuBLAS and cuDNN 9, which PyTorch for CUDA 13 brings along as packages, and wheels:
#
#     # there, with a network: everything that the service and the tests import, as one folder of wheels
#     python3 -m pip download --only-binary=:all: --python-version 3.12 --platform manylinux_2_28_x86_64 \
#         --platform manylinux2014_x86_64 --no-deps -d wheels onnxruntime-gpu==1.31.1
#     python3 -m pip download --only-binary=:all: --python-version 3.12 --platform manylinux_2_28_x86_64 \
#         --platform manylinux2014_x86_64 --constraint constraints.txt -d wheels av fastapi fastapi-swagger httptools \
#         isal pydantic pydantic-settings prometheus-client python-multipart soundfile soxr uvicorn uvloop httpx onnx \
#         pytest pillow numpy flatbuffers pyyaml
#     # here, in a folder of its own, so that no other `onnxruntime` is in the way: the two own one module
#     python3 -m pip install --no-index --no-deps --target /tmp/site wheels/*.whl
#     export PYTHONPATH=/tmp/site
#     # the package itself, whose version the service tells; needs setuptools
#     python3 -m pip install --no-index --no-deps --no-build-isolation --target /tmp/site .
set -eu

python=${PYTHON:-python3}
out=${1:?"usage: bench/gpu.sh OUT [options of bench.gpu]"}
shift
mkdir -p "$out"
cd "$(dirname "$0")/.."
export ORT_DISABLE_TELEMETRY=1

nvidia-smi --query-gpu=index,name,driver_version,memory.total --format=csv
# Without a GPU they would all be skipped, and a run that proves nothing would look like one that does.
"$python" -c 'from app.engine import providers; print(providers.device("cuda").identity)'

status=0
# Through a file and not a pipe, whose end would hide that of the tests.
"$python" -m pytest -m gpu -rs tests/engine/test_gpu.py > "$out/tests.txt" 2>&1 || status=$?
cat "$out/tests.txt"
"$python" -m bench.gpu "$out" "$@" || status=$?
exit $status
