#!/usr/bin/env bash
# Builds images, and writes the bill of materials of each to build/images/WORD.cdx.json.
#
#     docker/build.sh WORD...
#
# From the environment:
#   BUILDER       podman, buildah or docker; the first of them that is installed
#   PREFIX, TAG   of the images' names: PREFIX/WORD:TAG; localhost/synthvlm and the package's version
#   BASE, BUILD_BASE   what they start from and are built in, see docker/Dockerfile; made by docker/base.sh
#                 if BASE is not given and not there yet
#   TRITON_BASE, TENSORRT   NVIDIA's image, and the version of its TensorRT; wanted for triton and engines
#   TORCH_INDEX   index of the builds of PyTorch; pip's own if empty
#   PIP_CONFIG    a pip.conf for the build, which stays in no image
#   BUILD_FLAGS   further flags of the builder, for example --network=host
set -euo pipefail
cd "$(dirname "$0")/.."

for builder in ${BUILDER:-podman buildah docker}; do
  command -v "$builder" >/dev/null && break
done
command -v "$builder" >/dev/null || { echo "install podman, buildah or docker first" >&2; exit 1; }
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' services/synthvlm/__init__.py)
prefix=${PREFIX:-localhost/synthvlm} tag=${TAG:-$version}
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
flags=(--build-arg "VERSION=$version" --build-arg "REVISION=$revision")
[ "$builder" = docker ] || flags+=(--layers)
[ -z "${PIP_CONFIG:-}" ] || flags+=(--secret "id=pip,src=$PIP_CONFIG")
read -ra more <<<"${BUILD_FLAGS:-}"

exists() {
  case $builder in
    buildah) buildah inspect --type image "$1" ;;
    *) "$builder" image inspect "$1" ;;
  esac >/dev/null 2>&1
}

materials() { # the bill of materials, out of an image that may have no shell
  case $builder in
    buildah)
      container=$(buildah from "$1")
      cat "$(buildah mount "$container")$2"
      buildah rm "$container" >/dev/null ;;
    *)
      container=$("$builder" create "$1")
      "$builder" cp "$container:$2" - | tar --extract --to-stdout --file -
      "$builder" rm "$container" >/dev/null ;;
  esac
}

base=${BASE:-localhost/synthvlm/base:$version}
build_base=${BUILD_BASE:-${BASE:-$base-build}}
mkdir -p build/images
for word in "$@"; do
  case $word in
    triton | engines)
      : "${TRITON_BASE:?name the image of the Triton server, the one whose tag ends in -py3}"
      : "${TENSORRT:?say which version of TensorRT that image has}"
      chosen=(--file docker/Dockerfile.triton --build-arg "BASE=$TRITON_BASE" --build-arg "TENSORRT=$TENSORRT") ;;
    lmms)
      chosen=(--file docker/Dockerfile.lmms --build-arg "BASE=$prefix/evaluation:$tag"
        --build-arg "BUILD_BASE=$build_base") ;;
    *)
      [ -f "requirements/$word.txt" ] || { echo "$word is not the name of an image" >&2; exit 2; }
      [ -n "${BASE:-}" ] || exists "$base" || BUILDER=$builder docker/base.sh "$base"
      stack=light
      ! grep -q '^torch==' "requirements/$word.txt" || stack=torch
      chosen=(--file docker/Dockerfile --build-arg "BASE=$base" --build-arg "BUILD_BASE=$build_base"
        --build-arg "STACK=$stack" --build-arg "TORCH_INDEX=${TORCH_INDEX:-}") ;;
  esac
  "$builder" build "${flags[@]}" "${more[@]}" "${chosen[@]}" --build-arg "WORD=$word" --tag "$prefix/$word:$tag" .
  materials "$prefix/$word:$tag" /opt/synthvlm/sbom.cdx.json > "build/images/$word.cdx.json"
done
