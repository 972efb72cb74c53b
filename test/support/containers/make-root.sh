#!/bin/sh
# Unpacks a Debian sid with Apptainer for tests, for machines whose own release has none: make-root.sh <directory>. As root; 400 MB.
set -eu
root=$1
[ ! -e "$root/usr/bin/apptainer" ] || exit 0
command -v debootstrap >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends debootstrap
mkdir -p "$root"
debootstrap --variant=minbase --include=apptainer,squashfuse,fuse-overlayfs sid "$root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
# The user that runs it: without root's rights, as at a site.
echo 'farcall:x:1000:1000::/tmp:/bin/sh' >>"$root/etc/passwd"
echo 'farcall:x:1000:' >>"$root/etc/group"
touch "$root/etc/hosts"
