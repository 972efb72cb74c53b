"""Limits and watches a process's memory, and says afterwards whether it ran out (FAULTS.md W2)."""
import re

from .cgroup import make_cgroup, own_oom_kills, read

#: a worker itself needs this much, so no lower limit is enforced
LEAST_MB = 64
#: as a runtime, and a shell in it, hand on that SIGKILL ended what ran: with a limit of memory that is nearly always the limit
KILLED_CODE = 137
RESIDENT = re.compile(r"^VmRSS:\s+(\d+) kB", re.MULTILINE)
PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


class MemoryGuard:
    """
    Guards one worker or command; a limit of 0 means none of its own. `name` is that of its cgroup. `by_runtime`: the runtime of its
    container enforces the limit.
    """

    def __init__(self, name, limit_mb, oom, by_runtime=False):
        self.limit_mb, self.oom, self.by_runtime = limit_mb, oom, by_runtime
        self.cgroup = make_cgroup(name, max(limit_mb, LEAST_MB) if limit_mb else 0)
        self.seen_mb, self.pid = None, None

    def exceeded(self):
        """Looks at the process; returns whether it is above its limit."""
        if self.pid is None or self.limit_mb == 0:
            return False
        found = PEAK.search(read("/proc/%d/status" % self.pid))
        if found:
            self.seen_mb = int(found.group(1)) / 1024
        return self.seen_mb is not None and self.seen_mb > max(self.limit_mb, LEAST_MB)

    @property
    def peak_mb(self):
        peak = self.cgroup.peak_mb() if self.cgroup else None
        return self.seen_mb if peak is None else peak

    def ran_out(self, status):
        """Whether the kernel says so of a process that ended with `status`."""
        # A shell lives on when its child is killed, and ends with an exit code.
        in_own = status != 0 and self.cgroup is not None and self.cgroup.out_of_memory()
        in_container = self.by_runtime and self.limit_mb > 0 and status == KILLED_CODE
        return in_own or in_container or (status == -9 and self.oom.grew())

    def release(self):
        if self.cgroup:
            self.cgroup.remove()


def resident_mb():
    """How much memory this process has; 0 when it cannot be read: no heartbeat may fail for it."""
    found = RESIDENT.search(read("/proc/self/status"))
    return round(int(found.group(1)) / 1024) if found else 0


class OomCount:
    """What the kernel killed in the cgroup that this process and its workers share: a batch job's, a container's."""

    def __init__(self):
        self.last = own_oom_kills()

    def sample(self):
        self.last = own_oom_kills()

    def grew(self):
        """Whether it has grown since the last sample."""
        return own_oom_kills() > self.last
