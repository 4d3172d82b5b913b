#!/bin/sh
# Installs pinned packages (a requirement file), or a project (a folder), into /layer/opt/synthvlm: what of the
# virtual environment /opt/synthvlm they make up. PyTorch comes from TORCH_INDEX if that is given; STACK is
# that of the image.
#
#     install.sh FILE|FOLDER
set -eu

pip() { /tools/bin/python -m pip --disable-pip-version-check --no-cache-dir --quiet "$@"; }
wheel() { pip wheel --no-deps --no-build-isolation --wheel-dir /wheels "$@"; }

mkdir -p /layer/opt /wheels
if [ -d "$1" ]; then
  wheel "$1"
elif [ -n "${TORCH_INDEX:-}" ]; then
  # Builds for the CPU: what the default build needs besides is not there, and not needed.
  grep -E '^torch(vision)?==' "$1" > /wheels/torch.txt || true
  grep -vE '^(torch|torchvision|triton|(nvidia|cuda)-.*)==' "$1" > /wheels/others.txt || true
  wheel --index-url "$TORCH_INDEX" --requirement /wheels/torch.txt
  wheel --requirement /wheels/others.txt
  rm /wheels/*.txt
else
  wheel --requirement "$1"
fi
pip --python /opt/synthvlm/bin/python3 install --no-index --no-deps --no-compile --root /layer /wheels/*.whl
rm -r /wheels
/tools/bin/trim.sh /layer/opt/synthvlm/lib
# Where size matters less than time, everything is compiled; docker/compile.py compiles the rest of what is
# imported. Some packages have templates that are not Python.
[ "${STACK:-light}" = light ] ||
  python3 -m compileall -qq -j 0 --invalidation-mode unchecked-hash -s /layer /layer || true
