"""bhist -UF of a stand-in for LSF: one line an event."""
import time

from lsf import common
from lsf.common import down  # noqa: F401

RULE = "-" * 78 + "\n"


def main(call):
    names, words = [], iter(call.argv)
    for word in words:
        if word == "-n":
            next(words, None)
        elif not word.startswith("-"):
            names.append(word)
    known = {job["id"]: job for job in call.jobs()}
    found = [known[name] for name in names if name in known]
    if not found:
        call.answer("", "No matching job found\n", 255)
    call.answer(RULE.join(events(call, job) for job in found))


def events(call, job):
    at = lambda ms: time.strftime("%a %b %d %H:%M:%S %Y", time.localtime(ms // 1000))  # noqa: E731
    user = call.settings["user"]
    lines = ["Job <%s>, Job Name <%s>, User <%s>, Project <default>, Command <...>" % (job["id"], job["name"], user)]
    lines.append("%s: Submitted from host <vm>, to Queue <%s>;" % (at(job["queued"]), job["queue"]))
    if job.get("started"):
        lines.append("%s: Dispatched %d Task(s) on Host(s) <%s>;" % (at(job["started"]), job["nodes"], job["hosts"][0]))
        lines.append("%s: Starting (Pid %d);" % (at(job["started"]), job["pid"]))
    if job["state"] == "done":
        lines.append("%s: %s" % (at(job["ended"]), end(call, job)))
    return "\n" + "\n".join(lines) + "\n\nSummary of time in seconds spent in various states\n"


def end(call, job):
    if common.state(job) == "DONE":
        return "Done successfully. The CPU time used is 0.1 seconds;"
    code, why = common.exit_code(job), common.exit_reason(call, job)
    how = "Exited with exit code %s. The CPU time used is 0.1 seconds" % code if code else "Exited"
    return how + ("; " + why + "." if why else ";")
