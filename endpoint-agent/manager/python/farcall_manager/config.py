"""The manager's configuration: the file that endpoint-agent/manager-config.ts describes, checked by the agent that wrote it."""
import json

from .private import read_private

LIMITS = {
    "outputHeadBytes": 1048576,
    "outputTailBytes": 1048576,
    "killGraceMs": 5000,
    "workerStartMs": 30000,
    "workerIdleMs": 60000,
    "tasksPerWorker": 0,
}


class Config:
    """As the file has it, with defaults where it is silent."""

    def __init__(self, values, own_directory):
        self.endpoint, self.block, self.node = values["endpoint"], values["block"], values["node"]
        self.dial, self.capacity = values["dial"], values["capacity"]
        self.secret = read_private(values["secretFile"]).strip()
        self.dir = own_directory or values["dir"]
        #: beside a directory of the node: the file's, which all nodes of the block see
        self.shared_dir = values["dir"] if own_directory else None
        self.cache_dir, self.log_file = values["cacheDir"], values["logFile"]
        self.log_level = values.get("logLevel", "info")
        self.mpi = values.get("mpi") or {"launcher": "mpiexec", "overrides": []}
        self.workers_per_node = values["workersPerNode"]
        self.python = values.get("python", "python3")
        self.affinity = values.get("affinity", "none")
        self.env = values.get("env") or {}
        self.orphan_timeout_ms, self.walltime_ms = values["orphanTimeoutMs"], values.get("walltimeMs")
        self.limits = dict(LIMITS, **(values.get("limits") or {}))


def read_config(path, own_directory):
    """`own_directory` takes the place of the file's: on the node itself, and of this incarnation alone."""
    return Config(json.loads(read_private(path)), own_directory)
