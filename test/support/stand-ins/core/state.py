"""The state directory of a stand-in: settings, control, job table, calls. The files are the truth; a lock guards changes."""
import fcntl
import json
import os
import time


def now_ms():
    return int(time.time() * 1000)


def write_json(path, value):
    """Replaces the file as a whole: a reader never sees half of it."""
    temporary = "%s.%d" % (path, os.getpid())
    with open(temporary, "w") as file:
        json.dump(value, file)
    os.rename(temporary, path)


def read_json(path, default):
    try:
        with open(path) as file:
            return json.load(file)
    except FileNotFoundError:
        return default


class Lock:
    def __init__(self, path):
        self.path = path

    def __enter__(self):
        self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self.fd, fcntl.LOCK_EX)
        return self

    def __exit__(self, *_):
        os.close(self.fd)


class State:
    def __init__(self, directory):
        self.directory = directory
        self.settings = read_json(self.path("settings.json"), {})

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def lock(self):
        return Lock(self.path("lock"))

    def control(self):
        """What the test wants: see README.md. Written by the test alone, read anew at every turn."""
        return read_json(self.path("control.json"), {})

    # --- the job table: live jobs in jobs/, ended ones in done/ until they are purged

    def live(self):
        return self._read("jobs")

    def all(self):
        """Every job that has not been purged, in the order of submission."""
        keep_ms = self.control().get("keepMs", self.settings.get("keepMs", 300_000))
        jobs = self.live()
        seen = {job["n"] for job in jobs}
        for job in self._read("done"):
            if job["n"] in seen:
                continue
            if now_ms() - job["ended"] > keep_ms:
                self._remove("done", job["n"])
            else:
                jobs.append(job)
        return sorted(jobs, key=lambda job: job["n"])

    def write(self, job):
        write_json(self.path("done" if job["state"] == "done" else "jobs", str(job["n"])), job)
        if job["state"] == "done":
            self._remove("jobs", job["n"])

    def next_number(self):
        """Call it with the lock held."""
        number = read_json(self.path("sequence"), self.settings.get("firstNumber", 1))
        write_json(self.path("sequence"), number + 1)
        return number

    def _read(self, folder):
        jobs = []
        for name in os.listdir(self.path(folder)):
            if not name.isdigit():
                continue
            job = read_json(self.path(folder, name), None)
            if job is not None:
                jobs.append(job)
        return sorted(jobs, key=lambda job: job["n"])

    def _remove(self, folder, number):
        try:
            os.unlink(self.path(folder, str(number)))
        except FileNotFoundError:
            pass
