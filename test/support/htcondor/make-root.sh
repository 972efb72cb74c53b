#!/bin/sh
# Unpacks a Debian trixie with HTCondor for tests, for machines whose own release has none: make-root.sh <directory>. As root; 440 MB.
set -eu
root=$1
[ ! -e "$root/usr/sbin/condor_master" ] || exit 0
command -v debootstrap >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends debootstrap
mkdir -p "$root"
# Packages that HTCondor's clients of other clouds want may fail to be configured; its own need not wait for them.
debootstrap --variant=minbase --include=condor,procps trixie "$root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" ||
  DEBIAN_FRONTEND=noninteractive chroot "$root" dpkg --configure --force-depends condor
# The user that jobs are submitted by: HTCondor takes none from root.
grep -q '^farcall:' "$root/etc/passwd" || echo 'farcall:x:1000:1000::/tmp:/bin/bash' >>"$root/etc/passwd"
grep -q '^farcall:' "$root/etc/group" || echo 'farcall:x:1000:' >>"$root/etc/group"
chroot "$root" condor_version
