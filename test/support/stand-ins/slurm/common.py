"""What the stand-ins for Slurm share. The words and codes are those of a recorded Slurm 22.05.8."""

UNREACHABLE = "Unable to contact slurm controller (connect failure)"


def down(name):
    """The controller does not run. The real commands say so after 9 to 18 s."""
    if name == "squeue":
        return "", "slurm_load_jobs error: %s\n" % UNREACHABLE, 1
    if name == "sacct":
        return "", "sacct: error: Problem talking to the database: Connection refused\n", 1
    if name == "scancel":
        return "", "scancel: error: Kill job error on job id 0: %s\n" % UNREACHABLE, 8
    return "", "%s: error: Batch job submission failed: %s\n" % (name, UNREACHABLE), 1


def state(call, job):
    """The long word."""
    if job["state"] in ("queued", "held"):
        return "PENDING"
    if job["state"] == "running":
        return "COMPLETING" if "term" in job else "RUNNING"
    if job["state"] == "ending":
        return "COMPLETING"
    if job["cause"] in ("cancelled", "cancelled-pending"):
        return "CANCELLED"
    if job["cause"] == "walltime":
        return "TIMEOUT"
    if job["cause"] == "node-lost":
        return call.settings.get("killed", "PREEMPTED")
    return "COMPLETED" if (job.get("exit") or {}).get("code") == 0 else "FAILED"


def reason(call, job):
    """A pending job's; those that ended as they should have none, cancelled ones keep an old one."""
    control = call.state.control()
    if job["state"] == "held":
        return "JobHeldUser"
    if job["state"] == "queued":
        if job["nodes"] > control.get("nodes", 1000):
            return "PartitionConfig"
        return control.get("pendingComment", "BeginTime" if job["starts"] else "Priority")
    word = state(call, job)
    if word == "CANCELLED" and job["cause"] == "cancelled-pending":
        return "Priority"
    if word == "TIMEOUT":
        return "TimeLimit"
    if word == "NODE_FAIL":
        return "NodeDown"
    if word == "FAILED":
        return "JobLaunchFailure" if "signal" in (job.get("exit") or {}) else "NonZeroExitCode"
    return "None"


def exit_code(job):
    done = job.get("exit") or {}
    if job["state"] != "done" or job["cause"] != "end":
        return "0:0"
    return "%d:%d" % (done.get("code", 0), done.get("signal", 0))
