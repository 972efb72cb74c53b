/** The file that a launcher runs on every node of a block: it finds out which node it is on, and runs that node's manager. */
import type { LauncherConfig } from "../provider-config.ts";
import { shellWord } from "../shell-word.ts";
import { INCARNATIONS } from "./launch-script.ts";
import { RANK_VARIABLES } from "./launchers.ts";
import { MPIEXEC_VARIABLES } from "./mpiexec.ts";
import { NOTE_END } from "./node-ends.ts";

export type NodeScriptOptions = {
  launcher: LauncherConfig["type"];
  nodes: number;
  /** the block's directory */
  dir: string;
  /** the manager's command; `--config` and `--dir` are appended */
  command: readonly string[];
  /** where the managers' standard output goes: this, the node's number, `.log` */
  logPrefix: string;
  /** what the processes of a node carry in `variable`: this and the node's number */
  mark: { variable: string; prefix: string };
  /** shell lines to run first, on the node */
  init: string | undefined;
  /** where on a node the manager's own directory is made; undefined: TMPDIR, or /tmp */
  scratch: string | undefined;
};

/**
 * The text of node.sh. The shell stays as the manager's parent, so that a manager that is killed ends with a code, not by a
 * signal: at that several launchers would end all other nodes.
 */
export function nodeScript(options: NodeScriptOptions): string {
  const { launcher, nodes, mark, init } = options;
  return `#!/bin/sh
# One node of a block of Farcall: runs its manager. A launcher starts this once on each node.
umask 077
dir=${shellWord(options.dir)}
cd "$dir" || exit 1
current=$dir/${INCARNATIONS}/$(cat "$dir/${INCARNATIONS}/current" 2>/dev/null)
unset ${[...Object.keys(MPIEXEC_VARIABLES), ...OF_THE_LAUNCH].join(" ")}

node=${nodes === 1 ? "0" : rank(launcher)}
case "$node" in '' | *[!0-9]*) node=${nodes} ;; esac
${launcher === "pbsdsh" ? ONE_A_HOST : ""}if [ "$node" -ge ${nodes} ]; then
  # Nobody says which node this is: the first free number.
  node=0
  until mkdir "$current/node-$node" 2>/dev/null; do
    node=$((node + 1))
    [ "$node" -lt ${nodes} ] || { echo "farcall: more than ${nodes} nodes were started" >&2; exit 1; }
  done
fi
export ${mark.variable}=${shellWord(mark.prefix)}"$node"
[ -n "$FARCALL_ENDS_AT" ] || FARCALL_ENDS_AT=$(cat "$current/ends-at" 2>/dev/null)
export FARCALL_ENDS_AT
farcall_dir=$dir farcall_node=$node farcall_end=$current/end-$node
${NOTE_END}

${init === undefined ? "" : `# workers.init\n${init}\n# end of workers.init\n`}
${FORGET_RANK}
scratch=${options.scratch === undefined ? `"\${TMPDIR:-/tmp}"` : shellWord(options.scratch)}
work=$(mktemp -d "$scratch/farcall-XXXXXX" || mktemp -d /tmp/farcall-XXXXXX) || exit 1
signal_manager() { signalled=1; kill -"$1" "$manager" 2>/dev/null; }
trap 'signal_manager TERM' TERM INT
trap 'signal_manager USR1' USR1
trap '' HUP
${options.command.map(shellWord).join(" ")} --config "$farcall_dir/node-$farcall_node.json" --dir "$work" \\
  </dev/null >>${shellWord(options.logPrefix)}"$farcall_node.log" 2>&1 &
manager=$!
code=127
while :; do
  signalled=
  wait "$manager"
  status=$?
  [ "$status" = 127 ] || code=$status
  # A signal to this shell cuts the wait short; only the manager's end ends it.
  [ -n "$signalled" ] && [ "$status" -gt 128 ] || break
done
rm -rf "$work"
exit "$code"
`;
}

/** How the managers were launched: ranks that a command starts with the same launcher would be placed and bound alike. */
const OF_THE_LAUNCH = [
  "IBRUN_TASKS_PER_NODE",
  "SLURM_DISTRIBUTION",
  "SLURM_CPU_BIND",
  "SLURM_CPU_BIND_LIST",
  "SLURM_CPU_BIND_TYPE",
  "SLURM_CPU_BIND_VERBOSE",
  "SLURM_KILL_BAD_EXIT",
];

/**
 * What says to a program that it is a rank itself: a manager is none to those that its tasks start, and Open MPI's mpiexec
 * refuses to run in a rank of its own. Unlike settings, of which a site may have some by the same prefix.
 */
const FORGET_RANK = `unset $(awk 'BEGIN { for (name in ENVIRON) if (name !~ /^PMIX_MCA_/ && (name ~ /^(PMI|PMI2|PMIX|HYDI|OMPI_(APP|COMMAND|COMM_WORLD|FILE|FIRST|NUM|UNIVERSE)|OMPI_MCA_(ess|orte|initial)|MPI_LOCAL)_?[A-Za-z0-9_]*$/ || name == "OMPI_MCA_pmix" || name == "OMPI_MCA_mpi_oversubscribe")) print name }')`;

/** The first of the launcher's variables that is set. */
function rank(launcher: LauncherConfig["type"]): string {
  return RANK_VARIABLES[launcher].reduceRight((rest, name) => `\${${name}:-${rest}}`, "");
}

const ONE_A_HOST = `mkdir "$current/host-$(uname -n)" 2>/dev/null || exit 0
`;
