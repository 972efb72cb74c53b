"""A worker's ways for frames as pipes with names: for a runtime of containers that hands no descriptors on."""
import os


class PipeEnd:
    """What is used of a socket, for one end."""

    def __init__(self, fd):
        self.fd = fd

    def fileno(self):
        return self.fd

    def send(self, data):
        return os.write(self.fd, data)

    def setblocking(self, blocking):
        os.set_blocking(self.fd, blocking)

    def shutdown(self, _how):
        self.close()

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1


def named_pipes(directory):
    """
    Makes `tasks` and `results`; returns both ends of each, the manager's first. Nothing here waits for a worker, which may never come: its
    ends are held until it has its own, so that none seems closed.
    """
    ends = []
    try:
        for name in ("tasks", "results"):
            path = os.path.join(directory, name)
            os.mkfifo(path, 0o600)
            # A reader first: a writer without one is refused.
            for access in (os.O_RDONLY, os.O_WRONLY):
                ends.append(PipeEnd(os.open(path, access | os.O_NONBLOCK)))
    except OSError:
        for end in ends:
            end.close()
        raise
    tasks_child, tasks, results, results_child = ends
    return tasks, tasks_child, results, results_child
