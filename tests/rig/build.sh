#!/usr/bin/env bash
# Builds what the rig runs, into one work directory: the Kubernetes 1.20.2 server binaries, from
# Debian bookworm's source package, and installs the Debian packages that these need. What is
# there already is kept. (helm and kubectl are those of `make chart-tools`.)
#
#   build.sh [WORKDIR]              WORKDIR: default $KUBE_RIG_HOME, else ./.cache/kube-rig
#
#   KEEP_SOURCE=1       keep the unpacked source and Go's build cache (about 3 GB) afterwards
#   GOMAXPROCS=N        limit the build's parallelism
#
# Building needs root on Debian 12 (apt-get install) and three to ten minutes, and 3 GB of disk for
# that time. Nothing outside WORKDIR is written, but for the Debian packages.
set -euo pipefail

HOME_DIR=${1:-${KUBE_RIG_HOME:-./.cache/kube-rig}}
mkdir -p "$HOME_DIR/bin"
HOME_DIR=$(cd "$HOME_DIR" && pwd)
BIN=$HOME_DIR/bin

GO=1.19                                            # bookworm's; newer ones do not build 1.20
SERVERS="kube-apiserver kube-controller-manager kube-scheduler"

stop() { echo "build.sh: $*" >&2; exit 1; }

if ! { command -v etcd && command -v openssl && [ -x "$BIN/kube-apiserver" ] &&
  [ -x "$BIN/kube-controller-manager" ] && [ -x "$BIN/kube-scheduler" ]; } >/dev/null; then
  [ "$(id -u)" = 0 ] || stop "needs root, as it installs Debian packages; run it once as root"
  grep -qs '^VERSION_CODENAME=bookworm' /etc/os-release ||
    stop "builds on Debian 12 (bookworm), whose source package and Go it takes"
fi

started=$SECONDS
step() { echo "build.sh: [$((SECONDS - started))s] $*"; }

apt_install() {  # only what is missing, and only then is the list of packages refreshed
  local missing=() p
  for p in "$@"; do
    dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
  done
  [ ${#missing[@]} -eq 0 ] && return
  step "installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
    >"$HOME_DIR/apt.log" 2>&1 || { tail -20 "$HOME_DIR/apt.log"; exit 1; }
}

fetch_source() {  # into $HOME_DIR/build: kubernetes_*.dsc and its tarballs
  # A private copy of apt's sources with every entry turned into deb-src, in both file formats.
  local apt=$HOME_DIR/build/apt f
  mkdir -p "$apt/parts" "$apt/lists/partial"
  for f in /etc/apt/sources.list.d/*.sources; do
    [ -e "$f" ] && sed -E 's/^Types:.*/Types: deb-src/' "$f" >"$apt/parts/$(basename "$f")"
  done
  for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -e "$f" ] && sed -nE 's/^[[:space:]]*deb(-src)?[[:space:]]/deb-src /p' "$f" | sort -u \
      >"$apt/parts/$(basename "$f" .list)-src.list"
  done
  local opts=(-qq -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$apt/parts"
    -o Dir::State::lists="$apt/lists" -o APT::Sandbox::User=root)
  apt-get "${opts[@]}" update
  (cd "$HOME_DIR/build" && apt-get "${opts[@]}" source --download-only kubernetes)
}

build_kubernetes() {
  local build=$HOME_DIR/build src=$HOME_DIR/build/src s
  apt_install golang-$GO-go golang-github-modern-go-reflect2-dev dpkg-dev rsync make xz-utils
  mkdir -p "$build"
  step "fetching the source package"
  fetch_source
  rm -rf "$src"
  dpkg-source --no-check -x "$build"/kubernetes_*.dsc "$src" >"$HOME_DIR/build.log" 2>&1
  # The vendored reflect2 1.0.1 reads a runtime layout that Go 1.18 changed: the API server
  # would crash on its first map. Debian's 1.0.2 is the same library, mended.
  rm -rf "$src/vendor/github.com/modern-go/reflect2"
  cp -r /usr/share/gocode/src/github.com/modern-go/reflect2 "$src/vendor/github.com/modern-go/"
  # Says its version without asking git, which might answer for a repository around WORKDIR.
  cat >"$build/version.env" <<-END
	KUBE_GIT_COMMIT=faecb196815e248d3ecfb03c680a4507229c2a56
	KUBE_GIT_TREE_STATE=archive
	KUBE_GIT_VERSION=v1.20.2
	KUBE_GIT_MAJOR=1
	KUBE_GIT_MINOR=20
	END
  mkdir -p "$build/gopath/src/k8s.io"
  ln -sfn "$src" "$build/gopath/src/k8s.io/kubernetes"  # its makefiles want a GOPATH
  step "building $SERVERS (log: $HOME_DIR/build.log)"
  # Not Debian's go of the default version, nor flags or caches of the caller's environment.
  if ! env -u GOFLAGS -u GOROOT -u GOBIN HOME="$build" GOPATH="$build/gopath" \
      GOCACHE="$build/gocache" GOTOOLCHAIN=local CGO_ENABLED=0 \
      KUBE_GIT_VERSION_FILE="$build/version.env" PATH="/usr/lib/go-$GO/bin:$PATH" \
      make -C "$build/gopath/src/k8s.io/kubernetes" WHAT="$(printf 'cmd/%s ' $SERVERS)" \
      >>"$HOME_DIR/build.log" 2>&1; then
    tail -20 "$HOME_DIR/build.log"; exit 1
  fi
  for s in $SERVERS; do install -m 755 "$src/_output/bin/$s" "$BIN/$s"; done
  if [ "${KEEP_SOURCE:-0}" != 1 ]; then
    chmod -R u+w "$build"; rm -rf "$build"
  fi
}

apt_install etcd-server openssl ca-certificates     # Debian's policy: not started by us here

for s in $SERVERS; do
  [ -x "$BIN/$s" ] || { build_kubernetes; break; }
done
step "done: $("$BIN/kube-apiserver" --version), $(etcd --version | head -1)"
