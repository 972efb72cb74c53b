"""The argv that runs a command in a function's container; the same as endpoint-agent/manager/container.ts."""
import os
import re

#: what belongs to the node: in the image it would lead nowhere
OF_THE_NODE = re.compile(
    r"^(PATH|HOME|SHELL|USER|LOGNAME|TERM|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH|MODULEPATH|LOADEDMODULES|VIRTUAL_ENV|CONDA_PREFIX|"
    r"PYTHONPATH|PYTHONHOME|PYENV_VERSION|NODE_PATH|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR))$"
)
NO_DESCRIPTORS = (
    "docker hands no descriptors on to a container, which JavaScript and Python functions need: use podman or apptainer, or a shell command"
)


def why_no_worker(container):
    """Why a worker, which needs its manager's descriptors, cannot run in such a container; None if it can."""
    return NO_DESCRIPTORS if container and container["runtime"] == "docker" else None


def in_container(container, request):
    """
    Wraps `request["command"]`. Beside it: `env`, the names of its variables; `dirs`, (path, read-only) where they are on the node; `cwd`,
    `pins`, `memory_mb`, and `descriptors`, how many it inherits from 3 on.
    """
    return RUNTIMES[container["runtime"]](container, request)


def containers_of(config):
    """Wraps commands for one manager, with what every container of it is given."""
    dirs = [(config.dir, False), (config.cache_dir, True)]

    def wrap(container, request):
        # Ranks on other nodes have nothing of this one's.
        own = request["cwd"].startswith(config.dir + "/")
        return in_container(container, dict(request, dirs=dirs if own else [(request["cwd"], False)]))

    return wrap


def _apptainer(container, request):
    words = ["apptainer", "exec"]
    for bind in _binds_of(container, request):
        words += ["--bind", bind]
    words += ["--pwd", request["cwd"]] + (["--nv", "--rocm"] if request["pins"].gpus else [])
    return words + [container["image"]] + request["command"]


def _shifter(container, request):
    words = ["shifter", "--image=" + container["image"]]
    words += ["--volume=" + bind for bind in _binds_of(container, request)]
    return words + ["--workdir=" + request["cwd"]] + request["command"]


def _docker(container, request):
    pins = request["pins"]
    words = ["docker"] + _run_of(container, request) + ["--user=%d:%d" % (os.getuid(), os.getgid())]
    if pins.gpus:
        words.append('--gpus="device=%s"' % ",".join(map(str, pins.gpus)))
    # Its daemon starts the container: nothing is inherited.
    if pins.cores:
        words.append("--cpuset-cpus=" + ",".join(map(str, pins.cores)))
    return words + _image_and_command(container, request)


def _podman(container, request):
    words = ["podman"] + _run_of(container, request)
    # Without root, its user is mapped: files belong to whoever runs the manager.
    words += [] if os.getuid() == 0 else ["--userns=keep-id"]
    words += ["--device=nvidia.com/gpu=%d" % gpu for gpu in request["pins"].gpus]
    words += ["--preserve-fds=%d" % request["descriptors"]] if request["descriptors"] else []
    return words + _image_and_command(container, request)


RUNTIMES = {"apptainer": _apptainer, "shifter": _shifter, "docker": _docker, "podman": _podman}


def _run_of(container, request):
    # Without --pid=host the command were process 1, which ignores SIGTERM, and what it leaves running could not be found.
    words = ["run", "--rm", "--pid=host", "--network=host", "--log-driver=none", "--workdir=" + request["cwd"]]
    words += ["--volume=" + bind for bind in _binds_of(container, request)]
    # Without a value: taken from the client's own, and in no list of processes.
    words += ["--env=" + name for name in request["env"] if not OF_THE_NODE.match(name)]
    return words + (["--memory=%dm" % request["memory_mb"]] if request["memory_mb"] else [])


def _image_and_command(container, request):
    """Not what the image would run: the command itself."""
    return ["--entrypoint=", container["image"]] + request["command"]


def _binds_of(container, request):
    whole = [bind if ":" in bind else "%s:%s" % (bind, bind) for bind in container.get("binds") or ()]
    return ["%s:%s%s" % (path, path, ":ro" if read_only else "") for path, read_only in request["dirs"]] + whole
