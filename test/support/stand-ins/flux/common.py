"""What the stand-ins for Flux share. The words are those of flux-core's documents and source."""

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def down(name):
    """There is no broker."""
    return "", "%s: ERROR: Unable to connect to Flux: broker socket /run/flux/local was not found\n" % name, 1


def f58(number):
    digits = ""
    while number:
        number, digit = divmod(number, 58)
        digits = BASE58[digit] + digits
    return "f" + digits


def state(job):
    return {"queued": "SCHED", "held": "SCHED", "running": "RUN", "ending": "CLEANUP", "done": "INACTIVE"}[job["state"]]


def result(job):
    if job["state"] != "done":
        return ""
    if job["cause"] in ("cancelled", "cancelled-pending"):
        return "CANCELED"
    if job["cause"] == "walltime":
        return "TIMEOUT"
    return "COMPLETED" if (job.get("exit") or {}).get("code") == 0 else "FAILED"


def return_code(job):
    done = job.get("exit")
    if job["state"] != "done":
        return ""
    if not done:
        return "-128"
    return str(done["code"] if "code" in done else 128 + done["signal"])


def exception(job):
    """Its type and note."""
    kinds = {"CANCELED": ("cancel", ""), "TIMEOUT": ("timeout", "resource allocation expired")}
    return kinds.get(result(job), ("", ""))
