"""flux jobs of a stand-in for Flux: -a, or ids, in any format; the head line is made of the same format."""
import re

from flux import common
from flux.common import down  # noqa: F401

HEADS = {
    "id.dec": "JOBID", "state": "STATE", "result": "RESULT", "returncode": "RC", "urgency": "URG",
    "exception.type": "EXCEPTION-TYPE", "exception.note": "EXCEPTION-NOTE", "name": "NAME",
    "sched.reason_pending": "REASON",
}  # fmt: skip


def main(call):
    everything, form, ids = False, "", []
    for word in call.argv:
        if word.startswith("--format="):
            form = word[len("--format=") :]
        elif word == "-a":
            everything = True
        elif word.startswith("--count="):
            pass
        elif word.startswith("-"):
            call.answer("", "flux-jobs: error: unrecognized arguments: %s\n" % word, 2)
        else:
            ids.append(word)
    jobs, err, code = call.jobs(), "", 0
    if ids:
        known = {job["id"]: job for job in jobs}
        err = "".join("flux-jobs: ERROR: JobID %s unknown\n" % id for id in ids if id not in known)
        jobs, code = [known[id] for id in ids if id in known], 1 if err else 0
    elif not everything:
        jobs = [job for job in jobs if job["state"] != "done"]
    rows = [HEADS] + [fields(call, job) for job in reversed(jobs)]
    call.answer("".join(re.sub(r"\{([\w.]+)\}", lambda match: row[match.group(1)], form) + "\n" for row in rows), err, code)


def fields(call, job):
    kind, note = common.exception(job)
    pending = call.state.control().get("pendingComment", "") if job["state"] == "queued" else ""
    return {
        "id.dec": job["id"], "state": common.state(job), "result": common.result(job),
        "returncode": common.return_code(job), "urgency": "0" if job["state"] == "held" else "16",
        "exception.type": kind, "exception.note": note, "name": job["name"], "sched.reason_pending": pending,
    }  # fmt: skip
