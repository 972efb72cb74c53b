"""The worker processes of one node: started, killed, retired; who they serve is decided in placement.py."""
import errno
import os
import signal
import subprocess

from .clock import now_ms
from .constants import WORKER_ENV
from .container import containers_of, is_started_by_daemon, limits_memory
from .environment import scrubbed_env
from .exhaustion import is_exhausted
from .leftovers import cgroup_name
from .memory import MemoryGuard, OomCount
from .worker import Worker
from .worker_process import WorkerProcess

BACKOFF_FIRST_MS = 200
BACKOFF_MAX_MS = 30000
#: a container's image may have to be fetched first
IMAGE_FACTOR = 20


class Node:
    """What every process of a manager is started with."""

    def __init__(self, loop, children, config, nonce, pinning):
        self.loop, self.children, self.config, self.nonce, self.pinning = loop, children, config, nonce, pinning
        self.limits = config.limits
        self.dir, self.uploads = os.path.join(config.dir, "work"), os.path.join(config.dir, "uploads")
        self.env = {}  # added to the scrubbed environment
        self.worker_file = None
        self.wrap = containers_of(config)
        self.oom = OomCount()


class Pool:
    """`engine` hears of everything: on_end, on_unstarted, on_room, on_gone, on_start_failure, on_output, on_group, on_leftovers, schedule."""

    def __init__(self, node, engine):
        self.node, self.engine = node, engine
        self.workers, self.count = [], 0
        self.failures, self.not_before = 0, 0.0
        self.command_failures, self.commands_not_before = 0, 0.0

    def may_start(self):
        return now_ms() >= self.not_before

    def may_start_command(self):
        return now_ms() >= self.commands_not_before

    def command_exhausted(self):
        """There was no descriptor or process for a command: the next is tried later."""
        backoff = min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** min(self.command_failures, 20))
        self.command_failures += 1
        self.commands_not_before = now_ms() + backoff
        self.node.loop.call_later((backoff + 1) / 1000, self.engine.schedule)

    def spawn(self, runtime, kind):
        """None when it could not even be tried, which counts as a failed start."""
        node = self.node
        self.count += 1
        memory_mb, pins, _, container = kind
        worker = Worker("%s-%d" % (runtime, self.count), runtime, kind, self)
        worker.memory = MemoryGuard(cgroup_name("%s/%s\0" % (node.nonce, worker.name)), memory_mb, node.oom, limits_memory(container))
        env = dict(node.env, **node.pinning.env(pins))
        env[WORKER_ENV] = "%s/%s" % (node.nonce, worker.name)
        options = {"dir": os.path.join(node.dir, worker.name), "env": scrubbed_env(os.environ, env), "cores": pins.cores}
        options.update(argv=self.argv(kind, options), cgroup=worker.memory.cgroup, by_name=is_started_by_daemon(container))
        try:
            worker.process = WorkerProcess(node, options, _Events(self, worker))
        except (OSError, subprocess.SubprocessError) as error:
            worker.memory.release()
            # No interpreter, a full disk, cores that were taken away, or no descriptor left: the manager itself goes on.
            self.failed(worker, str(error), getattr(error, "errno", None) == errno.ENOENT, is_exhausted(error))
            return None
        worker.memory.pid = worker.process.pid
        self.workers.append(worker)
        self.engine.on_group(worker.process.pid, True)
        late_ms = node.limits["workerStartMs"] * (IMAGE_FACTOR if container else 1)
        node.loop.call_later(late_ms / 1000, self.check_started, worker)
        return worker

    def argv(self, kind, options):
        """As it is on the node: in its container, if it has one."""
        node = self.node
        memory_mb, pins, _, container = kind
        if not container:
            return [node.config.python, "-u", node.worker_file]
        by_name = [options["dir"]] if is_started_by_daemon(container) else []
        request = {"command": ["python3", "-u", node.worker_file] + by_name, "env": list(options["env"]) + ["TMPDIR"], "given": []}
        request.update(cwd=os.path.join(options["dir"], "cwd"), pins=pins, gpus=node.pinning.gpus_of(pins), memory_mb=memory_mb, descriptors=0 if by_name else 3)
        return node.wrap(container, request)

    def check_started(self, worker):
        if worker.state == "starting":
            self.kill(worker, {"kind": "stop", "why": "it did not start in time"}, 0)

    def failed(self, worker, message, missing, exhausted=False):
        """What does not start is tried less and less often; a missing interpreter is found out at once and costs nothing."""
        if worker.container and not exhausted:
            # What is wrong with an image is its functions' own trouble.
            self.node.loop.call_soon(self.engine.fail_waiting, worker.runtime, worker.container, message)
            return
        if exhausted and not self.may_start():
            return  # several that were tried at once have failed for one reason
        self.failures += 1
        backoff = BACKOFF_FIRST_MS if missing else min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** min(self.failures - 1, 20))
        self.not_before = now_ms() + backoff
        loop = self.node.loop
        loop.call_later((backoff + 1) / 1000, self.engine.schedule)
        if not exhausted:
            loop.call_soon(self.engine.on_start_failure, worker.runtime, message, missing, self.failures)

    def kill(self, worker, reason, grace_ms=None):
        if worker.killed:
            return
        worker.killed, worker.state = reason, "ending" if worker.state != "starting" else "unstarted"
        # Before the signal: what it has not started must not die with it.
        unstarted = worker.take_back()
        if unstarted:
            self.engine.on_unstarted(unstarted)
        worker.process.signal(signal.SIGTERM)
        grace = self.node.limits["killGraceMs"] if grace_ms is None else grace_ms
        self.node.loop.call_later(grace / 1000, worker.process.signal, signal.SIGKILL)

    def retire(self, worker):
        """Ends an idle worker."""
        worker.state = "ending"
        worker.process.finish()
        self.node.loop.call_later(self.node.limits["killGraceMs"] / 1000, worker.process.signal, signal.SIGKILL)

    def gone(self, worker, status):
        engine = self.engine
        self.workers.remove(worker)
        starting = worker.state in ("starting", "unstarted")
        started, end, unstarted, words = worker.on_death(status)
        worker.state = "ending"
        engine.on_group(worker.process.pid, False)
        engine.on_leftovers(worker.name, None)
        worker.memory.release()
        if started:
            engine.on_end(started, end)
        if unstarted:
            engine.on_unstarted(unstarted)
        engine.on_gone(worker)
        if starting:
            self.failed(worker, "it ended with %d; %s" % (status, words), False)

    # What a worker says.

    def on_ready(self, worker):
        self.failures = 0
        self.engine.on_room(worker)

    def on_end(self, task, end):
        self.engine.on_end(task, end)

    def on_room(self, worker):
        self.engine.on_room(worker)

    def on_children(self, worker):
        # In a container of docker or podman it is none of this process's descendants.
        pids = (worker.own_pid, worker.process.pid) if limits_memory(worker.container) else (worker.process.pid,)
        self.engine.on_leftovers(worker.name, *pids)

    def on_unpermitted(self, worker, tasks):
        self.kill(worker, {"kind": "forged", "what": "it filled the pipe of permits"}, 0)
        self.engine.on_unstarted(tasks)

    def on_broken(self, worker, what):
        self.kill(worker, {"kind": "broken", "what": what}, 0)


class _Events:
    """What a worker's process tells."""

    def __init__(self, pool, worker):
        self.pool, self.worker = pool, worker

    def on_frame(self, header, body):
        worker = self.worker
        if worker.killed and worker.killed["kind"] in ("forged", "broken"):
            return
        wrong = worker.on_frame(header, body)
        if wrong:
            self.on_garbage(wrong)

    def on_garbage(self, what):
        self.pool.kill(self.worker, {"kind": "forged", "what": what}, 0)

    def on_output(self, stream, data):
        task = self.worker.writing_task(stream)
        if task is not None:
            self.pool.engine.on_output(task, stream, data)

    def on_exit(self, status):
        self.pool.gone(self.worker, status)
