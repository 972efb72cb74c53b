"""qsig of a stand-in for Torque."""
from core import jobs
from torque import common
from torque.common import down  # noqa: F401


def main(call):
    name, names, words = "TERM", [], iter(call.argv)
    for word in words:
        if word == "-s":
            name = next(words, "TERM")
        else:
            names.append(word)
    known, err, code, chosen = call.jobs(), "", 0, set()
    for text in names:
        job = common.find(call, known, text)
        if job is None:
            err, code = err + "qsig: Unknown Job Id Error %s\n" % text, common.UNKNOWN_JOB
        elif job["state"] != "running":
            word = {"done": "COMPLETE", "queued": "QUEUED", "held": "HELD"}.get(job["state"], "EXITING")
            message = "qsig: Request invalid for state of job MSG=invalid state for job - %s %s\n"
            err, code = err + message % (word, job["id"]), common.BAD_STATE
        else:
            chosen.add(job["n"])
    if chosen and not call.ignored():
        jobs.change(call.state, chosen, lambda job: {"signals": job.get("signals", []) + [name]})
    call.answer("", err, code)
