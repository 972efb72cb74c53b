"""What Torque's stand-in commands share. The words and codes are those of a recorded Torque 6.1.3; an exit code is the PBS error modulo 256."""
import re

VERSION = "Version: 6.1.3.h5\nCommit: 4decc716daa73044648b5578ef68d89713d2f6a2\n"
UNKNOWN_JOB, BAD_STATE = 153, 170


def server(call):
    return call.settings.get("server", "vm")


def job_id(call, number):
    suffix = call.settings.get("suffix")
    return "%d.%s" % (number, server(call)) + ("." + suffix if suffix else "")


def letter(job):
    if job["state"] == "queued" and job.get("notBefore", 0) > job["queued"]:
        return "W"
    return {"queued": "Q", "held": "H", "running": "R", "ending": "E", "done": "C"}[job["state"]]


def exit_status(job):
    """None while there is none. A job that never ran has none for ever; one whose node was lost counts as a success."""
    if job.get("exit") is None:
        return None
    if job["cause"] == "walltime":
        return -11
    if job["cause"] == "node-lost":
        return 0
    if "signal" in job["exit"]:
        return 256 + job["exit"]["signal"]
    return job["exit"]["code"]


def split_id(text):
    """The number of `12`, `12.server`, `12[]`; None when it is malformed."""
    match = re.fullmatch(r"(\d+)(\[\d*\])?(\..*)?", text)
    return match and (int(match.group(1)), match.group(3))


def find(call, jobs, text):
    parts = split_id(text)
    if parts is None:
        return None
    number, suffix = parts
    own = job_id(call, number)
    if suffix is not None and not own.endswith(suffix) and suffix != "." + server(call):
        return None
    return next((job for job in jobs if job["n"] == number), None)


def seconds(text):
    """A walltime in seconds, or None: plain seconds, MM:SS, HH:MM:SS or DD:HH:MM:SS."""
    if not re.fullmatch(r"\d+(:\d+){0,3}(\.\d+)?", text):
        return None
    total = 0
    for part, unit in zip(reversed(text.split(".")[0].split(":")), (1, 60, 3600, 86400)):
        total += int(part) * unit
    return total


def clock(total):
    return "%02d:%02d:%02d" % (total // 3600, total // 60 % 60, total % 60)


def down(name):
    """The answers while pbs_server does not run. qstat tries three times."""
    try_once = "\nUnable to communicate with vm(127.0.0.1)\nCannot connect to specified server host 'vm'.\n"
    words = try_once * (3 if name == "qstat" else 1)
    words += "%s: cannot connect to server vm (errno=111) Connection refused\n" % name
    if name == "qstat":
        words += "qstat: Error (111 - Connection refused) \n"
    return "", words, 111
