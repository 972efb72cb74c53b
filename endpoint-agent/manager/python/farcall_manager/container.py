"""The argv that runs a command in a function's container; the same as endpoint-agent/manager/container.ts."""
import os
import re

#: what belongs to the node: in the image it would lead nowhere
OF_THE_NODE = re.compile(
    r"^(PATH|HOME|SHELL|USER|LOGNAME|TERM|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH|MODULEPATH|LOADEDMODULES|VIRTUAL_ENV|CONDA_PREFIX|"
    r"PYTHONPATH|PYTHONHOME|PYENV_VERSION|NODE_PATH|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|XDG_RUNTIME_DIR|DBUS_SESSION_BUS_ADDRESS|"
    r"(DOCKER|CONTAINERS?|APPTAINER|SINGULARITY)_.*)$"
)
#: of those, what such a runtime looks at itself; it hands none of them on, or makes its own
OF_THE_RUNTIME = re.compile(
    r"^(PATH|HOME|SHELL|USER|LOGNAME|TERM|LD_LIBRARY_PATH|XDG_RUNTIME_DIR|DBUS_SESSION_BUS_ADDRESS|(APPTAINER|SINGULARITY)_.*)$"
)


def is_started_by_daemon(container):
    """Whether a daemon starts the container, so that a worker inherits nothing of its manager and opens its pipes by their names."""
    return bool(container) and container["runtime"] == "docker"


def limits_memory(container):
    """Whether the runtime enforces the limit of memory in a cgroup of its own: of what happened there only the exit code is left."""
    return bool(container) and container["runtime"] in ("docker", "podman")


def in_container(container, request):
    """
    Wraps `request["command"]`. Beside it: `env`, the names of its variables; `given`, those that its caller has set; `dirs`, (path,
    read-only) where they are on the node; `cwd`,
    `pins`, `gpus`, the names of its GPUs, `memory_mb`, and `descriptors`, how many it inherits from 3 on.
    """
    return RUNTIMES[container["runtime"]](container, request)


def leaving_sign(command, sign):
    """Leaves a file behind as the first thing that is run in the image: exit codes do not tell its runtime from the command."""
    return ["/bin/sh", "-c", 'true 2>/dev/null >"$1"; shift; exec "$@"', "sh", sign] + command


def took_sign(sign):
    """Whether the sign is there; it is removed."""
    try:
        os.unlink(sign)
        return True
    except OSError:
        return False


def why_not_started(container, words):
    """What is wrong, and what to do; `words` are the runtime's own."""
    runtime, image = container["runtime"], container["image"]
    return (
        "no container of %s was started by %s: %s. On the node, %s; a runtime that is missing can be put on the PATH by workers.init"
        % (image, runtime, words, WHAT_TO_SEE[runtime] % {"image": image})
    )


WHAT_TO_SEE = {
    "apptainer": "its image has to be a .sif file or a directory that is seen there, or an address that is reached from there",
    "shifter": "`shifterimg images` has to list %(image)s; `shifterimg pull %(image)s` asks for it",
    "docker": "`docker run --rm %(image)s true` has to work for this user; `docker pull` or `docker load` brings an image",
    "podman": "`podman run --rm %(image)s true` has to work for this user; `podman pull` or `podman load` brings an image",
}


def containers_of(config):
    """Wraps commands for one manager, with what every container of it is given."""
    dirs = [(config.dir, False), (config.cache_dir, True)]

    def wrap(container, request):
        # Ranks on other nodes have nothing of this one's.
        own = request["cwd"].startswith(config.dir + "/")
        return in_container(container, dict(request, dirs=dirs if own else [(request["cwd"], False)]))

    return wrap


def _apptainer(container, request):
    # --quiet: else what it says of itself would be in the command's output.
    words = _forgetting(request) + ["apptainer", "--quiet", "exec"]
    for bind in _binds_of(container, request):
        words += ["--bind", bind]
    words += ["--pwd", request["cwd"]] + (["--nv", "--rocm"] if request["gpus"] else [])
    return words + [container["image"]] + request["command"]


def _shifter(container, request):
    words = _forgetting(request) + ["shifter", "--image=" + container["image"]]
    words += ["--volume=" + bind for bind in _binds_of(container, request)]
    return words + ["--workdir=" + request["cwd"]] + request["command"]


def _docker(container, request):
    pins = request["pins"]
    words = ["docker"] + _run_of(container, request) + ["--user=%d:%d" % (os.getuid(), os.getgid())]
    if request["gpus"]:
        words.append('--gpus="device=%s"' % ",".join(request["gpus"]))
    # Its daemon starts the container: nothing is inherited.
    if pins.cores:
        words.append("--cpuset-cpus=" + ",".join(map(str, pins.cores)))
    return words + _image_and_command(container, request)


def _podman(container, request):
    words = ["podman"] + _run_of(container, request)
    # Without root, its user is mapped: files belong to whoever runs the manager.
    words += [] if os.getuid() == 0 else ["--userns=keep-id"]
    words += ["--device=nvidia.com/gpu=" + gpu for gpu in request["gpus"]]
    words += ["--preserve-fds=%d" % request["descriptors"]] if request["descriptors"] else []
    return words + _image_and_command(container, request)


RUNTIMES = {"apptainer": _apptainer, "shifter": _shifter, "docker": _docker, "podman": _podman}


def _forgetting(request):
    """For a runtime that hands everything on: without the node's own."""
    of_the_node = [name for name in request["env"] if OF_THE_NODE.match(name) and not OF_THE_RUNTIME.match(name)]
    names = [name for name in of_the_node if name not in request["given"]]
    return ["env"] + [word for name in names for word in ("-u", name)] if names else []


def _run_of(container, request):
    # Without --pid=host the command were process 1, which ignores SIGTERM, and what it leaves running could not be found.
    words = ["run", "--rm", "--pid=host", "--network=host", "--log-driver=none", "--workdir=" + request["cwd"]]
    words += ["--volume=" + bind for bind in _binds_of(container, request)]
    # Without a value: taken from the client's own, and in no list of processes.
    env = [name for name in request["env"] if not (request["gpus"] and name == "CUDA_VISIBLE_DEVICES")]
    words += ["--env=" + name for name in env if name in request["given"] or not OF_THE_NODE.match(name)]
    if request["gpus"]:
        # Only they are there, and are counted anew; what identifies a GPU stays.
        inside = [str(place) if gpu.isdigit() else gpu for place, gpu in enumerate(request["gpus"])]
        words.append("--env=CUDA_VISIBLE_DEVICES=" + ",".join(inside))
    return words + (["--memory=%dm" % request["memory_mb"]] if request["memory_mb"] else [])


def _image_and_command(container, request):
    """Not what the image would run: the command itself."""
    return ["--entrypoint=", container["image"]] + request["command"]


def _binds_of(container, request):
    whole = [bind if ":" in bind else "%s:%s" % (bind, bind) for bind in container.get("binds") or ()]
    return ["%s:%s%s" % (path, path, ":ro" if read_only else "") for path, read_only in request["dirs"]] + whole
