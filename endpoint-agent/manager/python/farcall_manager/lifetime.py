"""How a manager ends: drained, terminated from outside, or stopped at once."""
import signal

from .clock import now_ms

LOOK_S = 0.05
#: Slurm sends SIGKILL 30 s after SIGTERM
TERMINATE_MS = 20000
#: results are not waited for longer than this when the node goes away
TAKEN_MS = 5000


class Lifetime:
    """`on_end(reason, exit code)` is called once; `on_drain()` when nothing new is started from now on."""

    def __init__(self, loop, grace_ms, on_drain, on_end):
        self.loop, self.grace_ms, self.on_drain, self.on_end = loop, grace_ms, on_drain, on_end
        self.engine = None
        self.ended = self.draining = False
        self.give_up_at = float("inf")

    def stop(self, reason, exit_code):
        """Kills everything and ends."""
        if self.ended:
            return
        self.ended = True
        self.engine.ticker.stop()
        for worker in self.engine.pool.workers:
            worker.process.signal(signal.SIGKILL)
        self.on_end(reason, exit_code)

    def drain(self, reason):
        """Starts nothing more; ends when what runs has ended and every result is taken."""
        if self.draining:
            return
        self.draining = True
        self.engine.drain()
        self.on_drain()
        self.engine.schedule()
        self.look(reason)

    def look(self, reason):
        engine = self.engine
        quiet = not engine.intake.tasks and engine.blobs_out.pending() == 0 and engine.outbox.empty()
        if quiet or engine.deadline.passed() or now_ms() > self.give_up_at:
            self.stop(reason, 0)
        else:
            self.loop.call_later(LOOK_S, self.look, reason)

    def terminate(self, name):
        """The node is being taken away: what still runs after a grace is killed, and given back."""
        if self.give_up_at != float("inf"):
            return
        self.give_up_at = now_ms() + TERMINATE_MS + self.grace_ms + TAKEN_MS
        reason = "ended by " + name
        self.engine.taken_away = True
        self.drain(reason)
        self.loop.call_later(TERMINATE_MS / 1000, self.kill_running, reason)

    def kill_running(self, why):
        reason = {"kind": "stop", "why": why}
        for worker in list(self.engine.pool.workers):
            if worker.tasks:
                self.engine.pool.kill(worker, reason, self.grace_ms)
        for run in list(self.engine.commands.runs.values()):
            self.engine.commands.kill(run.task, reason, self.grace_ms)
