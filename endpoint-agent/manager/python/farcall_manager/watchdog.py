"""
Ends the work of a manager that cannot do it itself (PROTOCOL.md rule 20): at the deadline, also when the manager is stopped, and as soon
as the manager is gone. It reads lines from its stdin, a pipe from the manager:

    d <ms>    the deadline, by the clock that counts suspend      + <pid>   a process group begins      - <pid>   it is gone
    q         the manager has ended everything itself

`watchdog <manager pid> <its start time> <prefix of workers> <directory to remove> <term before ms>`
"""
import os
import select
import shutil
import signal
import time

from .clock import start_time_of, uptime_ms
from .leftovers import kill_all

POLL_S = 0.25
TERM_S = 1.0


class Watchdog:
    def __init__(self, arguments):
        pid, self.start_time, self.prefix, self.directory, term_before = arguments
        self.manager, self.term_before_ms = int(pid), float(term_before)
        self.groups = set()
        self.deadline, self.warned = float("inf"), False
        self.text = b""

    def run(self):
        while True:
            ready, _, _ = select.select([0], [], [], POLL_S)
            if ready:
                data = os.read(0, 65536)
                if not data:
                    self.manager_gone()
                lines = (self.text + data).split(b"\n")
                self.text = lines.pop()
                for line in lines:
                    self.on_line(line.decode("ascii").split(" "))
            self.poll()

    def on_line(self, words):
        kind = words[0]
        if kind == "d":
            self.deadline, self.warned = float(words[1]), False
        elif kind == "+":
            self.groups.add(int(words[1]))
        elif kind == "-":
            self.groups.discard(int(words[1]))
        elif kind == "q":
            os._exit(0)

    def poll(self):
        left = self.deadline - uptime_ms()
        if left <= 0:
            self.end()
        elif left <= self.term_before_ms and not self.warned:
            self.warned = True
            self.signal(signal.SIGTERM)

    def manager_gone(self):
        if self.groups:
            self.signal(signal.SIGTERM)
            time.sleep(TERM_S)
        self.end()

    def end(self):
        self.signal(signal.SIGKILL)
        # The manager too: one that is stopped would otherwise wake up with work that has been given to others.
        if start_time_of(self.manager) == self.start_time:
            _ignoring(os.kill, self.manager, signal.SIGKILL)
        kill_all(self.prefix)
        shutil.rmtree(self.directory, ignore_errors=True)
        os._exit(0)

    def signal(self, number):
        for pid in self.groups:
            _ignoring(os.killpg, pid, number)


def _ignoring(act, *arguments):
    try:
        act(*arguments)
    except OSError:
        pass  # it is gone


def main(arguments):
    # A signal to the whole job must not end the one that cleans up after it.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    Watchdog(arguments[1:]).run()
