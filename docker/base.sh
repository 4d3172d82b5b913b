#!/usr/bin/env bash
# Makes the two base images out of Debian's packages, without a registry of images: IMAGE has Python 3.11
# and what it links to, a shell (busybox) and certificates; IMAGE-build has pip and binutils besides.
#
#     docker/base.sh IMAGE [MIRROR]
#
# Needs root, mmdebstrap and buildah, podman or docker (BUILDER). MIRROR is Debian's, or a copy of it;
# mmdebstrap's own choice if there is none.
set -euo pipefail

image=$1
mirror=(${2:+"$2"})
builder=${BUILDER:-podman}
suite=bookworm
# What the shell of a container finds, `helm test` and Kubeflow's steps included; nothing that serves or loads.
applets="[ ash basename cat chmod cp cut date dirname echo env expr false find grep head hostname id kill ln ls
  mkdir mktemp mv printf ps pwd readlink rm rmdir sed seq sh sleep sort stat tail tee test touch tr true uname
  wc which xargs"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

debian() { # what mmdebstrap is told for both
  mmdebstrap --quiet --mode=root --skip=check/qemu \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    "$@"
}

import() { # a file system as an image
  case $builder in
    buildah)
      container=$(buildah from scratch)
      buildah add --quiet "$container" "$1" / >/dev/null
      buildah commit --quiet --rm "$container" "$2" >/dev/null ;;
    *) "$builder" import --message "Debian $suite" "$1" "$2" >/dev/null ;;
  esac
  echo "$2"
}

# Packages are unpacked, not configured, so neither Perl nor a package manager is needed: what their scripts
# would have done is done here. A record of each stays in /var/lib/dpkg/status.d, where scanners look for it.
base="$work/base"
# Asked for by others, and used by nothing here: tools, and libraries of those and of curses, nis and dbm.
unneeded='openssl|debconf|dpkg|tar|mawk|libacl1|libselinux1|libpcre2-8-0|libmd0|libdebconfclient0|libdb5.3'
unneeded="$unneeded|libnsl2|libtirpc3|libtirpc-common|libgssapi-krb5-2|libkrb5-3|libk5crypto3|libkrb5support0"
unneeded="$unneeded|libkeyutils1|libcom-err2|libreadline8|readline-common|libncursesw6"
mkdir "$work/records"
record="cd \"\$1\"; for deb in var/cache/apt/archives/*.deb; do
  name=\$(dpkg-deb --field \$deb Package)
  case '|$unneeded|' in
    *\"|\$name|\"*) dpkg-deb --contents \$deb | awk '\$1 !~ /^d/ {print \$6}' | xargs rm -f ;;
    *) dpkg-deb --field \$deb > '$work/records/'\$name ;;
  esac
done"
debian --variant=extract --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --extract-hook="$record" \
  --dpkgopt='path-exclude=/usr/lib/*/gconv/*' --dpkgopt='path-exclude=/usr/share/perl5/*' \
  --dpkgopt='path-exclude=/usr/share/zoneinfo/right/*' --dpkgopt='path-exclude=/usr/bin/tini-static' \
  --dpkgopt='path-exclude=/usr/lib/python3.11/test/*' --dpkgopt='path-exclude=/usr/lib/python3.11/pydoc_data/*' \
  --include=base-files,base-passwd,netbase,tzdata,busybox-static,tini,ca-certificates \
  --include=libc6,libgcc-s1,libstdc++6,libssl3,libsqlite3-0 \
  --include=python3.11-minimal,libpython3.11-stdlib \
  "$suite" "$base" "${mirror[@]}"
ls "$work/records" | grep -q libc6 || { echo "mmdebstrap kept no packages to record" >&2; exit 1; }
rm -rf "$base"/var/lib/dpkg "$base"/var/lib/apt "$base"/var/cache/* "$base"/var/log/* "$base"/etc/apt
mkdir -p "$base/var/lib/dpkg" && cp -r "$work/records" "$base/var/lib/dpkg/status.d"
ln -s python3.11 "$base/usr/bin/python3"
for applet in $applets; do ln -s busybox "$base/usr/bin/$applet"; done
cp "$base/usr/share/base-passwd/passwd.master" "$base/etc/passwd"
cp "$base/usr/share/base-passwd/group.master" "$base/etc/group"
cat "$base"/usr/share/ca-certificates/mozilla/*.crt > "$base/etc/ssl/certs/ca-certificates.crt"
mkdir -p "$base/usr/lib/ssl"
ln -s /etc/ssl/certs/ca-certificates.crt "$base/usr/lib/ssl/cert.pem"
tar --create --file "$work/base.tar" --directory "$base" --one-file-system --numeric-owner .
import "$work/base.tar" "$image"

debian --variant=minbase --include=ca-certificates,python3,python3-venv,binutils \
  "$suite" "$work/build.tar" "${mirror[@]}"
import "$work/build.tar" "$image-build"
