"""Starts a worker process and speaks its frames (docs/frames.md); knows nothing of tasks' owners or queues."""
import binascii
import os
import shutil
import signal
import socket
import stat

from .constants import BLOB_LIMIT_BYTES, INLINE_LIMIT_BYTES
from .frames import BadFrame, FrameReader, encode_frame
from .named_pipes import named_pipes
from .output import MarkedStream
from .permits import Permits
from .private import make_private
from .processes import Sink, Source, signal_group, start_process

#: how long what a dead worker wrote is waited for; only a descendant that left its group holds the pipes open
DRAIN_S = 0.3
#: a process that ends closes its descriptors before its end is seen
CLOSED_S = 0.5
#: the client of a daemon ends when the daemon has taken the container away
CLIENT_CLOSED_S = 20
MAX_FRAME_BYTES = INLINE_LIMIT_BYTES + 256 * 1024


class WorkerProcess:
    """
    `events` has on_frame(header, body), on_garbage(what), on_output(stream, data) and on_exit(status), the last once all that it wrote
    has come. Raises OSError when it cannot be started. With `by_name` in its options it inherits no descriptors, and finds named pipes in
    its directory, which is its last argument.
    """

    def __init__(self, node, options, events):
        self.node, self.events = node, events
        self.loop, self.dir, self.uploads = node.loop, options["dir"], node.uploads
        for part in ("", "cwd", "tmp", "out"):
            make_private(os.path.join(self.dir, part) if part else self.dir)
        self.token = os.urandom(16).hex()
        mark = b"\0" + binascii.hexlify(os.urandom(12)) + b":"
        self.exited, self.status, self.gone = False, None, False
        by_name = options["by_name"]
        self.permits = Permits(os.path.join(self.dir, "permits"), kept=by_name)
        tasks, tasks_child, self.results, results_child = self.ways(by_name)
        #: the worker's ends
        self.passed = (tasks_child, results_child)
        env = dict(options["env"], TMPDIR=os.path.join(self.dir, "tmp"))
        passed = () if by_name else (tasks_child.fileno(), results_child.fileno(), self.permits.child_fd)
        try:
            self.process = start_process(
                options["argv"], {"cwd": os.path.join(self.dir, "cwd"), "env": env, "fds": passed, "cores": options["cores"], "cgroup": options["cgroup"]},
            )
        except Exception:
            tasks.close()
            self.results.close()
            self.permits.close()
            self.close_passed()
            raise
        finally:
            if not by_name:
                self.close_passed()
            self.permits.passed()
        self.pid = self.process.pid
        for sock in (tasks, self.results):
            sock.setblocking(False)
        self.tasks = Sink(self.loop, tasks)
        self.reader, self.garbage = FrameReader(MAX_FRAME_BYTES), False
        self.outputs = {
            name: MarkedStream(self.loop, mark, node.limits, lambda data, name=name: events.on_output(name, data)) for name in ("stdout", "stderr")
        }
        closed = lambda: self.loop.call_later(CLIENT_CLOSED_S if by_name else CLOSED_S, self.closed_early)  # noqa: E731
        self.open = {
            "results": Source(self.loop, self.results, self.on_results, lambda: (closed(), self.on_end("results"))),
            "stdout": Source(self.loop, self.process.stdout, self.outputs["stdout"].push, lambda: self.on_end("stdout")),
            "stderr": Source(self.loop, self.process.stderr, self.outputs["stderr"].push, lambda: self.on_end("stderr")),
        }
        # Nothing comes that way but its end, and by a pipe not even that.
        self.tasks_end = None if by_name else Source(self.loop, tasks, lambda _data: None, lambda: (self.tasks.close(), closed()))
        node.children.watch(self.process, self.on_status)
        setup = {"kind": "setup", "token": self.token, "mark": mark.decode("ascii"), "dir": os.path.join(self.dir, "out")}
        self.send(dict(setup, inlineLimit=INLINE_LIMIT_BYTES, blobLimit=BLOB_LIMIT_BYTES))

    def ways(self, by_name):
        """Two pairs, or none and no permits either."""
        made = []
        try:
            if by_name:
                return named_pipes(self.dir)
            for _ in range(2):
                made.extend(socket.socketpair())
        except OSError:
            for sock in made:
                sock.close()
            self.permits.passed()
            self.permits.close()
            raise
        return made

    def close_passed(self):
        """The worker has them, or never will."""
        for end in self.passed:
            end.close()

    def send(self, header, chunks=()):
        self.tasks.write(encode_frame(header, chunks))

    def signal(self, number):
        """Signals the whole process group."""
        # Its number may belong to another process later.
        if not self.exited:
            signal_group(self.pid, number)

    def finish(self):
        """Lets it end by itself: no more tasks will come."""
        # Whichever of the two it waits for has ended.
        self.permits.close()
        self.tasks.finish()

    def take_file(self, n):
        """Moves the large result of task `n` away from the worker; returns its new path."""
        path = os.path.join(self.dir, "out", "result-%d" % n)
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise OSError("what the worker left as its result is no file")
        target = os.path.join(self.uploads, "%s-%d" % (os.path.basename(self.dir), n))
        os.rename(path, target)
        return target

    def on_results(self, data):
        self.close_passed()
        if self.garbage:
            return
        try:
            frames = self.reader.push(data)
        except BadFrame as error:
            self.garbage = True
            self.events.on_garbage(str(error))
            return
        for header, body in frames:
            self.events.on_frame(header, body)

    def closed_early(self):
        if not self.exited:
            self.events.on_garbage("it closed the way to its manager")

    def on_status(self, status):
        self.exited, self.status = True, status
        self.close_passed()
        # Children that it left in its group hold the pipes; they go with it.
        signal_group(self.pid, signal.SIGKILL)
        self.loop.call_later(DRAIN_S, self.finish_exit)
        self.on_end(None)

    def on_end(self, name):
        self.open.pop(name, None)
        if self.exited and not self.open:
            self.finish_exit()

    def finish_exit(self):
        if self.gone:
            return
        self.gone = True
        for source in list(self.open.values()) + ([self.tasks_end] if self.tasks_end else []):
            source.end()
        self.tasks.close()
        # The listener reads which permits are left, so the pipe closes after it.
        try:
            self.events.on_exit(self.status)
        finally:
            self.permits.close()
        # What cannot be removed now goes with the manager's directory.
        shutil.rmtree(self.dir, ignore_errors=True)
