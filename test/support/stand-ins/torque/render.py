"""Jobs as Torque's qstat shows them: full text, XML, tables."""
import time

from torque import common


def attributes(call, job, epoch):
    """Names and values in Torque's order; a value may be a table."""
    stamp = (lambda ms: str(ms // 1000)) if epoch else (lambda ms: time.ctime(ms // 1000))
    state, server = common.letter(job), common.server(call)
    ran = job.get("hosts") and job["starts"] > 0
    walltime = job["walltimeMs"] // 1000
    rows = [("Job_Name", job["name"]), ("Job_Owner", job.get("owner", call.settings["user"]) + "@localhost")]
    if job["state"] == "done" and ran:
        used = common.clock((job["ended"] - job["started"]) // 1000)
        used = {"cput": "00:00:00", "vmem": "11640kb", "walltime": used, "mem": "7904kb", "energy_used": "0"}
        rows.append(("resources_used", used))
    rows += [("job_state", state), ("queue", job["queue"]), ("server", server)]
    if job.get("account"):
        rows.append(("Account_Name", job["account"]))
    rows += [("Checkpoint", "u"), ("ctime", stamp(job["queued"])), ("Error_Path", "vm:" + job["err"])]
    if ran:
        cores = "0-%d" % (job["tasksPerNode"] - 1) if job["tasksPerNode"] > 1 else "0"
        rows.append(("exec_host", "+".join("%s/%s" % (host, cores) for host in job["hosts"])))
    rows += [
        ("Hold_Types", "u" if job.get("held") else "n"), ("Join_Path", "oe" if job["join"] else "n"),
        ("Keep_Files", "n"), ("Mail_Points", "a"), ("mtime", stamp(job.get("ended") or job.get("started") or job["queued"])),
        ("Output_Path", "vm:" + job["out"]), ("Priority", "0"), ("qtime", stamp(job["queued"])), ("Rerunable", "True"),
    ]  # fmt: skip
    wanted = dict(job["resources"], nodect=str(job["nodes"]), walltime=common.clock(walltime))
    rows.append(("Resource_List", wanted))
    if ran:
        rows.append(("session_id", str(job["pid"])))
    listed = dict(job["variables"], PBS_O_WORKDIR=job["workdir"], PBS_O_HOST="vm", PBS_O_SERVER=server)
    rows.append(("Variable_List", ",".join("%s=%s" % item for item in listed.items())))
    rows += [("euser", call.settings["user"]), ("egroup", call.settings["user"]), ("queue_type", "E")]
    comment = comment_of(call, job)
    if comment:
        rows.append(("comment", comment))
    rows.append(("etime", stamp(job["queued"])))
    if common.exit_status(job) is not None:
        rows.append(("exit_status", str(common.exit_status(job))))
    rows.append(("submit_args", job["submitArgs"]))
    if ran:
        rows.append(("start_time", stamp(job["started"])))
        if state == "R":
            left = walltime - (int(time.time() * 1000) - job["started"]) // 1000
            rows.append(("Walltime", {"Remaining": str(left)}))
        rows.append(("start_count", str(job["starts"])))
    rows.append(("fault_tolerant", "False"))
    if job["state"] == "done" and ran:
        rows.append(("comp_time", stamp(job["ended"])))
    return rows + [("job_radix", "0"), ("submit_host", "vm"), ("init_work_dir", job["workdir"]), ("request_version", "1")]


def comment_of(call, job):
    if job["state"] in ("running", "ending") or (job["state"] == "done" and job["starts"] > 0):
        return time.strftime("Job started on %a %b %d at %H:%M", time.localtime(job["started"] // 1000))
    if job["state"] == "queued":
        default = "Not Running: Not enough of the right type of nodes are available"
        return call.state.control().get("pendingComment", default)
    return None


def xml(call, jobs):
    text = '<?xml version="1.0"?>\n<Data>'
    for job in jobs:
        text += "<Job>%s" % element("Job_Id", job["id"])
        text += "".join(element(*row) for row in attributes(call, job, epoch=True)) + "</Job>"
    return text + "</Data>\n"


def element(name, value):
    """Escapes as Torque does; control characters stay raw, as there."""
    if isinstance(value, dict):
        return "<%s>%s</%s>" % (name, "".join(element(*item) for item in value.items()), name)
    for mark, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&apos;")):
        value = value.replace(mark, entity)
    return "<%s>%s</%s>" % (name, value, name)


def full(call, jobs, one_line):
    text = ""
    for job in jobs:
        text += "Job Id: %s\n" % job["id"]
        for name, value in attributes(call, job, epoch=False):
            pairs = [(name, value)] if not isinstance(value, dict) else [("%s.%s" % (name, k), v) for k, v in value.items()]
            for key, item in pairs:
                text += (lambda line: line if one_line else fold(line))("    %s = %s" % (key, item)) + "\n"
        text += "\n"
    return text


def fold(line):
    lines, rest = [], line
    while len(rest) > 79 and "," in rest[4:79]:
        cut = rest.rindex(",", 0, 79) + 1
        lines.append(rest[:cut])
        rest = "\t" + rest[cut:]
    return "\n".join(lines + [rest])


def table(call, jobs):
    if not jobs:
        return ""
    text = "Job ID                    Name             User            Time Use S Queue\n"
    text += "------------------------- ---------------- --------------- -------- - -----\n"
    for job in jobs:
        name = job["name"] if len(job["name"]) <= 16 else "..." + job["name"][-13:]
        used = "00:00:00" if job["state"] == "done" and job["starts"] else "0"
        row = (job["id"][:29], name, call.settings["user"][:15], used, common.letter(job), job["queue"])
        text += "%-26s %-16s %-15s %8s %s %-15s\n" % row
    return text


def wide_table(call, jobs):
    if not jobs:
        return ""
    text = "\n%s: \n" % common.server(call) + " " * 82 + "Req'd       Req'd       Elap\n"
    text += "Job ID                  Username    Queue    Jobname          SessID  NDS   TSK   Memory      Time    S   Time\n"
    text += "----------------------- ----------- -------- ---------------- ------ ----- ------ --------- --------- - ---------\n"
    for job in jobs:
        tasks = job["nodes"] * job["tasksPerNode"]
        row = (job["id"][:22], call.settings["user"][:11], job["queue"][:8], job["name"][:16], job.get("pid", "--"))
        text += "%-23s %-11s %-8s %-16s %6s %5d %6d %8s %10s %s %9s\n" % (
            row + (job["nodes"], tasks, "--", common.clock(job["walltimeMs"] // 1000), common.letter(job), "-- ")
        )
    return text
