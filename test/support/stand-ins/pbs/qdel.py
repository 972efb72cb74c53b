"""qdel of a stand-in for PBS."""
from core import jobs
from pbs import common
from pbs.common import down  # noqa: F401

USAGE = "usage:\n\tqdel [-W force|suppress_email=X] [-x] job_identifier...\n\tqdel --version\n"


def main(call):
    act(call, "qdel", lambda numbers, force: jobs.cancel(call.state, numbers, force))


def act(call, command, do):
    """For qdel and qsig, which refuse in the same way."""
    names, force, words = [], False, iter(call.argv)
    for word in words:
        if word in ("-W", "-s"):
            force = next(words, "") == "force" or force
        elif not word.startswith("-"):
            names.append(word)
    if not names:
        call.answer("", USAGE, 2)
    known, err, code, chosen = call.jobs(), "", 0, set()
    for name in names:
        job = common.find(call, known, name)
        if job is False:
            err, code = err + "%s: illegally formed job identifier: %s\n" % (command, name), 1
        elif job is None or (job["state"] == "done" and not common.history(call)):
            err, code = err + "%s: Unknown Job Id %s\n" % (command, name), common.UNKNOWN_JOB
        elif job["state"] == "done":
            err, code = err + "%s: Job has finished %s\n" % (command, job["id"]), common.FINISHED
        elif command == "qsig" and job["state"] != "running":
            err, code = err + "qsig: Request invalid for state of job %s\n" % job["id"], 168
        else:
            chosen.add(job["n"])
    if chosen and not call.ignored():
        do(chosen, force)
    call.answer("", err, code)
