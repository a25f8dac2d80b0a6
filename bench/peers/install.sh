#!/usr/bin/env bash
# An environment for each peer, in build/peers/NAME, with the versions that the comparison was made with.
#   bench/peers/install.sh                      all of them
#   bench/peers/install.sh litserve bentoml     some of them
# Apart from each other and from .venv, since their pins contradict each other. PYTHON chooses the interpreter.
set -euo pipefail
cd "$(dirname "$0")/../.."

declare -A PACKAGES=(
  [litserve]="litserve==0.2.19"
  [bentoml]="bentoml==1.4.39"
  [mlserver]="mlserver==1.7.1"
  [pytriton]="nvidia-pytriton==0.7.0 numpy==1.26.4" # its wheel holds Triton itself, built for Debian's Python 3.11
)
WORK="onnxruntime==1.32.0 pillow==13.0.0" # graph and encoder: those of plain FastAPI

for name in "${@:-litserve bentoml mlserver pytriton}"; do
  for peer in $name; do
    if [ -z "${PACKAGES[$peer]:-}" ]; then
      echo "there is no peer '$peer'; known: ${!PACKAGES[*]}" >&2
      exit 2
    fi
    "${PYTHON:-python3}" -m venv "build/peers/$peer"
    # shellcheck disable=SC2086 # lists of packages
    "build/peers/$peer/bin/pip" install --quiet --disable-pip-version-check ${PACKAGES[$peer]} $WORK
    echo "build/peers/$peer is ready"
  done
done
