"""
Watches a process's memory and says afterwards whether it ran out (FAULTS.md W2). It makes no cgroups, as sites this old delegate none; what
the kernel counts in the cgroup of the whole job is believed.
"""
import os
import re

#: a worker itself needs this much, so no lower limit is enforced
LEAST_MB = 64
ROOT = "/sys/fs/cgroup"
PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)
KILLS = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


class MemoryGuard:
    """Guards one worker or command; a limit of 0 means none of its own."""

    def __init__(self, limit_mb, oom):
        self.limit_mb, self.oom = limit_mb, oom
        self.peak_mb, self.pid = None, None

    def exceeded(self):
        """Looks at the process; returns whether it is above its limit."""
        if self.pid is None or self.limit_mb == 0:
            return False
        found = PEAK.search(_read("/proc/%d/status" % self.pid))
        if found:
            self.peak_mb = int(found.group(1)) / 1024
        return self.peak_mb is not None and self.peak_mb > max(self.limit_mb, LEAST_MB)


class OomCount:
    """The kernel's count of processes that were killed because memory ran out, in the cgroup that this process and its workers share."""

    def __init__(self):
        self.last = own_oom_kills()

    def sample(self):
        self.last = own_oom_kills()

    def grew(self):
        """Whether it has grown since the last sample."""
        return own_oom_kills() > self.last


def own_oom_kills():
    own = _read("/proc/self/cgroup")
    places = []
    version_1 = re.search(r"^\d+:[^:]*\bmemory\b[^:]*:/?(.*)$", own, re.MULTILINE)
    if version_1:
        places += [os.path.join(ROOT, "memory", path, "memory.oom_control") for path in (version_1.group(1), "")]
    version_2 = re.search(r"^0::/?(.*)$", own, re.MULTILINE)
    if version_2:
        places.append(os.path.join(ROOT, version_2.group(1), "memory.events.local"))
    for place in places:
        found = KILLS.search(_read(place))
        if found:
            return int(found.group(1))
    return 0


def _read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""
