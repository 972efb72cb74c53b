"""Tasks as they come in: each waits for its function's code and its large arguments, then joins its queue."""
from .clock import now_ms
from .environment import cores_of_task
from .resources import DEFAULT_RESOURCES
from .task import SpecInfo, Task, not_started, returned

MAX_SPECS = 10000
ON_NODES_ONLY = "only a shell command can run on several nodes; this function is none"


class Intake:
    """Keeps the tasks of one manager. `end` is told of a task that ends before it was placed."""

    def __init__(self, parts, end):
        self.functions, self.queues, self.blobs, self.resources_here, self.configured_env = parts
        self.end = end
        self.tasks = {}  # every task that has not ended, by id
        self.infos, self.waiting, self.arrived = {}, {}, 0

    def info_of(self, spec):
        info = self.infos.get(spec["key"])
        if info is not None and info.fn.state != "failed":
            return info
        if len(self.infos) >= MAX_SPECS:
            self.infos.clear()
        resources = self.resources_here(dict(DEFAULT_RESOURCES, **(spec.get("resources") or {})))
        info = SpecInfo(spec, self.functions.get(spec["function"]), resources, cores_of_task(resources, self.configured_env))
        self.infos[spec["key"]] = info
        return info

    def take(self, specs, entries, body):
        now, offset = now_ms(), 0
        for entry in entries:
            length = (entry.get("length") or 0) if entry.get("blob") is None else 0
            self.arrived += 1
            # Ties are broken by the order of arrival.
            arrived_at = (now, self.arrived)
            task = Task(entry, self.info_of(specs[entry.get("spec") or 0]), body[offset:offset + length], arrived_at)
            offset += length
            known = self.tasks.get(task.id)
            if known is not None:
                # The same hand-out twice is taken once; a newer one is not taken while the older one may still run here.
                if known.lease != task.lease:
                    self.end(task, returned())
                continue
            self.tasks[task.id] = task
            if task.blob is None:
                self.enqueue(task)
            else:
                self.fetch(task)

    def enqueue(self, task):
        info = task.info
        fn = info.fn
        if task.dropped:
            return
        if fn.state == "asked":
            self.waiting.setdefault(fn, []).append(task)
        elif fn.failure:
            self.end(task, not_started(**fn.failure))
        elif info.queue is not None:
            info.queue.push(task)
        elif why_never(info):
            self.end(task, not_started("LOAD_ERROR", why_never(info)))
        else:
            info.queue = self.queues.of(info.spec["owner"], fn, info.resources)
            info.queue.push(task)

    def fetch(self, task):
        def done(file, error):
            if task.dropped:
                return
            task.file = file
            if file is not None:
                self.enqueue(task)
            else:
                self.end(task, not_started("BLOB_GONE", error or "it is gone"))

        request = {"blob": task.blob, "owner": task.info.spec["owner"], "task": task.id, "lease": task.lease}
        self.blobs.get(request, done)

    def resolved(self, fn):
        """The code of a function came, or will not."""
        for task in self.waiting.pop(fn, ()):
            self.enqueue(task)

    def forget(self, task):
        if self.tasks.get(task.id) is task:
            del self.tasks[task.id]
        task.dropped = True
        if task.blob is not None:
            self.blobs.release(task.blob)


def why_never(info):
    """Why no manager could ever run it as it is asked for."""
    return ON_NODES_ONLY if info.fn.runtime != "command" and info.resources.get("nodes") is not None else None
