"""The manager's side of its watchdog: started first, told of every process group, replaced when it dies."""
import os
import subprocess
import sys

from .clock import own_start_time
from .environment import scrubbed_env

RESTART_S = 0.1


class WatchdogClient:
    """`prefix` finds what user code left running; `directory` is removed by the watchdog when the manager did not."""

    def __init__(self, children, loop, options):
        self.children, self.loop = children, loop
        self.prefix, self.directory, self.deadline_at, self.term_before_ms = options
        self.groups, self.stopped, self.process = set(), False, None
        self.start()

    def start(self):
        if self.stopped:
            return
        own = os.path.abspath(sys.argv[0])
        arguments = [str(os.getpid()), own_start_time(), self.prefix, self.directory, str(self.term_before_ms)]
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-S", own, "watchdog"] + arguments,
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, bufsize=0, env=scrubbed_env(os.environ, {}), start_new_session=True,
            )
        except OSError:
            self.loop.call_later(RESTART_S, self.start)
            return
        os.set_blocking(self.process.stdin.fileno(), False)
        # Without it nothing enforces the deadline, so there is always one.
        self.children.watch(self.process, lambda _status: self.loop.call_later(RESTART_S, self.start))
        self.say("d %r" % self.deadline_at)
        for pid in self.groups:
            self.say("+ %d" % pid)

    def say(self, line):
        data = line.encode("ascii") + b"\n"
        try:
            if self.process.stdin.write(data) != len(data):
                self.process.kill()  # it does not listen: somebody has stopped it
        except (OSError, ValueError, AttributeError):
            pass  # it is told everything again when it is replaced

    def deadline(self, at):
        self.deadline_at = at
        self.say("d %r" % at)

    def group(self, pid, alive):
        (self.groups.add if alive else self.groups.discard)(pid)
        self.say("%s %d" % ("+" if alive else "-", pid))

    def stop(self):
        """The manager ends: nothing is left to watch."""
        self.stopped = True
        self.say("q")
