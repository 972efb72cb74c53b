"""The environment that user code gets: what a program needs to find its way, and nothing of the agent's."""
import re

ALLOWED = frozenset("""
PATH HOME USER LOGNAME SHELL LANG LANGUAGE TZ TERM LD_LIBRARY_PATH DYLD_LIBRARY_PATH MODULEPATH LOADEDMODULES VIRTUAL_ENV CONDA_PREFIX
PYTHONPATH PYTHONHOME PYENV_VERSION NODE_PATH NODE_EXTRA_CA_CERTS SSL_CERT_FILE SSL_CERT_DIR CUDA_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES
HIP_VISIBLE_DEVICES ZE_AFFINITY_MASK OMP_NUM_THREADS
XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS DOCKER_HOST DOCKER_CONTEXT DOCKER_CONFIG CONTAINER_HOST CONTAINERS_CONF CONTAINERS_STORAGE_CONF
""".split())
ALLOWED_PREFIX = re.compile(r"LC_|SLURMD?_(?!JWT)|PBS_|(APPTAINER|SINGULARITY)_(BIND|BINDPATH|CACHEDIR|TMPDIR|CONFIGDIR)$")
PRIVATE = re.compile(r"^FARCALL_|^NODE_|^npm_|JWT|TOKEN|SECRET|PASSW|CREDENTIAL|(^|_)KEY$", re.IGNORECASE)


def scrubbed_env(own, added):
    """Picks the allowed variables of `own` and puts `added` on top."""
    env = {name: value for name, value in own.items() if name in ALLOWED or ALLOWED_PREFIX.match(name)}
    env.update(added)
    return env


def launcher_env(own, added):
    """
    For commands that call the site's launcher: what the batch system has set goes along whole, as no list of names could hold all
    that launchers look for. What looks like a secret does not.
    """
    env = {name: value for name, value in own.items() if not PRIVATE.search(name)}
    env.update(added)
    return env


def usual_cores(own):
    """What every process gets: a task has one core unless it says otherwise. What the site has set stays."""
    return {"FARCALL_CORES": "1", "OMP_NUM_THREADS": own.get("OMP_NUM_THREADS", "1")}


def cores_of_task(need, configured):
    """What a task gets beside; empty for one with one core. `configured` is `workers.env`, which is not overruled."""
    if need["cores"] <= 1:
        return {}
    return {"FARCALL_CORES": str(need["cores"]), "OMP_NUM_THREADS": configured.get("OMP_NUM_THREADS", str(need["cores"]))}
