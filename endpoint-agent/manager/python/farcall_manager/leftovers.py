"""
Finds what user code left running (FAULTS.md W6): by its cgroup where the worker has one, by a variable in its environment, and as descendants of
a worker that still runs. Where there is no cgroup, a process that left its session, cleared its environment and whose parents have
ended is not found.
"""
import os
import signal
import time

from .cgroup import members, remove_cgroups
from .constants import WORKER_ENV
from .exhaustion import is_exhausted

#: how long searches are gathered: one look at /proc serves them all
GATHER_S = 0.1
#: what was killed may wait in the kernel, for a file server that is dead (FAULTS.md A10): it is looked at less and less often
GATHER_MAX_S = 30.0
END_TRIES = 20
END_WAIT_S = 0.01
VARIABLE = (WORKER_ENV + "=").encode("ascii")


def cgroup_name(prefix):
    """The name of a worker's or command's cgroup, as `<nonce>/<worker>\\0`, or how those of a manager begin, as `<nonce>/`."""
    return "farcall-" + prefix.replace("/", "-").replace("\0", ".w")


def find_by_worker(prefixes, ancestor=None):
    """(pid, parent, session) of processes whose environment names a worker beginning with one of `prefixes`, and what descends from `ancestor`."""
    found, others = [], []
    inside = {pid for prefix in prefixes for pid in members(cgroup_name(prefix))}
    wanted = [VARIABLE + prefix.encode("utf-8") for prefix in prefixes]
    for pid in process_ids():
        ours = pid in inside or _names_worker(pid, wanted)
        if not ours and ancestor is None:
            continue
        info = _info_of(pid)
        if info is not None:
            (found if ours else others).append(info)
    return found if ancestor is None else _with_descendants(found, others, ancestor)


def process_ids():
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError as error:
        if is_exhausted(error):
            raise
        return []


def _names_worker(pid, wanted):
    try:
        with open("/proc/%d/environ" % pid, "rb") as file:
            environment = file.read()
    except OSError as error:
        if is_exhausted(error):
            raise  # not seen is not dead
        return False  # it ended while it was looked at, or belongs to somebody else
    at = environment.find(VARIABLE)
    return at >= 0 and any(environment.startswith(text, at) for text in wanted)


def _info_of(pid):
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            stat = file.read().decode("latin-1")
    except OSError as error:
        if is_exhausted(error):
            raise
        return None
    fields = stat[stat.rindex(")") + 2:].split(" ")
    return None if fields[0] == "Z" else (pid, int(fields[1]), int(fields[3]))


def _with_descendants(found, others, ancestor):
    every = list(found)
    known = {ancestor}.union(pid for pid, _, _ in found)
    before = -1
    while before != len(every):
        before = len(every)
        for info in others:
            if info[0] not in known and info[1] in known:
                known.add(info[0])
                every.append(info)
    return every


def left_behind(found, worker, client=None):
    """
    Which of a live worker's processes it left behind: those outside its session or no longer descended from it. `client` has started its
    container and waits for it, in a session of its own.
    """
    parents = {pid: parent for pid, parent, _ in found}

    def descends(pid):
        while pid is not None and pid != worker:
            pid = parents.get(pid)
        return pid == worker

    return [pid for pid, _, session in found if pid != worker and session != client and (session != worker or not descends(pid))]


def kill_leftovers(prefixes):
    """Kills every process of the prefixes, until none is left that could have forked meanwhile."""
    killed = 0
    for _ in range(5):
        pids = [pid for pid, _, _ in find_by_worker(prefixes) if pid != os.getpid()]
        if not pids:
            break
        killed += sum(map(_kill, pids))
    return killed


def kill_all(prefix):
    """Kills everything of a manager that ends, and waits the moment that it takes."""
    for _ in range(END_TRIES):
        killed = _attempt(lambda: kill_leftovers([prefix]))
        if remove_cgroups(cgroup_name(prefix)) and killed == 0:
            return
        time.sleep(END_WAIT_S)


def _attempt(search):
    """None where there is no descriptor to look with."""
    try:
        return search()
    except OSError as error:
        if not is_exhausted(error):
            raise
        return None


def _kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
        return 1
    except OSError:
        return 0


class Sweeper:
    """At once where the worker goes on and its next task must not be mistaken for the last one; soon where it has ended."""

    def __init__(self, loop, nonce, on_killed):
        self.loop, self.nonce, self.on_killed = loop, nonce, on_killed
        self.ended = []
        self.waited = {}  # of those that were looked for already, how long ago

    def search(self, name, worker=None, client=None):
        prefix = "%s/%s\0" % (self.nonce, name)
        if worker is not None:
            killed = _attempt(lambda: sum(map(_kill, left_behind(find_by_worker([prefix], worker), worker, client))))
            if killed:
                self.on_killed(killed)
            return
        self.gather(prefix)

    def gather(self, prefix):
        self.ended.append(prefix)
        if len(self.ended) == 1:
            self.loop.call_later(GATHER_S, self.sweep)

    def sweep(self):
        names, self.ended = self.ended, []
        killed = _attempt(lambda: kill_leftovers(names))
        if killed == 0:
            for name in names:
                self.waited.pop(name, None)
                remove_cgroups(cgroup_name(name))
            return
        if killed is not None:
            self.on_killed(killed)
        # What is killed may need a moment to be gone, and its cgroup stays until then.
        for name in names:
            wait = self.waited[name] = min(GATHER_MAX_S, 2 * self.waited.get(name, GATHER_S / 2))
            self.loop.call_later(wait, self.gather, name)
