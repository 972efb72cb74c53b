#!/bin/sh
# Runs a program in HTCondor's root, in mounts of its own that end with it: enter.sh <root> <directories to share> -- <program> ...
# Its user is number 1000 there, as HTCondor takes no jobs from root, and whoever runs this on the outside.
set -eu
root=$1
shift
if [ "$root" != / ]; then
  mount --bind "$root" "$root"
  while [ "$1" != -- ]; do
    mkdir -p "$root$1"
    mount --rbind "$1" "$root$1"
    shift
  done
  mkdir -p "$root/.outside"
  cd "$root"
  # Not chroot: no user namespace can be made in one.
  pivot_root . .outside
  umount -l /.outside
else
  while [ "$1" != -- ]; do shift; done
fi
shift
exec unshare --user --map-user=1000 --map-group=1000 "$@"
