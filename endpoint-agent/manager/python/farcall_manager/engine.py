"""The parts of a manager put together: tasks come in, are placed, and their ends go out."""
import os

from .blobs_in import BlobsIn
from .blobs_out import BlobsOut
from .commands import Commands
from .constants import BLOCK_ENV
from .container import why_not_started
from .deaths import TAKEN_WAIT_S, may_be_taken, taken_end
from .environment import usual_cores
from .functions import Functions
from .intake import Intake
from .on_nodes import resources_here
from .outbox import Outbox, Reports
from .placement import Placement
from .pool import Node, Pool
from .private import make_private
from .queues import Queues
from .resources import DEFAULT_RESOURCES, NO_PINS, NodeResources, Pinning
from .task import not_started, returned
from .ticker import Ticker
from .watches import Watches

START_FAILURES = 3
#: with fewer tasks than this, every result is sent at once
FEW_TASKS = 16
#: idle workers of several owners may stay beside those that run, up to this many
SPARE_WORKERS = 4


class Engine:
    """`parts`: loop, children, config, nonce, deadline, link, on_group, on_leftovers, on_broken. Starts nothing before its first task."""

    def __init__(self, parts):
        self.loop, self.deadline, self.link = parts["loop"], parts["deadline"], parts["link"]
        self.on_group, self.on_leftovers, self.on_broken = parts["on_group"], parts["on_leftovers"], parts["on_broken"]
        config = self.config = parts["config"]
        self.pinning = Pinning(config.capacity, config.affinity, os.environ)
        node = Node(self.loop, parts["children"], config, parts["nonce"], self.pinning)
        node.worker_file = parts["worker_file"]
        node.env = dict(usual_cores(os.environ), **config.env)
        node.env[BLOCK_ENV] = "%s/%s/%s" % (config.endpoint, config.block, config.node)
        blobs, code = os.path.join(config.dir, "blobs"), os.path.join(config.cache_dir, "code")
        for directory in (node.dir, node.uploads, blobs, code):
            make_private(directory)
        slots = config.capacity.get("nodes") or min(config.workers_per_node, config.capacity["cores"])
        link = self.link
        self.scheduled = self.draining = self.taken_away = False
        self.late = set()  # ended, and not reported yet: why is still to be seen
        self.resources = NodeResources(config.capacity, slots)
        self.queues = Queues(self.pinning.class_of)
        self.watches = Watches(link)
        self.outbox = Outbox(self.loop, link.send_bytes, lambda: not self.deadline.passed())
        self.blobs_in, self.blobs_out = BlobsIn(self.loop, blobs, link.send), BlobsOut(self.loop, link)
        self.reports = Reports(config.block, self.outbox, self.blobs_out)
        self.functions = Functions(self.loop, code, lambda name: link.send({"kind": "need-function", "function": name}))
        here = lambda asked: resources_here(asked, config.capacity)  # noqa: E731
        self.intake = Intake((self.functions, self.queues, self.blobs_in, here, config.env), self.on_end)
        self.pool, self.commands = Pool(node, self), Commands(node, self)
        self.placement = Placement(self, slots + min(slots, SPARE_WORKERS), config.limits["tasksPerWorker"])
        self.ticker = Ticker(self)

    def schedule(self):
        """Places and sends at the end of this turn of the event loop."""
        if not self.scheduled:
            self.scheduled = True
            self.loop.call_soon(self.turn)

    def turn(self):
        self.scheduled = False
        if self.may_start():
            self.placement.place()
        if self.resources.busy > 0 or len(self.queues) > 0:
            self.ticker.wake()
        if len(self.intake.tasks) < FEW_TASKS:
            self.outbox.flush()
        else:
            self.outbox.flush_soon()

    def may_start(self):
        """The self-fence, also of a manager that was stopped and goes on later (FAULTS.md B2)."""
        return not self.draining and not self.deadline.near()

    def holds(self):
        """Every hand-out whose result is not in the outbox yet."""
        return [[task.id, task.lease] for task in list(self.intake.tasks.values()) + list(self.reports.uploading)]

    def warm_up(self):
        """Starts a worker before it is needed, if any task could use it."""
        if self.pinning.class_of(DEFAULT_RESOURCES) == "":
            self.pool.spawn("python", (0, NO_PINS, "", None))

    def drain(self):
        """From now on nothing new is started: what waits, and what comes later, is returned. May be called again."""
        self.draining = True
        for worker in self.pool.workers:
            self.on_unstarted(worker.take_back())
            reserved, worker.reserved = worker.reserved, None
            if reserved:
                self.on_end(reserved, returned())
        for run in list(self.commands.runs.values()):
            if not run.started:
                self.commands.start_answered(run.task, False)
        running = self.late.union(self.commands.runs)
        for worker in self.pool.workers:
            running.update(worker.tasks, worker.marking.values())
        for task in list(self.intake.tasks.values()):
            if task not in running:
                self.on_end(task, returned())

    # What its parts tell.

    def on_end(self, task, end):
        """Reports the end of a task that is still known."""
        if not self.taken_away and may_be_taken(end):
            self.late.add(task)
            self.loop.call_later(TAKEN_WAIT_S, self.report, task, end)
        else:
            self.report(task, end)

    def report(self, task, end):
        self.late.discard(task)
        if task.dropped:
            return
        self.intake.forget(task)
        self.watches.ended(task)
        self.reports.end(task, taken_end(end) if self.taken_away else end)
        self.schedule()

    def ask_start(self, task, place):
        self.reports.start(task, place)

    def on_unstarted(self, tasks):
        """Tasks that were not started wait again, unless they are no longer wanted."""
        wanted = [task for task in tasks if not task.dropped]
        if self.draining:
            for task in wanted:
                self.on_end(task, returned())
        elif wanted:
            wanted[0].info.queue.unshift(wanted)
        self.schedule()

    def on_output(self, task, stream, data):
        self.watches.output(task, stream, data)

    def on_room(self, worker):
        self.placement.settle(worker)
        self.schedule()

    def on_gone(self, worker):
        reserved, worker.reserved = worker.reserved, None
        self.pinning.release(worker.pins)
        if reserved:
            self.on_unstarted([reserved])
        self.placement.settle(worker)
        self.schedule()

    def free_command(self, task, pins):
        self.pinning.release(pins)
        self.resources.release(task.info.resources)
        self.schedule()

    def on_exhausted(self, task, pins):
        """A command could not be started for want of descriptors or processes: it waits again."""
        self.pool.command_exhausted()
        self.free_command(task, pins)
        self.on_unstarted([task])

    def on_start_failure(self, runtime, message, missing, count):
        if missing:
            self.fail_waiting(runtime, None, message)
        elif count >= START_FAILURES:
            self.on_broken("no %s worker starts on this node: %s" % (runtime, message))

    def fail_waiting(self, runtime, container, message):
        words = "no %s worker can be started: %s" % (runtime, why_not_started(container, message) if container else message)
        for queue in self.queues.waiting():
            while queue.runtime == runtime and queue.container == container and queue.first():
                self.on_end(queue.shift(), not_started("LOAD_ERROR", words))
