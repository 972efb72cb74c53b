"""Which nodes a job gets, and whether it may start yet."""
import os


def chosen(job, names):
    """`names` is true for all jobs, or a list of numbers and names."""
    return names is True or (isinstance(names, list) and (job["n"] in names or job["name"] in names))


def may_start(job, control, now):
    if chosen(job, control.get("neverStart")):
        return False
    return now >= max(job["queued"] + control.get("startDelayMs", 0), job.get("notBefore", 0))


def hosts_for(job, live, control):
    """Free nodes for the job, or None while there are too few."""
    taken = {host for other in live if other["state"] in ("running", "ending") for host in other.get("hosts", [])}
    taken.update(job.get("exclude", []))
    free = [name for name in ("nid%05d" % n for n in range(1, control.get("nodes", 1000) + 1)) if name not in taken]
    return free[: job["nodes"]] if len(free) >= job["nodes"] else None


def environment(job, hosts):
    """Fills in what is known only now: `@HOSTS@` and `@STARTS@` in the environment, and the node file."""
    tasks = job.get("tasksPerNode", 1)
    if "nodeFile" in job:
        with open(job["nodeFile"], "w") as file:
            file.write("".join((host + "\n") * tasks for host in hosts))
    known = (("@HOSTS@", " ".join(hosts)), ("@STARTS@", str(job["starts"])))
    env = {}
    for key, value in job["env"].items():
        for mark, text in known:
            value = value.replace(mark, text)
        env[key] = value
    return env


def release(job):
    for path in [job.get("nodeFile"), job.get("script")]:
        if path:
            try:
                os.unlink(path)
            except OSError:
                pass
