"""qsub of a stand-in for Torque."""
import os
import re
import sys
import time

from core import jobs
from torque import common
from torque.common import down  # noqa: F401
from torque.options import USAGE, Refusal, directives, parse, resources

RESOURCES = set(
    "nodes walltime mem pmem vmem pvmem cput pcput ncpus procs gres feature flags advres qos partition "
    "select place naccesspolicy file nice arch host software other prologue epilogue size depend".split()
)
INFEASIBLE = (
    "cannot locate feasible nodes (nodes file is empty, all systems are busy, "
    "or no nodes have the requested feature)"
)


def main(call):
    if "--version" in call.argv:
        call.answer(common.VERSION)
    try:
        job = submit(call, call.argv)
    except Refusal as refusal:
        call.answer("", refusal.err, refusal.code)
    call.answer(job["id"] + "\n")


def submit(call, argv, name="qsub"):
    pairs, operands = parse(argv, name)
    script = read_script(operands, name)
    inner, _ = parse(directives(script), name)
    # The command line beats the script.
    pairs = inner + pairs
    given = dict(pairs)
    table = resources(pairs)
    check(call, given, table)
    environment = variables(pairs)
    return jobs.submit(
        call.state, lambda number: describe(call, number, script, given, table, environment, operands)
    )


def read_script(operands, name):
    if operands and operands[-1] != "-":
        try:
            with open(operands[-1], errors="surrogateescape") as file:
                return file.read()
        except OSError:
            message = "%s: script file '%s' cannot be loaded - No such file or directory\n"
            raise Refusal(message % (name, operands[-1]), 1)
    return sys.stdin.buffer.read().decode("utf-8", "surrogateescape")


def check(call, given, table):
    """Refuses as the server does, in its words."""
    job_name = given.get("N", "STDIN")
    if re.search(r"\s", job_name) or len(job_name) > 236 or not job_name:
        raise Refusal("[qsub: illegal -N value]\n" + USAGE.replace("[exiting]\n", ""), 2)
    queues = call.settings.get("queues", {"batch": {}, "small": {"maxWalltime": 600}, "normal": {}, "debug": {}})
    queue = given.get("q", "batch").split("@")[0]
    if len(queue) > 15:
        raise Refusal("qsub: illegally formed destination: %s\n" % queue, 2)
    if queue not in queues:
        raise Refusal("qsub: submit error (Unknown queue MSG=requested queue not found)\n", 172)
    for key, value in table.items():
        if key not in RESOURCES:
            raise Refusal("qsub: submit error (Unknown resource type  Resource_List.%s)\n" % key, 189)
    walltime = common.seconds(table.get("walltime", "01:00:00"))
    if walltime is None:
        message = "qsub: submit error (Illegal attribute or resource value for Resource_List.walltime)\n"
        raise Refusal(message, 168)
    if walltime > queues[queue].get("maxWalltime", float("inf")):
        exceeds("cannot satisfy queue max walltime requirement")
    request = re.fullmatch(r"(\d+)((?::[^:+]+)*)", table.get("nodes", "1"))
    if request is None:
        exceeds(INFEASIBLE)
    parts = [part for part in request.group(2).split(":") if part]
    tasks = next((int(part[4:]) for part in parts if re.fullmatch(r"ppn=\d+", part)), 1)
    if int(request.group(1)) == 0 or tasks == 0:
        raise Refusal("qsub: submit error (Command syntax invalid MSG=Invalid Syntax)\n", 27)
    # With Moab, Torque leaves it to Moab whether the nodes exist.
    if call.settings.get("validateNodes", True):
        known = call.settings.get("properties", ["xe", "xk", "x"])
        others = [part for part in parts if "=" not in part]
        if int(request.group(1)) > call.state.control().get("nodes", 1000) or tasks > call.settings.get("np", 32):
            exceeds(INFEASIBLE)
        if any(part not in known and not part.startswith("gpus") for part in others):
            exceeds(INFEASIBLE)


def exceeds(why):
    raise Refusal("qsub: submit error (Job exceeds queue resource limits MSG=%s)\n" % why, 190)


