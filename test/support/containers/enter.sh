#!/bin/sh
# Runs a program in a root of its own, in mounts that end with it, as user 1000 there: enter.sh <root> <directories to share> -- <program> ...
# It keeps its directory, its environment and its descriptors.
set -eu
root=$1
shift
here=$PWD
mount --bind "$root" "$root"
while [ "$1" != -- ]; do
  mkdir -p "$root$1"
  mount --rbind "$1" "$root$1"
  shift
done
shift
mkdir -p "$root/.outside"
cd "$root"
# Not chroot: no user namespace can be made in one.
pivot_root . .outside
umount -l /.outside
cd "$here"
exec unshare --user --map-user=1000 --map-group=1000 "$@"
