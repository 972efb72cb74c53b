"""qsub of a stand-in for PBS."""
import os
import re
import time

from core import jobs
from pbs import common
from pbs.common import down  # noqa: F401
from torque.options import Refusal, directives, parse, resources
from torque.qsub import output_path, read_script, top_process

RESOURCES = set("select place nodes walltime mem ncpus cput vmem pmem pcput file mpiprocs ngpus software arch host vnode".split())
CHUNK = RESOURCES | {"ompthreads", "model", "xe", "bigmem"}
USAGE = "usage: qsub [-a date_time] [-A account_string] [-c interval]\n\t[-C directive_prefix] [-e path] [-f] [-h] ...\n"
OPTIONS = {"usage": USAGE, "with_value": "aAcCejJklmMNopPqrRSuvW", "flags": "fhIVxXzG"}


def main(call):
    if "--version" in call.argv:
        call.answer("pbs_version = 23.06.06\n")
    try:
        job = submit(call)
    except Refusal as refusal:
        call.answer("", refusal.err, refusal.code)
    call.answer(job["id"] + "\n")


def submit(call):
    pairs, operands = parse(call.argv, **OPTIONS)
    script = read_script(operands, "qsub")
    pairs = parse(directives(script), **OPTIONS)[0] + pairs
    given, table = dict(pairs), resources(pairs)
    nodes, cores = check(call, given, table)
    return jobs.submit(call.state, lambda number: describe(call, number, script, pairs, table, (nodes, cores), operands))


def check(call, given, table):
    """Refuses as the server does. What can never run is accepted: the comment says so later."""
    queues = call.settings.get("queues", {"workq": {}, "debug": {}, "R1": {}})
    if given.get("q", "workq").split("@")[0] not in queues:
        raise Refusal("qsub: Unknown queue\n", 170)
    extra = set(call.settings.get("resources", []))
    for key in table:
        if key not in RESOURCES | extra:
            raise Refusal("qsub: Unknown resource Resource_List.%s\n" % key, 187)
    if "walltime" in table and not re.fullmatch(r"\d+(\.\d+)?|\d+:\d\d(:\d\d)?", table["walltime"]):
        raise Refusal("qsub: Illegal attribute or resource value Resource_List.walltime\n", 166)
    illegal = "qsub: Illegal attribute or resource value%s\n"
    if re.match(r"-", table.get("mem", "")):
        raise Refusal(illegal % " Resource_List.mem", 166)
    if not re.fullmatch(r"(free|pack|scatter|vscatter)?(:?(excl|exclhost|shared))?(:?group=\w+)?", table.get("place", "free")):
        raise Refusal(illegal % " Resource_List.place", 166)
    if "nodes" in table and not re.match(r"[A-Za-z1-9]", table["nodes"]):
        zero = table["nodes"].startswith("0")
        raise Refusal("qsub: node(s) specification error\n" if zero else illegal % " Resource_List.nodes", 241 if zero else 166)
    for option, known in (("r", "yn"), ("m", "nabej")):
        if set(given.get(option, "n")) - set(known):
            raise Refusal("qsub: illegal -%s value\n%s" % (option, USAGE), 2)
    for key in ("ncpus", "mem", "ngpus", "mpiprocs"):
        if key in table and ("select" in table or "place" in table):
            words = 'qsub: "-lresource=" cannot be used with "select" or "place", resource is: %s\n'
            raise Refusal(words % key, 5)
    if len(given.get("N", "")) > 230 or re.search(r"\s", given.get("N", "")):
        raise Refusal("qsub: illegal -N value\n" + USAGE, 2)
    request = re.fullmatch(r"(\d+)((?::[^:+]+)*)", table.get("select", "1:ncpus=1"))
    if request is None or int(request.group(1)) == 0:
        raise Refusal(illegal % ("" if request else " Resource_List.select"), 166)
    chunk = dict(part.partition("=")[::2] for part in request.group(2).split(":") if part)
    for key in chunk:
        if key not in CHUNK | extra:
            raise Refusal("qsub: Unknown resource: %s\n" % key, 187)
    if not re.fullmatch(r"\d+", chunk.get("ncpus", "1")):
        raise Refusal(illegal % " select.ncpus", 166)
    return int(request.group(1)), int(chunk.get("ncpus", 1))


def seconds(text):
    total = 0
    for part in text.split("."):
        for unit in part.split(":"):
            total = total * 60 + int(unit)
        return total


def describe(call, number, script, pairs, table, shape, operands):
    settings, state, given = call.settings, call.state, dict(pairs)
    nodes, cores = shape
    identity = "%d.%s" % (number, common.server(call))
    name = given.get("N") or (os.path.basename(operands[-1]) if operands and operands[-1] != "-" else "STDIN")
    here, home, queue = os.getcwd(), settings["home"], given.get("q", "workq").split("@")[0]
    path = state.path("spool", "%d.SC" % number)
    with open(path, "w", errors="surrogateescape") as file:
        file.write(script)
    os.chmod(path, 0o700)
    submitted = {
        "PBS_O_HOME": os.environ.get("HOME", "/"), "PBS_O_LANG": "C.UTF-8", "PBS_O_LOGNAME": settings["user"],
        "PBS_O_PATH": os.environ.get("PATH", ""), "PBS_O_SHELL": "/bin/bash", "PBS_O_WORKDIR": here,
        "PBS_O_SYSTEM": "Linux", "PBS_O_QUEUE": queue, "PBS_O_HOST": common.host_name(call),
    }  # fmt: skip
    for option, value in pairs:
        # -V sends nothing in the recorded release.
        if option == "v":
            submitted.update(item.partition("=")[::2] for item in value.split(","))
    env = {
        "HOME": home, "USER": settings["user"], "LOGNAME": settings["user"], "SHELL": "/bin/bash", "LANG": "C.UTF-8",
        "PATH": settings["bin"] + ":/usr/local/bin:/usr/bin:/bin", "ENVIRONMENT": "BATCH", "NCPUS": str(cores),
        "OMP_NUM_THREADS": str(cores), "PBS_ENVIRONMENT": "PBS_BATCH", "PBS_JOBDIR": home, "PBS_JOBID": identity,
        "PBS_JOBNAME": name, "PBS_MOMPORT": "15003", "PBS_NODEFILE": state.path("spool", "%d.nodes" % number),
        "PBS_NODENUM": "0", "PBS_QUEUE": queue, "PBS_TASKNUM": "1",
        "STAND_IN_DIR": state.directory, "STAND_IN_JOB": str(number), "STAND_IN_PLACE": "compute", "STAND_IN_HOST": "nid00001",
    }  # fmt: skip
    env.update(submitted)
    limit = {"walltimeMs": seconds(table["walltime"]) * 1000} if "walltime" in table else {}
    return {
        "id": identity, "name": name, "queue": queue, "env": env, "cwd": home, "script": path, "nodes": nodes,
        "argv": top_process(given.get("S"), path), "tasksPerNode": cores, "nodeFile": env["PBS_NODEFILE"],
        "held": "h" in given, "spooled": True, "join": given.get("j", "n") in ("oe", "eo"),
        "out": output_path(given.get("o"), here, "%s.o%d" % (name, number)), "account": given.get("A"),
        "err": output_path(given.get("e"), here, "%s.e%d" % (name, number)), "resources": table,
        "variables": submitted, "workdir": here, "submitArgs": " ".join(call.argv),
        "notBefore": int(time.time() + 86_400) * 1000 if "a" in given else 0,
    } | limit  # fmt: skip
