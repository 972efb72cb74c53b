"""squeue of a stand-in for Slurm: the options that Farcall uses, and no others."""
import os
import time

from slurm import common
from slurm.common import down  # noqa: F401

SHORT = {
    "PENDING": "PD", "RUNNING": "R", "COMPLETING": "CG", "COMPLETED": "CD", "FAILED": "F", "CANCELLED": "CA",
    "TIMEOUT": "TO", "PREEMPTED": "PR", "NODE_FAIL": "NF",
}  # fmt: skip

HEADINGS = {
    "%N": "NODELIST", "%i": "JOBID", "%t": "ST", "%T": "STATE", "%r": "REASON", "%S": "START_TIME", "%e": "END_TIME", "%j": "NAME",
}  # fmt: skip


def main(call):
    form, everything, header = "%i|%T|%r|%S|%j", False, True
    for word in call.argv:
        if word.startswith("--format="):
            form = word[len("--format=") :]
        elif word == "--states=all":
            everything = True
        elif word in ("--noheader", "-h"):
            header = False
        elif word != "--me":
            call.answer("", "squeue: unrecognized option '%s'\n" % word, 1)
    rows = [job for job in call.jobs() if everything or job["state"] != "done"]
    lines = [row(call, job, form) for job in rows]
    call.answer("".join(line + "\n" for line in ([headings(form)] if header else []) + lines))


def headings(form):
    for token, title in HEADINGS.items():
        form = form.replace(token, title)
    return form


def row(call, job, form):
    word = common.state(call, job)
    values = {
        "%N": ",".join(job.get("hosts") or []),
        "%i": job["id"], "%T": word, "%t": SHORT[word], "%r": common.reason(call, job), "%j": job["name"],
        "%S": date(job.get("started")), "%e": date(job.get("ended")),
    }  # fmt: skip
    for token, value in values.items():
        form = form.replace(token, value)
    return form


def date(at):
    if at is None:
        return "N/A"
    if os.environ.get("SLURM_TIME_FORMAT") == "%s":
        return str(at // 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(at // 1000))
