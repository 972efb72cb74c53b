"""The pipe of permits of one worker: who reads a permit has the task."""
import os
import struct

PERMIT_BYTES = 4


class Permits:
    """Opened twice, so that neither side can change how the other reads. `path` exists only for a moment, unless it is to be `kept`."""

    def __init__(self, path, kept=False):
        os.mkfifo(path, 0o600)
        fds = []
        try:
            for access in (os.O_RDWR, os.O_RDONLY):
                fds.append(os.open(path, access | os.O_NONBLOCK))
        except OSError:
            for fd in fds:
                os.close(fd)
            raise
        finally:
            if not kept:
                os.unlink(path)
        self.fd, self.child_fd = fds
        self.open = True

    def passed(self):
        """The process has its end."""
        os.close(self.child_fd)

    def grant(self, numbers):
        """Lets the worker start the tasks of these numbers; says no where user code has filled the pipe."""
        try:
            # Within PIPE_BUF, so it is written whole or not at all.
            os.write(self.fd, struct.pack(">%dI" % len(numbers), *numbers))
            return True
        except BlockingIOError:
            return False

    def take_back(self):
        """Takes every permit back that the worker has not read; returns their numbers."""
        if not self.open:
            return []
        try:
            data = os.read(self.fd, PERMIT_BYTES * 1024)
        except BlockingIOError:
            return []
        return list(struct.unpack(">%dI" % (len(data) // PERMIT_BYTES), data[:len(data) // PERMIT_BYTES * PERMIT_BYTES]))

    def close(self):
        if self.open:
            os.close(self.fd)
        self.open = False
