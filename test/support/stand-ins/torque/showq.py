"""showq of a stand-in for Moab: the three sections of its guide, and the XML that published parsers read."""
import time

from torque import common
from torque.msub import down, moab_id, state_of  # noqa: F401


def main(call):
    words = [word for word in call.argv if word.startswith("user=")]
    user = words[0][5:] if words else None
    jobs = [job for job in call.jobs() if user in (None, job.get("owner", call.settings["user"]))]
    if "-c" in call.argv:
        sections = [("completed", [job for job in jobs if job["state"] == "done"])]
    else:
        blocked = call.state.control().get("blocked", [])
        waiting = [job for job in jobs if job["state"] in ("queued", "held")]
        stuck = [job for job in waiting if job["state"] == "held" or job["name"] in blocked]
        sections = [
            ("active", [job for job in jobs if job["state"] in ("running", "ending")]),
            ("eligible", [job for job in waiting if job not in stuck]),
            ("blocked", stuck),
        ]
    call.answer(xml(call, sections) if "--xml" in call.argv else text(call, sections))


def xml(call, sections):
    out = "<Data>\n <Object>queue</Object>\n"
    out += ' <cluster LocalActiveNodes="0" LocalConfigNodes="1000" LocalUpNodes="1000" time="%d"/>\n' % time.time()
    for name, jobs in sections:
        extra = ' purgetime="300"' if name == "completed" else ""
        out += ' <queue count="%d" option="%s"%s' % (len(jobs), name, extra)
        rows = "".join("  <job%s/>\n" % "".join(" %s=%s" % (k, quoteattr(v)) for k, v in row(call, name, job)) for job in jobs)
        out += ">\n%s </queue>\n" % rows if jobs else "/>\n"
    return out + "</Data>\n"


def row(call, section, job):
    fields = {
        "Class": job["queue"], "EEDuration": "0", "GJID": moab_id(call, job), "Group": call.settings["user"],
        "JobID": moab_id(call, job), "JobName": job["name"], "PAL": "torque",
        "ReqAWDuration": str(job["walltimeMs"] // 1000), "ReqProcs": str(job["nodes"] * job["tasksPerNode"]),
        "StartTime": str(job.get("started", 0) // 1000), "State": state_of(job),
        "SubmissionTime": str(job["queued"] // 1000), "SuspendDuration": "0", "User": call.settings["user"],
    }  # fmt: skip
    if job.get("account"):
        fields["Account"] = job["account"]
    if job.get("started"):
        fields.update(DRMJID=job["id"], MasterHost=job["hosts"][0] if job["hosts"] else "")
    if section == "blocked" and job["state"] == "queued":
        fields.update(BlockReason="IdlePolicy", Description=call.state.control().get("pendingComment", "job is blocked"))
    if section == "completed":
        status = common.exit_status(job)
        fields["CompletionCode"] = "CNCLD" if status is None else "CNCLD(271)" if status == 271 else str(status)
        fields["CompletionTime"] = str(job["ended"] // 1000)
    return sorted(fields.items())


def text(call, sections):
    out, total = "", 0
    for name, jobs in sections:
        column = "REMAINING            STARTTIME" if name == "active" else "WCLIMIT            QUEUETIME"
        out += "\n%s jobs%s\n" % (name, "-" * (31 - len(name) - 5))
        out += "JOBID              USERNAME      STATE PROCS     %s\n\n" % column
        for job in jobs:
            when = time.strftime("%a %b %d %H:%M:%S", time.localtime((job.get("started") or job["queued"]) // 1000))
            procs = job["nodes"] * job["tasksPerNode"]
            clock = common.clock(job["walltimeMs"] // 1000)
            out += "%-10s %16s %10s %5d %11s  %s\n" % (moab_id(call, job), call.settings["user"], state_of(job), procs, clock, when)
        out += "\n%d %s job%s\n" % (len(jobs), name, "" if len(jobs) == 1 else "s")
        total += len(jobs)
    return out + "\nTotal job%s:  %d\n" % ("" if total == 1 else "s", total)


def quoteattr(value):
    for mark, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        value = value.replace(mark, entity)
    return '"%s"' % value