def variables(pairs):
    given = {}
    for option, value in pairs:
        if option == "V":
            given.update(os.environ)
        elif option == "v":
            if '"' in value or "'" in value:
                raise Refusal("invalid -v syntax\n", 3)
            for item in value.split(","):
                key, equals, text = item.partition("=")
                given[key] = text if equals else os.environ.get(key, "")
    return given


def describe(call, number, script, given, table, environment, operands):
    settings, state = call.settings, call.state
    identity = common.job_id(call, number)
    text = table.get("nodes", "1")
    nodes = int(text.split(":")[0])
    tasks = int(next((part[4:] for part in text.split(":") if part.startswith("ppn=")), 1))
    walltime = common.seconds(table.get("walltime", "01:00:00"))
    name = given.get("N") or (os.path.basename(operands[-1]) if operands and operands[-1] != "-" else "STDIN")
    queue = given.get("q", "batch").split("@")[0]
    here = os.getcwd()
    path = state.path("spool", "%d.SC" % number)
    with open(path, "w", errors="surrogateescape") as file:
        file.write(script)
    os.chmod(path, 0o700)
    submitted = {
        "PBS_O_QUEUE": queue, "PBS_O_HOME": os.environ.get("HOME", "/"), "PBS_O_LOGNAME": settings["user"],
        "PBS_O_PATH": os.environ.get("PATH", ""), "PBS_O_SHELL": "/bin/bash",
    }  # fmt: skip
    home = settings["home"]
    env = {
        "HOME": home, "USER": settings["user"], "LOGNAME": settings["user"], "SHELL": "/bin/bash", "LANG": "C.UTF-8",
        "PATH": settings["bin"] + ":/usr/local/bin:/usr/bin:/bin", "ENVIRONMENT": "BATCH", "HOSTNAME": "mom1",
        "PBS_ENVIRONMENT": "PBS_BATCH", "PBS_JOBID": identity, "PBS_JOBNAME": name, "PBS_QUEUE": queue,
        "PBS_NODEFILE": state.path("spool", "%d.nodes" % number), "PBS_NUM_NODES": str(nodes),
        "PBS_NUM_PPN": str(tasks), "PBS_NP": str(nodes * tasks), "PBS_NODENUM": "0", "PBS_VNODENUM": "0",
        "PBS_TASKNUM": "1", "PBS_MOMPORT": "15003", "PBS_VERSION": "TORQUE-6.1.3.h5", "PBS_WALLTIME": str(walltime),
        "PBS_O_WORKDIR": given.get("w", here), "PBS_O_HOST": "vm", "PBS_O_SERVER": common.server(call),
        "BATCH_PARTITION_ID": str(100000 + number),
        # What follows is the stand-in's own: where the script runs, and the job's place in the state directory.
        "STAND_IN_DIR": state.directory, "STAND_IN_JOB": str(number), "STAND_IN_PLACE": "mom", "STAND_IN_HOST": "mom1",
    }  # fmt: skip
    env.update(submitted)
    env.update(environment)
    out = output_path(given.get("o"), here, "%s.o%d" % (name, number))
    return {
        "id": identity, "name": name, "queue": queue, "env": env, "cwd": given.get("d", home), "script": path,
        "argv": top_process(given.get("S"), path), "nodes": nodes, "tasksPerNode": tasks,
        "nodeFile": env["PBS_NODEFILE"], "walltimeMs": walltime * 1000, "held": "h" in given, "spooled": True,
        "join": given.get("j", "n") in ("oe", "eo"), "out": out,
        "err": output_path(given.get("e"), here, "%s.e%d" % (name, number)), "resources": dict({"nodes": text}, **table),
        "variables": dict(submitted, **environment), "workdir": here, "submitArgs": " ".join(call.argv),
        "account": given.get("A"), "notBefore": int(time.time() + 86_400) * 1000 if "a" in given else 0,
    }  # fmt: skip


def output_path(value, here, default):
    path = (value or default).split(":", 1)[-1] if value and ":" in value else (value or default)
    path = os.path.join(here, path)
    return os.path.join(path, default) if path.endswith("/") else path


def top_process(shell, script):
    """The job's top process is a shell that runs the script as its child."""
    if shell is not None and os.path.basename(shell) not in ("sh", "bash", "dash", "ksh", "zsh"):
        return [shell, script]
    return [shell or "/bin/bash", "-c", '"$0"; exit $?', script]
