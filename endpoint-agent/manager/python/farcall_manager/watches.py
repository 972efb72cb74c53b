"""Live output of the tasks that somebody watches."""

#: a watcher that does not keep up misses output; the task does not wait for it
MAX_BACKLOG = 4 * 1024 * 1024
MAX_CHUNK = 64 * 1024


class Watches:
    def __init__(self, link):
        self.link, self.watched = link, {}

    def set(self, task_id, watch):
        if not watch:
            self.watched.pop(task_id, None)
        else:
            self.watched.setdefault(task_id, {"stdout": 0, "stderr": 0})

    def output(self, task, stream, data):
        """New output."""
        offsets = self.watched.get(task.id)
        if offsets is not None:
            self._send(task, stream, offsets[stream], data)
            offsets[stream] += len(data)

    def replay(self, task, stream, so_far):
        """Sends what a task that is watched from now on had written already."""
        offsets = self.watched.get(task.id)
        if offsets is not None:
            self._send(task, stream, 0, so_far.head)
            self._send(task, stream, so_far.total - len(so_far.tail), so_far.tail)
            offsets[stream] = so_far.total

    def ended(self, task):
        offsets = self.watched.pop(task.id, None)
        for stream, offset in (offsets or {}).items():
            self.link.send({"kind": "log", "task": task.id, "lease": task.lease, "stream": stream, "offset": offset, "end": True})

    def _send(self, task, stream, offset, data):
        if self.link.backlog() > MAX_BACKLOG:
            return
        for at in range(0, len(data), MAX_CHUNK):
            head = {"kind": "log", "task": task.id, "lease": task.lease, "stream": stream, "offset": offset + at}
            self.link.send(head, [data[at:at + MAX_CHUNK]])
