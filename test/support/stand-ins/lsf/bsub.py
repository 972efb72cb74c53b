"""bsub of a stand-in for LSF: a script on standard input, with the options that Farcall uses, and no others."""
import os
import re
import shlex
import sys

from core import jobs
from lsf.common import down  # noqa: F401

WITH_VALUE = {"-J", "-o", "-e", "-n", "-R", "-W", "-q", "-P", "-gpu", "-sla", "-U", "-m", "-wa", "-wt", "-nnodes", "-cwd"}
FLAGS = {"-x", "-rn", "-H"}


class Refusal(Exception):
    pass


def main(call):
    script = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    try:
        given = options(script, call.argv)
        check(call, given)
    except Refusal as refusal:
        call.answer("", str(refusal), 255)
    job = jobs.submit(call.state, lambda number: describe(call, number, script, given))
    kind = "queue" if "-q" in given else "default queue"
    call.answer("Job <%s> is submitted to %s <%s>.\n" % (job["id"], kind, job["queue"]))


def options(script, argv):
    """Of the #BSUB lines and of the command line, which wins; -R may be given more than once."""
    if script.strip() == "":
        raise Refusal("Empty job. Job not submitted.\n")
    lines = [line[len("#BSUB") :] for line in script.splitlines() if re.match(r"#BSUB\s", line)]
    given = {}
    for words in [shlex.split(line) for line in lines] + [list(argv)]:
        words = iter(words)
        for word in words:
            if word in FLAGS:
                given[word] = True
            elif word in WITH_VALUE:
                value = next(words, None)
                if value is None:
                    raise Refusal("bsub: option requires an argument -- %s\n" % word[1:])
                given[word] = given.get(word, "") + " " + value if word == "-R" else value
            else:
                raise Refusal("%s: Illegal option. Job not submitted.\n" % word)
    return given


def check(call, given):
    queues = call.settings.get("queues", ["normal", "short"])
    if given.get("-q", "normal") not in queues:
        raise Refusal("%s: No such queue. Job not submitted.\n" % given["-q"])
    if not re.fullmatch(r"(\d+:)?\d+", given.get("-W", "60")):
        raise Refusal("%s: Bad RUNLIMIT specification. Job not submitted.\n" % given["-W"])
    if not re.fullmatch(r"[1-9]\d*", given.get("-n", "1")):
        raise Refusal("%s: Bad processor number specification. Job not submitted.\n" % given["-n"])


def describe(call, number, script, given):
    state, settings = call.state, call.settings
    slots = int(given.get("-n", "1"))
    tile = re.search(r"span\[ptile=(\d+)\]", given.get("-R", ""))
    per_node = int(tile.group(1)) if tile else 1
    nodes = int(given["-nnodes"]) if "-nnodes" in given else -(-slots // per_node)
    hours, _, minutes = given.get("-W", "60").rpartition(":")
    path = state.path("spool", "%d.shell" % number)
    with open(path, "w", errors="surrogateescape") as file:
        file.write(script)
    os.chmod(path, 0o700)
    first = script.split("\n", 1)[0]
    shell = first[2:].split() if first.startswith("#!") else ["/bin/sh"]
    queue, name = given.get("-q", "normal"), given.get("-J", "NoName")
    hostfile = state.path("spool", "%d.hostfile" % number)
    # The environment of bsub goes with the job.
    env = dict(os.environ, LSB_JOBID=str(number), LSB_JOBNAME=name, LSB_QUEUE=queue, LSB_DJOB_HOSTFILE=hostfile)
    env.update(LSB_HOSTS="@HOSTS@", LSB_DJOB_NUMPROC=str(slots), LS_SUBCWD=os.getcwd(), STAND_IN_DIR=state.directory)
    out = given.get("-o", "/dev/null").replace("%J", str(number))
    # Limits are whole minutes: a test's are shortened.
    scale = settings.get("millisecondsPerMinute", 60_000)
    return {
        "id": str(number), "name": name, "queue": queue, "env": env, "cwd": given.get("-cwd", os.getcwd()), "script": path,
        "argv": shell + [path], "nodes": nodes, "tasksPerNode": per_node, "nodeFile": hostfile,
        "walltimeMs": (int(hours or 0) * 60 + int(minutes)) * scale, "held": "-H" in given, "spooled": True,
        "join": "-e" not in given, "out": out, "err": given.get("-e", out),
    }  # fmt: skip
