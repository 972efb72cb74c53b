/** The environment that user code gets: what a program needs to find its way, and nothing of the agent's. */

const ALLOWED = new Set([
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "SHELL",
  "LANG",
  "LANGUAGE",
  "TZ",
  "TERM",
  "LD_LIBRARY_PATH",
  "DYLD_LIBRARY_PATH",
  "MODULEPATH",
  "LOADEDMODULES",
  "VIRTUAL_ENV",
  "CONDA_PREFIX",
  "PYTHONPATH",
  "PYTHONHOME",
  "PYENV_VERSION",
  "NODE_PATH",
  "NODE_EXTRA_CA_CERTS",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "CUDA_VISIBLE_DEVICES",
  "ROCR_VISIBLE_DEVICES",
  "HIP_VISIBLE_DEVICES",
  "ZE_AFFINITY_MASK",
  "OMP_NUM_THREADS",
  // Where runtimes of containers find their daemon, their images and their settings.
  "XDG_RUNTIME_DIR",
  "DBUS_SESSION_BUS_ADDRESS",
  "DOCKER_HOST",
  "DOCKER_CONTEXT",
  "DOCKER_CONFIG",
  "CONTAINER_HOST",
  "CONTAINERS_CONF",
  "CONTAINERS_STORAGE_CONF",
]);
const ALLOWED_PREFIX =
  /^LC_|^SLURMD?_(?!JWT)|^PBS_|^(APPTAINER|SINGULARITY)_(BIND|BINDPATH|CACHEDIR|TMPDIR|CONFIGDIR)$/;

/** Picks the allowed variables of `own` and puts `added` on top. */
export function scrubbedEnv(own: NodeJS.ProcessEnv, added: Record<string, string>): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(own)) {
    if (value !== undefined && (ALLOWED.has(name) || ALLOWED_PREFIX.test(name))) env[name] = value;
  }
  return { ...env, ...added };
}

/**
 * For commands that call the site's launcher: what the batch system has set for the job goes along whole, as no list of names
 * could hold all that launchers look for. What looks like a secret does not.
 */
export function launcherEnv(own: NodeJS.ProcessEnv, added: Record<string, string>): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(own)) {
    if (value !== undefined && !PRIVATE.test(name)) env[name] = value;
  }
  return { ...env, ...added };
}

const PRIVATE = /^FARCALL_|^NODE_|^npm_|JWT|TOKEN|SECRET|PASSW|CREDENTIAL|(^|_)KEY$/i;
