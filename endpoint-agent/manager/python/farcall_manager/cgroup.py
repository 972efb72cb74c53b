"""
A cgroup of its own for each worker and command, where this process may make one: as root, or where the site delegates it. It limits memory,
and it knows its processes whatever they do to hide.
"""
import collections
import os
import re

ROOT = "/sys/fs/cgroup"
MEGABYTE = 1024 * 1024
#: where version 1 and version 2 keep the same things
Files = collections.namedtuple("Files", "limit swap peak events")
V1 = Files("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.max_usage_in_bytes", "memory.oom_control")
V2 = Files("memory.max", "memory.swap.max", "memory.peak", "memory.events")


class Cgroup:
    """`files` is None without a memory limit."""

    def __init__(self, directory, files):
        self.directory, self.files = directory, files

    def join(self):
        """Puts this very process in; for a child before its exec."""
        write(os.path.join(self.directory, "cgroup.procs"), "0")

    def out_of_memory(self):
        """Whether the kernel killed something in it."""
        if self.files is None:
            return False
        found = re.search(r"^oom_kill (\d+)", read(os.path.join(self.directory, self.files.events)), re.MULTILINE)
        return bool(found) and int(found.group(1)) > 0

    def peak_mb(self):
        text = read(os.path.join(self.directory, self.files.peak)).strip() if self.files else ""
        return int(text) / MEGABYTE if text.isdigit() else None

    def remove(self):
        """Its processes must have ended."""
        remove(self.directory)


def make_cgroup(name, limit_mb):
    """With that limit of memory (0: none), or only to know its processes; None where neither is possible."""
    for parent, files in memory_parents() if limit_mb else ():
        directory = os.path.join(parent, name)
        if not make(directory):
            continue
        if not write(os.path.join(directory, files.limit), str(limit_mb * MEGABYTE)):
            remove(directory)
            continue
        if os.path.exists(os.path.join(directory, files.swap)):
            write(os.path.join(directory, files.swap), str(limit_mb * MEGABYTE) if files is V1 else "0")
        return Cgroup(directory, files)
    for parent in plain_parents():
        if make(os.path.join(parent, name)):
            return Cgroup(os.path.join(parent, name), None)
    return None


def members(prefix):
    """The processes in the cgroups whose names begin so."""
    return [int(pid) for directory in cgroups_of(prefix) for pid in read(os.path.join(directory, "cgroup.procs")).split()]


def remove_cgroups(prefix):
    """Says whether none is left. One stays while a process in it is on its way out."""
    for directory in cgroups_of(prefix):
        remove(directory)
    return not cgroups_of(prefix)


def cgroups_of(prefix):
    parents = set(plain_parents()).union(parent for parent, _ in memory_parents())
    return [os.path.join(parent, name) for parent in parents for name in listing(parent) if name.startswith(prefix)]


def memory_parents():
    """(directory, files) where cgroups with a limit may be made, the nearest first."""
    own = read("/proc/self/cgroup")
    version_1 = re.search(r"^\d+:[^:]*\bmemory\b[^:]*:/?(.*)$", own, re.MULTILINE)
    version_2 = re.search(r"^0::/?(.*)$", own, re.MULTILINE)
    found = [(os.path.join(ROOT, "memory", path), V1) for path in (version_1.group(1), "")] if version_1 else []
    if version_2 and os.path.exists(os.path.join(ROOT, "cgroup.controllers")):
        found.append((os.path.join(ROOT, version_2.group(1)), V2))
    return [(parent, files) for parent, files in found if os.path.isdir(parent)]


def plain_parents():
    """Version 2 has one tree; of version 1's, those that cost a process nothing."""
    own, found = read("/proc/self/cgroup"), []
    for controller in ("pids", "freezer"):
        match = re.search(r"^\d+:[^:]*\b%s\b[^:]*:/?(.*)$" % controller, own, re.MULTILINE)
        if match:
            found += [os.path.join(ROOT, controller, match.group(1)), os.path.join(ROOT, controller)]
    found += [parent for parent, files in memory_parents() if files is V2]
    return [parent for parent in found if os.path.exists(os.path.join(parent, "cgroup.procs"))]


def own_oom_kills():
    """The kernel's count of processes killed for memory in this process's own cgroup, whatever limit was met."""
    for parent, files in memory_parents():
        name = "memory.events.local" if files is V2 else files.events
        found = re.search(r"^oom_kill (\d+)$", read(os.path.join(parent, name)), re.MULTILINE)
        if found:
            return int(found.group(1))
    return 0


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def write(path, text):
    """Says whether it could."""
    try:
        fd = os.open(path, os.O_WRONLY)
    except OSError:
        return False
    try:
        os.write(fd, text.encode("ascii"))
        return True
    except OSError:
        return False
    finally:
        os.close(fd)


def make(path):
    try:
        os.mkdir(path)
        return True
    except OSError:
        return False


def remove(path):
    try:
        os.rmdir(path)
    except OSError:
        pass  # a directory more is not worth a task


def listing(path):
    try:
        return os.listdir(path)
    except OSError:
        return []
