"""Clocks in milliseconds, and what tells one process from another that later got the same pid."""
import os
import time

CLOCK_BOOTTIME = 7  # time.CLOCK_BOOTTIME came with Python 3.7


def uptime_ms():
    """On a clock that counts a suspended host's sleep, as deadlines must."""
    try:
        return time.clock_gettime(CLOCK_BOOTTIME) * 1000
    except OSError:
        with open("/proc/uptime") as file:
            return float(file.read().split()[0]) * 1000


def now_ms():
    """On a monotonic clock, for ages of less than a minute."""
    return time.monotonic() * 1000


def boot_id():
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return "unknown"


def start_time_of(pid):
    """The kernel's start time of a process, or None when there is none of that pid (a zombie counts as none)."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            stat = file.read().decode("latin-1")
    except OSError:
        return None
    # The second field is the command in parentheses and may hold anything; fields are counted after its end.
    fields = stat[stat.rindex(")") + 2:].split(" ")
    return None if fields[0] in "ZX" else fields[19]


def own_start_time():
    return start_time_of(os.getpid()) or "unknown"
