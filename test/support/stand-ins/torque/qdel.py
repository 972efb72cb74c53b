"""qdel of a stand-in for Torque."""
from core import jobs
from torque import common
from torque.common import down  # noqa: F401

USAGE = """usage: qdel [{ -a | -c | -p | -t | -W delay | -m message}] [-b retry_seconds] [<JOBID>[<JOBID>]|'all'|'ALL']...
       -a -c, -m, -p, -t, and -W are mutually exclusive
"""


def main(call):
    names, words = [], iter(call.argv)
    for word in words:
        if word in ("-W", "-m", "-b", "-t"):
            next(words, None)
        elif not word.startswith("-"):
            names.append(word)
    if not names:
        call.answer("", USAGE, 2)
    known = call.jobs()
    if names == ["all"]:
        names = [job["id"] for job in known if job["state"] != "done"]
    err, code, ending = "", 0, set()
    for name in names:
        job = common.find(call, known, name)
        if common.split_id(name) is None:
            err, code = err + "qdel: illegally formed job identifier: %s\n" % name, 1
        elif job is None:
            err, code = err + "qdel: nonexistent job id: %s\n" % name, common.UNKNOWN_JOB
        elif job["state"] == "done":
            words = "qdel: Request invalid for state of job MSG=invalid state for job - COMPLETE %s\n"
            err, code = err + words % name, common.BAD_STATE
        else:
            ending.add(job["n"])
    if ending and not call.ignored():
        jobs.cancel(call.state, ending)
    call.answer("", err, code)
