"""bjobs of a stand-in for LSF: `-a` with `-o`, as lines or as JSON."""
import json
import re

from lsf import common
from lsf.common import down  # noqa: F401


def main(call):
    flags, fields, ids = set(), "", []
    words = iter(call.argv)
    for word in words:
        if word == "-o":
            fields = next(words, "")
        elif word in ("-a", "-json", "-noheader", "-w"):
            flags.add(word)
        elif word.startswith("-"):
            call.answer("", "%s: Illegal option.\n" % word, 255)
        else:
            ids.append(word)
    if "-json" in flags and not fields:
        words = "You cannot use the -json option when the -o option is not specified"
        call.answer("", "bjobs: %s or the LSB_BJOBS_FORMAT parameter is not defined.\n" % words, 255)
    delimiter = re.search(r"delimiter='(.)'", fields)
    names = re.sub(r"delimiter='.'", "", fields).split()
    jobs = [job for job in call.jobs() if "-a" in flags or ids or job["state"] != "done"]
    if ids:
        known = {job["id"]: job for job in jobs}
        rows = [record(call, known[id], names) if id in known else unknown(id) for id in ids]
    else:
        rows = [record(call, job, names) for job in reversed(jobs)]
    if not rows:
        call.answer("", "No %sjob found\n" % ("" if "-a" in flags else "unfinished "), 255)
    if "-json" in flags:
        call.answer(json.dumps({"COMMAND": "bjobs", "JOBS": len(rows), "RECORDS": rows}, indent=2, separators=(",", ":")) + "\n")
    mark = delimiter.group(1) if delimiter else " "
    lines = [mark.join(row.get(name.upper(), "") or "-" for name in names) for row in rows if "ERROR" not in row]
    call.answer("".join(line + "\n" for line in lines))


def record(call, job, names):
    values = {
        "jobid": job["id"], "job_name": job["name"], "stat": common.state(job), "exit_code": common.exit_code(job),
        "exit_reason": common.exit_reason(call, job), "pend_reason": common.pending_reason(call, job), "queue": job["queue"],
    }  # fmt: skip
    return {name.upper(): values.get(name, "") for name in names}


def unknown(id):
    return {"JOBID": id, "ERROR": "Job <%s> is not found" % id}
