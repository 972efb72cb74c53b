"""A worker's descriptors beside the user's stdio: tasks in, results out, permits to start."""
import fcntl
import os

#: as the manager passes them
PASSED = (3, 4, 5)


def open_channel(arguments):
    """Takes the descriptors that the manager passed, or its named pipes in the directory that it named where it could pass none."""
    return [_out_of_reach(fd) for fd in (_opened(arguments[0]) if arguments else PASSED)]


def _opened(directory):
    """The named pipes. A manager that is gone is not waited for."""
    accesses = (("tasks", os.O_RDONLY), ("results", os.O_WRONLY), ("permits", os.O_RDONLY))
    tasks, results, permits = [os.open(os.path.join(directory, name), access | os.O_NONBLOCK) for name, access in accesses]
    os.set_blocking(tasks, True)
    os.set_blocking(results, True)
    return tasks, results, permits


def _out_of_reach(fd):
    """Moves a descriptor to where nobody looks by chance; programs that close or write to low numbers are not rare."""
    try:
        moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 512 + int.from_bytes(os.urandom(1), "big"))
    except OSError:
        os.set_inheritable(fd, False)
        return fd
    os.close(fd)
    return moved
