"""Watches a process's memory and says afterwards whether it ran out (FAULTS.md W2). Without cgroups: sites this old delegate none."""
import re

#: a worker itself needs this much, so no lower limit is enforced
LEAST_MB = 64
PEAK = re.compile(rb"^VmHWM:\s+(\d+) kB", re.MULTILINE)


class MemoryGuard:
    """Guards one worker or command; a limit of 0 means none of its own."""

    def __init__(self, limit_mb):
        self.limit_mb, self.peak_mb, self.pid = limit_mb, None, None

    def exceeded(self):
        """Looks at the process; returns whether it is above its limit."""
        if self.pid is None or self.limit_mb == 0:
            return False
        try:
            with open("/proc/%d/status" % self.pid, "rb") as file:
                found = PEAK.search(file.read())
        except OSError:
            return False
        if found:
            self.peak_mb = int(found.group(1)) / 1024
        return self.peak_mb is not None and self.peak_mb > max(self.limit_mb, LEAST_MB)
