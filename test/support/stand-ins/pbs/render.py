"""Jobs as PBS's qstat shows them: full text, JSON with the release's faults, the table with its cut ids."""
import re
import time

from pbs import common


def attributes(call, job):
    stamp = lambda ms: time.ctime(ms // 1000)  # noqa: E731
    host, ran = common.host_name(call), bool(job.get("started"))
    rows = [("Job_Name", job["name"]), ("Job_Owner", "%s@%s" % (job.get("owner", call.settings["user"]), host))]
    if ran:
        span = ((job.get("ended") or int(time.time() * 1000)) - job["started"]) // 1000
        used = "%02d:%02d:%02d" % (span // 3600, span // 60 % 60, span % 60)
        rows.append(("resources_used", {"cpupercent": 0, "cput": "00:00:00", "mem": "3024kb", "walltime": used}))
    rows += [("job_state", common.letter(job)), ("queue", job["queue"]), ("server", common.server(call))]
    if job.get("account"):
        rows.append(("Account_Name", job["account"]))
    rows += [("Checkpoint", "u"), ("ctime", stamp(job["queued"])), ("Error_Path", "%s:%s" % (host, job["err"]))]
    if ran:
        rows.append(("exec_host", "+".join(name + "/0" for name in job["hosts"])))
    rows += [
        ("Hold_Types", "u" if job["state"] == "held" else "n"), ("Join_Path", "oe" if job["join"] else "n"),
        ("Keep_Files", "n"), ("Mail_Points", "a"), ("mtime", stamp(job.get("ended") or job["queued"])),
        ("Output_Path", "%s:%s" % (host, job["out"])), ("Priority", 0), ("qtime", stamp(job["queued"])),
        ("Rerunable", "True"), ("Resource_List", dict({"nodect": job["nodes"]}, **job["resources"])),
    ]  # fmt: skip
    if ran:
        rows += [("stime", stamp(job["started"])), ("session_id", job["pid"]), ("jobdir", job["cwd"])]
    rows += [("substate", substate(job)), ("Variable_List", job["variables"])]
    comment = common.comment(call, job)
    if comment:
        rows.append(("comment", comment))
    rows.append(("etime", stamp(job["queued"])))
    if ran:
        rows.append(("run_count", job["starts"]))
    if common.exit_status(job) is not None:
        rows.append(("Exit_status", common.exit_status(job)))
    rows += [("Submit_arguments", job["submitArgs"]), ("project", "_pbs_project_default"), ("Submit_Host", host)]
    return rows


def substate(job):
    if job["state"] == "done":
        return 91 if (job["cause"] or "").startswith("cancelled") else 92 if common.exit_status(job) == 0 else 93
    return {"queued": 10, "held": 20, "running": 42, "ending": 51}[job["state"]]


def json_text(call, jobs):
    head = '{\n    "timestamp":%d,\n    "pbs_version":"23.06.06",\n    "pbs_server":"%s"'
    text = head % (time.time(), common.server(call))
    if jobs:
        listed = ",\n".join('        "%s":{\n%s\n        }' % (job["id"], members(call, job)) for job in jobs)
        text += ',\n    "Jobs":{\n%s\n    }' % listed
    return text + "\n}\n"


def members(call, job):
    lines = []
    for name, value in attributes(call, job):
        if isinstance(value, dict):
            inner = ",\n".join('                "%s":%s' % (key, scalar(item)) for key, item in value.items())
            lines.append('            "%s":{\n%s\n            }' % (name, inner))
        else:
            lines.append('            "%s":%s' % (name, scalar(value)))
    return ",\n".join(lines)


def scalar(value):
    """What strtod reads whole is printed bare, as the release does it: nan, inf, +5 and 007 break the JSON of all."""
    text = str(value)
    if re.fullmatch(r"[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+|nan|inf|infinity)", text, re.IGNORECASE):
        return text
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"')


def full(call, jobs):
    text = ""
    for job in jobs:
        text += "Job Id: %s\n" % job["id"]
        for name, value in attributes(call, job):
            if name == "Variable_List":
                value = ",".join("%s=%s" % item for item in value.items())
            pairs = [(name, value)] if not isinstance(value, dict) else [("%s.%s" % (name, k), v) for k, v in value.items()]
            text += "".join(fold("    %s = %s" % pair) + "\n" for pair in pairs)
        text += "\n"
    return text


def fold(line):
    lines, rest = [], line
    while len(rest) > 79:
        comma = rest.rfind(",", 4, 79) + 1
        cut = comma or 79
        lines.append(rest[:cut])
        rest = "\t" + rest[cut:]
    return "\n".join(lines + [rest])


def table(call, jobs):
    if not jobs:
        return ""
    text = "Job id            Name             User              Time Use S Queue\n"
    text += "----------------  ---------------- ----------------  -------- - -----\n"
    for job in jobs:
        identity = job["id"] if len(job["id"]) <= 16 else job["id"][:15] + "*"
        name = job["name"] if len(job["name"]) <= 15 else job["name"][:14] + "*"
        text += "%-17s %-16s %-16s %9s %s %-15s\n" % (identity, name, call.settings["user"], "0", common.letter(job), job["queue"])
    return text
