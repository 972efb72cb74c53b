"""Tasks that wait for a worker: one queue for each owner, runtime and resource class, oldest first."""
import collections


class Queue:
    """A dropped task stays in its queue until it comes to the front."""

    def __init__(self, owner, fn, resources, pin_class):
        self.owner, self.runtime, self.resources, self.pin_class = owner, fn.runtime, resources, pin_class
        self.container = fn.container
        #: workers are shared by the queues of one key
        self.worker_key = (owner, fn.runtime, resources["memoryMb"], pin_class, fn.container_key)
        self.items = collections.deque()

    def __len__(self):
        return len(self.items)

    def first(self):
        items = self.items
        while items and items[0].dropped:
            items.popleft()
        return items[0] if items else None

    def push(self, task):
        self.items.append(task)

    def unshift(self, tasks):
        """Puts tasks that were handed over but not started back to the front, in their order."""
        self.items.extendleft(reversed(tasks))

    def shift(self):
        return self.items.popleft() if self.first() else None

    def pop(self):
        items = self.items
        while items and items[-1].dropped:
            items.pop()
        return items.pop() if items else None


class Queues:
    def __init__(self, pin_class_of):
        self.pin_class_of, self.queues = pin_class_of, {}

    def of(self, owner, fn, resources):
        key = (owner, fn.runtime, fn.container_key) + tuple(resources.get(name) for name in ("cores", "memoryMb", "gpus", "nodes"))
        queue = self.queues.get(key)
        if queue is None:
            queue = self.queues[key] = Queue(owner, fn, resources, self.pin_class_of(resources))
        return queue

    def waiting(self):
        """Those with waiting tasks, the one whose first task came first in front."""
        return sorted((queue for queue in self.queues.values() if queue.first()), key=lambda queue: queue.first().arrived_at)

    def __len__(self):
        return sum(map(len, self.queues.values()))
