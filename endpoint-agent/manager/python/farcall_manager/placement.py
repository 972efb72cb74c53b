"""Which waiting task goes to which worker, and when a worker is started or ended for it."""
from .clock import now_ms
from .hold import hand_over

#: a task that waited this long without fitting keeps later ones from being started before it
STARVED_MS = 1000
#: what a worker holds behind a task of this length is taken back (ticker.py)
LONG_MS = 50
#: modules cannot be unloaded, so a worker that has loaded this many functions is replaced
FUNCTIONS_PER_WORKER = 64


class Placement:
    """Decides over the parts of `engine`; keeps no state but theirs."""

    def __init__(self, engine, max_workers, tasks_per_worker):
        self.engine, self.max_workers, self.tasks_per_worker = engine, max_workers, tasks_per_worker
        self.queues, self.pool, self.commands = engine.queues, engine.pool, engine.commands
        self.resources, self.pinning = engine.resources, engine.pinning

    def place(self):
        """Hands over what fits."""
        now = now_ms()
        for queue in self.queues.waiting():
            if queue.runtime == "command":
                self.place_commands(queue)
            else:
                self.place_queue(queue)
            first = queue.first()
            if first and now - first.arrived_at[0] > STARVED_MS and not self.resources.fits(queue.resources):
                return  # later tasks wait, so that what this one needs becomes free

    def place_commands(self, queue):
        while queue.first() and self.pool.may_start_command() and self.resources.fits(queue.resources):
            pins = self.take_pins(queue)
            if pins is None:
                return
            task = queue.shift()
            self.resources.take(queue.resources)
            name = self.commands.reserve(task, pins)
            if task.info.at_most_once and not task.start_committed:
                self.engine.ask_start(task, name)
            else:
                self.commands.start(task)

    def place_queue(self, queue):
        workers = self.pool.workers
        serving = [worker for worker in workers if worker.queue is queue and worker.state == "ready" and not _slow(worker)]
        free = [worker for worker in workers if _idle(worker) and worker.queue is None and _matches(worker, queue)]
        usable = free[:max(0, self.resources.room(queue.resources))]
        sharers = len(serving) + len(usable)
        for worker in usable:
            if not queue.first():
                return
            worker.key, worker.queue = queue.worker_key, queue
            self.resources.take(queue.resources)
            self.hand_to(worker, queue, sharers)
        for worker in serving:
            if worker.reserved is None and not self.worn(worker):
                self.hand_to(worker, queue, sharers)
        if queue.first():
            self.start_workers(queue)

    def hand_to(self, worker, queue, sharers):
        first = queue.first()
        if not first:
            return
        fn = first.info.fn
        if first.info.at_most_once:
            if worker.tasks:
                return
            queue.shift()
            if first.start_committed:
                worker.hand([first])
                return
            worker.reserved = first
            self.engine.ask_start(first, worker.name)
            return
        # Tasks of one batch are of one function nearly always, so the first one's time speaks for all.
        limit = fn.time.hold() if worker.deaf_since is None else 1
        count = hand_over(len(queue), len(worker.tasks), limit, sharers)
        tasks = []
        while len(tasks) < count:
            following = queue.first()
            if not following or following.info.fn is not fn or following.info.at_most_once:
                break
            tasks.append(queue.shift())
        if tasks:
            worker.hand(tasks)

    def start_workers(self, queue):
        starting = sum(1 for worker in self.pool.workers if worker.state == "starting" and _matches(worker, queue))
        wanted = min(len(queue), self.resources.room(queue.resources)) - starting
        for _ in range(wanted):
            if not self.pool.may_start() or not self.make_room(queue):
                return
            pins = self.take_pins(queue)
            if pins is None:
                return
            worker = self.pool.spawn(queue.runtime, (queue.resources["memoryMb"], pins, queue.pin_class, queue.container))
            if worker is None:
                self.pinning.release(pins)
                return
            worker.key = queue.worker_key

    def make_room(self, queue):
        if len(self.pool.workers) < self.max_workers:
            return True
        self.retire_for(queue, lambda _worker: True)
        return False

    def take_pins(self, queue):
        """Pins for one more process; while idle workers have them all, one of these is ended."""
        pins = self.pinning.take(queue.resources)
        if pins is None:
            self.retire_for(queue, lambda worker: worker.pin_class != "")
        return pins

    def retire_for(self, queue, which):
        """Ends the worker that has been idle for longest, of those that this queue cannot use."""
        victims = [
            worker for worker in self.pool.workers
            if _idle(worker) and worker.queue is None and not _matches(worker, queue) and which(worker)
        ]
        if victims:
            self.pool.retire(min(victims, key=lambda worker: worker.idle_since))

    def worn(self, worker):
        return len(worker.functions) >= FUNCTIONS_PER_WORKER or 0 < self.tasks_per_worker <= worker.done

    def settle(self, worker):
        """Frees what an idle worker holds."""
        if worker.tasks or worker.reserved:
            return
        if worker.queue is not None:
            self.resources.release(worker.queue.resources)
            worker.queue = None
            worker.idle_since = now_ms()
        if worker.state == "ready" and self.worn(worker):
            self.pool.retire(worker)

    def start_answered(self, task, go):
        """The start of a reserved task is committed; or it is given up. Returns whether it was waiting for that."""
        if self.commands.start_answered(task, go):
            return True
        worker = next((worker for worker in self.pool.workers if worker.reserved is task), None)
        if worker is None:
            return False
        worker.reserved = None
        if go:
            worker.hand([task])
        else:
            self.settle(worker)
        return True

    def ask_starts_again(self):
        """After a reconnect: asks again for the starts that were not answered."""
        for worker in self.pool.workers:
            if worker.reserved:
                self.engine.ask_start(worker.reserved, worker.name)
        for run in self.commands.runs.values():
            if not run.started:
                self.engine.ask_start(run.task, run.name)

    def retire_idle(self, idle_ms):
        before = now_ms() - idle_ms
        for worker in list(self.pool.workers):
            # One that has served nobody yet is kept for whoever comes first.
            if _idle(worker) and worker.queue is None and worker.key is not None and worker.idle_since < before:
                self.pool.retire(worker)


def _idle(worker):
    return worker.state == "ready" and not worker.tasks and worker.reserved is None


def _matches(worker, queue):
    fresh = worker.key is None and worker.runtime == queue.runtime and worker.memory_mb == queue.resources["memoryMb"]
    return worker.key == queue.worker_key or (fresh and worker.pin_class == queue.pin_class and queue.container is None)


def _slow(worker):
    """One whose task runs for long is given nothing behind it."""
    return bool(worker.tasks) and now_ms() - worker.tasks[0].started_at > LONG_MS
