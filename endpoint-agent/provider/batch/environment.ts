/** Which variables a scheduler's commands get, and which go into a block's script. */

/** What finds programs on one machine, and means nothing on another. */
export const OF_ONE_MACHINE: readonly string[] = [
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "SHELL",
  "TMPDIR",
  "TZ",
  "LD_LIBRARY_PATH",
  "KRB5CCNAME",
  "XDG_RUNTIME_DIR",
];

/** What finds programs and clusters. Others, as SQUEUE_FORMAT or SBATCH_PARTITION, would change the answers. */
const FOR_COMMANDS = new Set([
  ...OF_ONE_MACHINE,
  "SLURM_CONF",
  "PBS_CONF_FILE",
  "PBS_EXEC",
  "PBS_DEFAULT",
  "PBS_SERVER",
  "PBSAPITIMEOUT",
  "MOABHOMEDIR",
  "SGE_ROOT",
  "SGE_CELL",
  "SGE_CLUSTER_NAME",
  "SGE_QMASTER_PORT",
  "SGE_EXECD_PORT",
  "LSF_ENVDIR",
  "LSF_SERVERDIR",
  "LSF_BINDIR",
  "LSF_LIBDIR",
  "CONDOR_CONFIG",
  "FLUX_URI",
]);

/** What a manager needs where it runs; the job's own machine knows the rest better. */
const FOR_BLOCKS =
  /^(PATH|LD_LIBRARY_PATH|LANG|LC_[A-Z]+|TZ|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|(https?|no|all)_proxy|(HTTPS?|NO|ALL)_PROXY)$/;

/** A proxy with its user. */
const WITH_PASSWORD = /\/\/[^/]*@/;

/** For the commands: English, and nothing that the agent's user happens to have set for their own use. */
export function commandEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  more: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && FOR_COMMANDS.has(name)) kept[name] = value;
  }
  return { ...kept, ...more, LC_ALL: "C" };
}

/** For the script: nothing secret, as schedulers keep scripts where administrators read them. */
export function blockEnvironment(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && FOR_BLOCKS.test(name) && !WITH_PASSWORD.test(value)) kept[name] = value;
  }
  return kept;
}
