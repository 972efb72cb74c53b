"""Commands on several nodes: what they are given to start their ranks with (docs/architecture.md, multi-node tasks)."""
import os

from .private import create_private


def resources_here(asked, capacity):
    """What a task takes of its manager: with nodes of its own all of the manager's, or that many of those beside it."""
    nodes = asked.get("nodes")
    if nodes is None:
        return {name: asked[name] for name in ("cores", "memoryMb", "gpus")}
    if capacity.get("nodes") is not None:
        return {"cores": 0, "memoryMb": 0, "gpus": 0, "nodes": nodes}
    return {"cores": capacity["cores"], "memoryMb": 0, "gpus": capacity["gpus"], "nodes": nodes}


def launcher_of(task, config, directory):
    """
    (prefix, env): the launcher's words, which take the place of `{launcher}`, and variables for programs that look for themselves; None
    for a task on a part of one node. Writes the host file to `directory`.
    """
    asked = task.info.spec.get("resources") or {}
    nodes, per_node = asked.get("nodes"), asked.get("ranksPerNode") or 1
    if nodes is None:
        return None
    hosts = task.hosts if config.capacity.get("nodes") is None else None
    host_file = os.path.join(directory, "hosts")
    with create_private(host_file) as file:
        lines = [host for host in hosts or () for _ in range(per_node)]
        file.write(("\n".join(lines) + "\n").encode("utf-8"))
    each = max(1, config.capacity["cores"] // per_node)
    prefix = PREFIXES[config.mpi["launcher"]](nodes, per_node, each, hosts, host_file) + list(config.mpi["overrides"])
    env = {
        "FARCALL_MPI_PREFIX": " ".join(prefix),
        "FARCALL_NODES": str(nodes),
        "FARCALL_RANKS_PER_NODE": str(per_node),
        "FARCALL_RANKS": str(nodes * per_node),
        "OMP_NUM_THREADS": str(each),
        # An mpiexec that starts its helpers with srun: the step of the managers has all of the block.
        "SLURM_OVERLAP": "1",
    }
    if hosts is not None:
        env.update(FARCALL_HOST_FILE=host_file, FARCALL_HOSTS=",".join(hosts))
    return prefix, env


def _mpiexec(nodes, per_node, _each, hosts, host_file):
    return ["mpiexec", "-n", str(nodes * per_node)] + (["--hostfile", host_file] if hosts is not None else [])


def _srun(nodes, per_node, each, hosts, _host_file):
    # --overlap: the step of the managers has all of the block.
    words = ["srun", "--overlap", "--nodes=%d" % nodes, "--ntasks=%d" % (nodes * per_node)]
    words += ["--ntasks-per-node=%d" % per_node, "--cpus-per-task=%d" % each]
    return words + (["--nodelist=" + ",".join(hosts)] if hosts is not None else [])


def _aprun(nodes, per_node, each, _hosts, _host_file):
    return ["aprun", "-n", str(nodes * per_node), "-N", str(per_node), "-d", str(each)]


def _jsrun(nodes, per_node, _each, _hosts, _host_file):
    words = ["jsrun", "--nrs", str(nodes), "--rs_per_host", "1", "--tasks_per_rs", str(per_node)]
    return words + ["--cpu_per_rs", "ALL_CPUS", "--gpu_per_rs", "ALL_GPUS"]


def _ibrun(nodes, per_node, _each, _hosts, _host_file):
    return ["env", "IBRUN_TASKS_PER_NODE=%d" % per_node, "ibrun", "-n", str(nodes * per_node)]


def _flux(nodes, per_node, each, _hosts, _host_file):
    return ["flux", "run", "--nodes=%d" % nodes, "--ntasks=%d" % (nodes * per_node), "--cores-per-task=%d" % each]


#: the same as endpoint-agent/launcher/mpi-prefix.ts
PREFIXES = {"mpiexec": _mpiexec, "srun": _srun, "aprun": _aprun, "jsrun": _jsrun, "ibrun": _ibrun, "flux": _flux}
