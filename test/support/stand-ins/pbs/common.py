"""What the stand-ins for PBS share. The words and codes are those of a recorded OpenPBS 23.06.06."""
import re
import time

UNKNOWN_JOB, FINISHED = 153, 35


def server(call):
    return call.settings.get("server", "pbs-head-node-01")


def history(call):
    """Off is OpenPBS's default; the tests' default is on."""
    return call.settings.get("history", True)


def letter(job):
    if job["state"] == "queued" and job.get("notBefore", 0) > job["queued"]:
        return "W"
    return {"queued": "Q", "held": "H", "running": "R", "ending": "E", "done": "F"}[job["state"]]


def exit_status(job):
    """271 for qdel and -29 for the walltime, even if the script traps TERM and exits 0; a lost node looks like success."""
    if job.get("exit") is None:
        return None
    if job["cause"] == "walltime":
        return -29
    if job["cause"] == "node-lost":
        return 0
    return 256 + job["exit"]["signal"] if "signal" in job["exit"] else job["exit"]["code"]


def comment(call, job):
    if job["state"] == "queued":
        if job["nodes"] > call.state.control().get("nodes", 1000):
            return "Can Never Run: Not enough total nodes available"
        return call.state.control().get("pendingComment", "Not Running: Not enough free nodes available")
    if not job.get("started"):
        return None
    place = "+".join("(%s:ncpus=%d)" % (host, job["tasksPerNode"]) for host in job["hosts"])
    text = time.strftime("Job run at %a %b %d at %H:%M on ", time.localtime(job["started"] // 1000)) + place
    if job["state"] != "done":
        return text
    if job["cause"] == "walltime":
        return text + " and exceeded resource walltime"
    if job["cause"] == "cancelled":
        return text + " and terminated by %s@%s" % (call.settings["user"], host_name(call))
    return text + (" and finished" if exit_status(job) == 0 else " and failed")


def host_name(call):
    return server(call) + ".hpc.example"


def find(call, jobs, text):
    """The job; None when it is unknown, False when the id is malformed."""
    match = re.fullmatch(r"(\d+)(\[\d*\])?(\.([\w.-]+))?", text)
    if match is None:
        return False
    if match.group(4) and match.group(4) not in (server(call), host_name(call)):
        return None
    return next((job for job in jobs if job["n"] == int(match.group(1))), None)


def whole_id(call, text):
    return text if "." in text else "%s.%s" % (text, server(call))


def down(name):
    """qstat ends with 255, and says so besides a well-formed object; the others end with the error's number."""
    words = "Connection refused\n"
    if name == "qdel":
        return "", words + "Couldn't connect to cluster: pbs-head-node-01\n", 162
    words += "%s: cannot connect to server pbs-head-node-01 (errno=15010)\n" % name
    return "", words, 255 if name == "qstat" else 162
