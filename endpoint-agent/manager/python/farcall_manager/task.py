"""A task while it is with this manager, and how it ended here."""


class SpecInfo:
    """What the tasks of one spec have in common."""

    def __init__(self, spec, fn, resources, cores_env):
        self.spec, self.fn, self.resources, self.cores_env = spec, fn, resources, cores_env
        self.at_most_once = spec.get("delivery") == "at-most-once"
        self.timeout_ms = spec.get("timeoutMs") or float("inf")
        self.queue = None  # where its tasks wait; known once the function's runtime is


class Task:
    def __init__(self, entry, info, body, arrived_at):
        self.id, self.lease, self.attempt, self.info = entry["id"], entry["lease"], entry["attempt"], info
        self.encoding, self.hosts = entry.get("encoding"), entry.get("hosts")
        self.body = body  # the inline arguments
        self.blob, self.file = entry.get("blob"), None  # of arguments above the inline limit
        self.n = 0  # its number at the worker that holds it; 0 while it waits
        self.started_at = 0.0  # when it became the first of its worker
        self.start_reported = self.start_committed = self.dropped = False
        self.arrived_at = arrived_at


class End:
    """How a task ended: `outcome` is succeeded, failed, returned or lost."""

    def __init__(self, outcome, started, failure=None, **more):
        self.outcome, self.started, self.failure = outcome, started, failure
        self.ran_ms, self.worker = more.get("ran_ms"), more.get("worker")
        self.encoding, self.data, self.file = more.get("encoding"), more.get("data"), None
        self.stdout, self.stderr = more.get("stdout"), more.get("stderr")


def returned():
    """The end of a task that was never started."""
    return End("returned", False)


def not_started(code, message, **more):
    """The end of a task that cannot be started."""
    return End("failed", False, dict({"code": code, "message": message}, **more))
