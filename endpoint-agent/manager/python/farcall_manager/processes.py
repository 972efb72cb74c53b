"""Child processes in groups of their own, their ends, and the pipes to and from them."""
import os
import signal
import subprocess

#: descriptors of a worker beside stdio
TASKS_FD, RESULTS_FD, PERMITS_FD = 3, 4, 5


class Children:
    """Calls back at the end of each child with its status, negative for a signal."""

    def __init__(self, loop):
        self.watched = {}
        loop.add_signal_handler(signal.SIGCHLD, self.look)

    def watch(self, process, done):
        self.watched[process.pid] = (process, done)

    def look(self):
        for process, done in list(self.watched.values()):
            status = process.poll()
            if status is not None:
                del self.watched[process.pid]
                done(status)


def reserve_descriptors():
    """Takes the numbers that workers get, so that nothing of this process is on them when a worker is forked."""
    while True:
        fd = os.open(os.devnull, os.O_RDONLY)
        if fd > PERMITS_FD:
            os.close(fd)
            return


def start_process(argv, options):
    """
    Starts a process in a session of its own, with stdout and stderr as pipes. `options`: cwd, env, cores to stay on, cgroup to be in, and
    `fds`, which it gets as descriptors 3 and up.
    """
    fds, cores, cgroup = options.get("fds", ()), options.get("cores", ()), options.get("cgroup")

    def before_exec():
        # Before it starts anything.
        if cgroup:
            cgroup.join()
        if cores:
            os.sched_setaffinity(0, cores)
        for number, fd in enumerate(fds, TASKS_FD):
            os.dup2(fd, number)

    process = _popen(
        argv, cwd=options["cwd"], env=options["env"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        bufsize=0, start_new_session=True, preexec_fn=before_exec if fds or cores or cgroup else None,
        pass_fds=tuple(range(TASKS_FD, TASKS_FD + len(fds))),
    )
    for stream in (process.stdout, process.stderr):
        os.set_blocking(stream.fileno(), False)
    return process


def _popen(argv, **options):
    try:
        return subprocess.Popen(argv, **options)
    except subprocess.SubprocessError as error:
        # What went wrong in the child before its exec.
        raise OSError(str(error))


def signal_group(pid, number):
    """That it is gone already is no error."""
    try:
        os.killpg(pid, number)
    except OSError:
        pass


class Source:
    """Reads a descriptor as data comes; `on_end` is called once, when nothing more comes. Closes what it reads."""

    def __init__(self, loop, file, on_data, on_end):
        self.loop, self.file, self.on_data, self.on_end = loop, file, on_data, on_end
        self.fd, self.open = file.fileno(), True
        loop.add_reader(self.fd, self.read)

    def read(self):
        try:
            data = os.read(self.fd, 65536)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if data:
            self.on_data(data)
        else:
            self.end()

    def end(self):
        if not self.open:
            return
        self.open = False
        self.loop.remove_reader(self.fd)
        self.file.close()
        self.on_end()


class Sink:
    """Writes to a socket what it takes, and keeps the rest."""

    def __init__(self, loop, sock):
        self.loop, self.sock, self.pending = loop, sock, bytearray()
        self.open, self.waiting, self.ending = True, False, False

    def write(self, data):
        if not self.open:
            return
        self.pending += data
        self.flush()

    def flush(self):
        while self.open and self.pending:
            try:
                sent = self.sock.send(memoryview(self.pending)[:262144])
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                self.close()  # the worker's end is seen elsewhere
                return
            del self.pending[:sent]
        if self.pending and not self.waiting:
            self.waiting = True
            self.loop.add_writer(self.sock.fileno(), self.flush)
        elif not self.pending and self.waiting:
            self.waiting = False
            self.loop.remove_writer(self.sock.fileno())
        if self.ending and not self.pending:
            self.close()

    def finish(self):
        """Closes it after what is pending."""
        self.ending = True
        self.flush()

    def close(self):
        if not self.open:
            return
        self.open = False
        if self.waiting:
            self.loop.remove_writer(self.sock.fileno())
        self.pending = bytearray()
        try:
            self.sock.shutdown(1)
        except OSError:
            pass
