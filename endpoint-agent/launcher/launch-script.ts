/**
 * What runs between a block's batch script and its launcher, where the batch script runs: `launch.sh <launcher's argv>`. It
 * opens a new incarnation of the block, writes the host file, and becomes the launcher, so that the exit status is the
 * launcher's. It finds its files beside itself.
 */

/** One host a line, each once; in the block's directory. */
export const HOST_FILE = "hosts";
/** Holds a directory for each start of the block's script, and `current`, the number of the last. */
export const INCARNATIONS = "incarnations";

/** The text of launch.sh; the same for every block. */
export const LAUNCH_SCRIPT = `#!/bin/sh
# Starts the managers of a block of Farcall. Written anew for each block.
umask 077
dir=$(cd "$(dirname "$0")" && pwd) || exit 1

# A scheduler may start the same job twice. Each start has a number of its own.
mkdir -p "$dir/${INCARNATIONS}" || exit 1
number=1
until mkdir "$dir/${INCARNATIONS}/$number" 2>/dev/null; do
  number=$((number + 1))
  [ "$number" -lt 10000 ] || exit 1
done
printf '%s\\n' "\${FARCALL_ENDS_AT:-}" >"$dir/${INCARNATIONS}/$number/ends-at"
printf '%s\\n' "$number" >"$dir/${INCARNATIONS}/current.$number" &&
  mv -f "$dir/${INCARNATIONS}/current.$number" "$dir/${INCARNATIONS}/current" || exit 1

node_list() {
  if [ -n "$SLURM_JOB_NODELIST" ]; then scontrol show hostnames "$SLURM_JOB_NODELIST"
  elif [ -r "$PBS_NODEFILE" ]; then cat "$PBS_NODEFILE"
  elif [ -r "$PE_HOSTFILE" ]; then cut -d ' ' -f 1 "$PE_HOSTFILE"
  elif [ -r "$LSB_DJOB_HOSTFILE" ]; then cat "$LSB_DJOB_HOSTFILE"
  elif [ -n "$LSB_HOSTS" ]; then printf '%s\\n' $LSB_HOSTS
  else uname -n
  fi
}
node_list 2>/dev/null | awk 'NF && !seen[$1]++ { print $1 }' >"$dir/${HOST_FILE}.new" &&
  mv -f "$dir/${HOST_FILE}.new" "$dir/${HOST_FILE}" || exit 1

exec "$@"
`;
