"""Results and starts on their way to the agent: batched, numbered, kept until they are taken (PROTOCOL.md rule 13)."""
import collections

from .clock import now_ms
from .frames import encode_frame
from .output import last_bytes

MAX_RESULTS = 1000
MAX_BYTES = 1024 * 1024
#: under load, results gather this long
GATHER_S = 0.001
#: how much of each stream's end travels with a result
TAIL_BYTES = 16 * 1024


class Outbox:
    """`may_publish` says no after the deadline: then nothing is published."""

    def __init__(self, loop, send, may_publish):
        self.loop, self.send, self.may_publish = loop, send, may_publish
        self.results, self.starts, self.chunks, self.bytes = [], [], [], 0
        self.message, self.kept = 0, collections.OrderedDict()
        self.sent_at, self.timer = 0.0, None

    def result(self, entry, chunks):
        self.results.append(entry)
        self.chunks += chunks
        self.bytes += sum(map(len, chunks))
        if len(self.results) >= MAX_RESULTS or self.bytes >= MAX_BYTES:
            self.flush()

    def start(self, entry):
        self.starts.append(entry)

    def flush(self):
        """Sends what has gathered."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if not (self.results or self.starts) or not self.may_publish():
            return
        self.message += 1
        header = {"kind": "results", "message": self.message, "results": self.results, "starts": self.starts}
        frame = self.kept[self.message] = encode_frame(header, self.chunks)
        self.results, self.starts, self.chunks, self.bytes = [], [], [], 0
        self.sent_at = now_ms()
        self.send(frame)

    def flush_soon(self):
        """Sends what has gathered, but gathers a little longer when something was sent just now."""
        if now_ms() - self.sent_at >= GATHER_S * 1000:
            self.flush()
        elif self.timer is None:
            self.timer = self.loop.call_later(GATHER_S, self.flush)

    def taken(self, message):
        """The agent has everything up to this message."""
        while self.kept and next(iter(self.kept)) <= message:
            self.kept.popitem(last=False)

    def resend(self):
        """Sends again what was sent and is not taken, in order."""
        if self.may_publish():
            for frame in self.kept.values():
                self.send(frame)

    def empty(self):
        return not (self.results or self.starts or self.kept)


class Reports:
    """The ends of tasks as entries of the outbox; a large result goes up first."""

    def __init__(self, block, outbox, blobs):
        self.block, self.outbox, self.blobs = block, outbox, blobs
        self.uploading = set()

    def start(self, task, worker):
        self.outbox.start({"id": task.id, "lease": task.lease, "block": self.block, "worker": worker})

    def end(self, task, end):
        entry = {"id": task.id, "lease": task.lease, "outcome": end.outcome, "block": self.block}
        if end.started:
            entry["started"] = True
        if end.worker is not None:
            entry["worker"] = end.worker
        if end.ran_ms is not None:
            entry["ranMs"] = round(end.ran_ms, 3)
        if end.failure:
            entry["failure"] = end.failure
        if end.outcome != "succeeded":
            self._put(entry, end, None)
            return
        if end.encoding and end.encoding != "json":
            entry["encoding"] = end.encoding
        if end.file is None:
            data = end.data or b""
            entry["length"] = len(data)
            self._put(entry, end, data)
            return

        def sent(answer):
            self.uploading.discard(task)
            if "error" in answer:
                message = "its result could not be stored: " + answer["error"]
                entry.update(outcome="failed", failure={"code": "UNAVAILABLE", "message": message})
            else:
                entry.update(answer)
            self._put(entry, end, None)
            self.outbox.flush()

        self.uploading.add(task)
        self.blobs.send(end.file, task, sent)

    def _put(self, entry, end, data):
        chunks = [data] if data else []
        for name in ("stdout", "stderr"):
            output = getattr(end, name)
            if output is not None and output.total > 0:
                tail = last_bytes(output, TAIL_BYTES)
                entry[name], entry[name + "Total"] = len(tail), output.total
                chunks.append(tail)
        self.outbox.result(entry, chunks)
