"""What time makes necessary: starts to report, tasks to take back, timeouts, memory (PROTOCOL.md rule 10, FAULTS.md W2, W4)."""
from .clock import now_ms
from .placement import LONG_MS

#: a task that runs this long is reported as started
START_REPORT_MS = 50
TICK_S = 0.025
MEMORY_EVERY = 8
#: a machine under load may keep a worker from a processor for a while
DEAF_MS = 3000
#: a result on its way is read many rounds before
THEFT_ROUNDS = 40


class Ticker:
    """A timer that runs only while there is something to watch."""

    def __init__(self, engine):
        self.engine, self.timer, self.stopped, self.round = engine, None, False, 0

    def wake(self):
        if not self.stopped and self.timer is None:
            self.timer = self.engine.loop.call_later(TICK_S, self.tick)

    def stop(self):
        self.stopped = True
        if self.timer is not None:
            self.timer.cancel()

    def tick(self):
        self.timer = None
        self.round += 1
        engine = self.engine
        for worker in list(engine.pool.workers):
            self.watch_worker(worker)
        for run in list(engine.commands.runs.values()):
            if run.started:
                self.watch(run.task, run, lambda reason, run=run: engine.commands.kill(run.task, reason))
        if self.round % MEMORY_EVERY == 0:
            engine.pool.node.oom.sample()
            # The note of a child's end is lost where signals come faster than they are read.
            engine.pool.node.children.look()
        engine.schedule()
        if engine.resources.busy > 0 or len(engine.queues) > 0:
            self.wake()

    def watch(self, task, place, kill):
        ran = now_ms() - task.started_at
        if ran < START_REPORT_MS and ran < task.info.timeout_ms:
            return
        if not task.start_reported and not task.info.at_most_once:
            task.start_reported = True
            self.engine.ask_start(task, place.name)
        if ran >= task.info.timeout_ms:
            kill({"kind": "timeout", "timeoutMs": task.info.timeout_ms})
        elif self.round % MEMORY_EVERY == 0 and place.memory.exceeded():
            kill({"kind": "memory"})

    def watch_worker(self, worker):
        if not worker.tasks:
            return
        task, pool = worker.tasks[0], self.engine.pool
        self.watch(task, worker, lambda reason: pool.kill(worker, reason))
        if now_ms() - task.started_at <= LONG_MS:
            return
        back = worker.take_back()
        if task in back:
            self.watch_deaf(worker)
        else:
            worker.deaf_since = None
            self.watch_thief(worker, task)
        if back:
            self.engine.on_unstarted(back)

    def watch_thief(self, worker, task):
        """What waits behind a running task can be taken back, unless user code reads the permits itself (FAULTS.md W10)."""
        if len(worker.tasks) == 1:
            worker.theft = None
            return
        seen, rounds = worker.theft or (None, 0)
        worker.theft = (task, rounds + 1 if seen is task else 1)
        if worker.theft[1] > THEFT_ROUNDS:
            self.engine.pool.kill(worker, {"kind": "forged", "what": "it took the permits of tasks that wait behind it"}, 0)

    def watch_deaf(self, worker):
        """It has nothing to do and takes nothing up: what ended before goes on in secret."""
        now = now_ms()
        if worker.deaf_since is None:
            worker.deaf_since = now
        if now - worker.deaf_since > DEAF_MS:
            why = "its worker took no task up for %d ms" % DEAF_MS
            self.engine.pool.kill(worker, {"kind": "stop", "why": why}, 0)
