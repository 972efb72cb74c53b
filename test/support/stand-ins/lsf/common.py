"""What the stand-ins for LSF share. The words are those of IBM's documents for 10.1 and of published answers."""

NOT_FOUND = 255


def down(name):
    """The master batch daemon does not run. The real commands try again for long before they say so."""
    return "", "LSF is down. Please wait ...\nFailed in LSF library call: LIM is down; try later\n", 255


def state(job):
    if job["state"] == "done":
        return "DONE" if job["cause"] == "end" and (job.get("exit") or {}).get("code") == 0 else "EXIT"
    return {"queued": "PEND", "held": "PSUSP", "running": "RUN", "ending": "RUN"}[job["state"]]


def exit_code(job):
    """As text; empty while there is none, of a success, and of a job that was ended before it was started."""
    done = job.get("exit")
    if job["state"] != "done" or not done or done.get("code") == 0:
        return ""
    return str(done.get("code", 128 + done.get("signal", 0)))


def exit_reason(call, job):
    if job["state"] != "done":
        return ""
    reasons = {
        "cancelled": "TERM_OWNER: job killed by owner",
        "cancelled-pending": "TERM_OWNER: job killed by owner",
        "walltime": "TERM_RUNLIMIT: job killed after reaching LSF run time limit",
        "node-lost": call.settings.get("killed", "TERM_PREEMPT: job killed after preemption"),
    }
    return reasons.get(job["cause"], "")


def pending_reason(call, job):
    if job["state"] == "held":
        return "The job was suspended by user while pending;"
    if job["state"] != "queued":
        return ""
    return call.state.control().get("pendingComment", "New job is waiting for scheduling;")
