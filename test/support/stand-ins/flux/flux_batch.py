"""flux batch of a stand-in for Flux: a script on standard input, with the options that Farcall uses, and no others."""
import os
import re
import shlex
import sys

from core import jobs
from flux.common import down, f58  # noqa: F401

WITH_VALUE = "cwd job-name output error nodes nslots cores-per-slot gpus-per-slot time-limit queue bank requires setattr urgency"
FLAGS = {"exclusive"}


def main(call):
    script = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    given = {}
    for line in script.splitlines():
        directive = re.match(r"# flux:(.*)", line)
        for word in shlex.split(directive.group(1), comments=True) if directive else []:
            name, equals, value = word.partition("=")
            known = name[2:] in (WITH_VALUE.split() if equals else FLAGS)
            if not name.startswith("--") or not known:
                call.answer("", "flux-batch: error: unrecognized arguments: %s\n" % word, 2)
            given[name[2:]] = value
    if not script.startswith("#!"):
        call.answer("", "flux-batch: ERROR: script does not appear to start with '#!'\n", 1)
    if given.get("queue") not in (None, "batch", "debug"):
        call.answer("", "flux-batch: ERROR: [Errno 22] Invalid queue: %s\n" % given["queue"], 1)
    job = jobs.submit(call.state, lambda number: describe(call, number, script, given))
    call.answer(f58(int(job["id"])) + "\n")


def describe(call, number, script, given):
    state = call.state
    # A time and a counter, in 64 bits.
    identity = (number << 24) + 2**40
    path = state.path("spool", "%d.script" % number)
    with open(path, "w", errors="surrogateescape") as file:
        file.write(script)
    os.chmod(path, 0o700)
    out = given.get("output", "flux-%s.out" % f58(identity)).replace("{{id}}", f58(identity))
    env = dict(os.environ, FLUX_JOB_ID=f58(identity), FLUX_URI="local://stand-in", STAND_IN_DIR=state.directory)
    limit = re.fullmatch(r"(\d+)([smh]?)", given.get("time-limit", ""))
    seconds = limit and int(limit.group(1)) * {"": 60, "s": 1, "m": 60, "h": 3_600}[limit.group(2)]
    return {
        "id": str(identity), "name": given.get("job-name", "batch"), "env": env, "cwd": given.get("cwd", os.getcwd()), "script": path,
        "argv": script.split("\n", 1)[0][2:].split() + [path], "nodes": int(given.get("nodes", "1")),
        "held": given.get("urgency") in ("0", "hold"), "join": "error" not in given, "out": out,
        "err": given.get("error", out), **({"walltimeMs": seconds * 1000} if seconds else {}),
    }  # fmt: skip
