"""Results above the inline limit: sent up in chunks, one after the other, until the agent has taken them."""
import collections
import hashlib
import os

from .constants import BLOB_CHUNK_BYTES
from .exhaustion import EXHAUSTED_RETRY_S, is_exhausted

MAX_BACKLOG = 4 * BLOB_CHUNK_BYTES
BACKLOG_WAIT_S = 0.005

Upload = collections.namedtuple("Upload", "path task lease done")


class BlobsOut:
    """Uploads one blob at a time, never more than a few chunks ahead of the link, and never more than one at a turn of the loop."""

    def __init__(self, loop, link):
        self.loop, self.link = loop, link
        self.queue = collections.deque()
        #: counts up with each try: an older one stops when it sees that
        self.round = 0
        self.file = self.head = None

    def send(self, path, task, done):
        """Uploads the file and removes it; calls back with {blob, size} or {error} when the agent has answered."""
        self.queue.append(Upload(path, task.id, task.lease, done))
        if len(self.queue) == 1:
            self.again()

    def again(self):
        """Begins the current upload anew, as after a reconnect."""
        self.round += 1
        self.head = None
        self._close()
        if self.queue:
            self._soon(self.round, self._open)

    def _step(self, mine, act, *arguments):
        if mine != self.round:
            return
        try:
            act(mine, *arguments)
        except OSError as error:
            if is_exhausted(error):
                self.loop.call_later(EXHAUSTED_RETRY_S, self._step, mine, act, *arguments)
            else:
                self._done({"error": str(error)})

    def _soon(self, mine, act, *arguments):
        self.loop.call_soon(self._step, mine, act, *arguments)

    def _open(self, mine):
        self.file = open(self.queue[0].path, "rb")
        self._hash(mine, hashlib.sha256())

    def _hash(self, mine, digest):
        chunk = self.file.read(BLOB_CHUNK_BYTES)
        if chunk:
            digest.update(chunk)
            self._soon(mine, self._hash, digest)
            return
        first, size = self.queue[0], self.file.tell()
        self.file.seek(0)
        self.head = {"kind": "blob-chunk", "blob": digest.hexdigest(), "task": first.task, "lease": first.lease, "size": size}
        self._chunk(mine)

    def _chunk(self, mine):
        if self.link.backlog() > MAX_BACKLOG:
            self.loop.call_later(BACKLOG_WAIT_S, self._step, mine, self._chunk)
            return
        size, offset = self.head["size"], self.file.tell()
        wanted = min(BLOB_CHUNK_BYTES, size - offset)
        chunk = self.file.read(wanted)
        if len(chunk) < wanted:
            raise OSError("it was cut short while it was sent")
        end = offset + wanted == size
        self.link.send(dict(self.head, offset=offset, end=end), [chunk])
        if end:
            self._close()
        else:
            self._soon(mine, self._chunk)

    def taken(self, frame):
        """The agent's answer to the last chunk."""
        if not self.queue or self.head is None:
            return
        first = self.queue[0]
        if (frame["task"], frame["lease"]) != (first.task, first.lease):
            return
        error = frame.get("error")
        if frame.get("again"):
            self.again()
        elif error is None:
            self._done({"blob": self.head["blob"], "size": self.head["size"]})
        else:
            self._done({"error": error})

    def _done(self, sent):
        first = self.queue.popleft()
        self._close()
        try:
            os.unlink(first.path)
        except OSError:
            pass  # it goes with the manager's directory
        first.done(sent)
        self.again()

    def _close(self):
        if self.file is not None:
            self.file.close()
        self.file = None

    def pending(self):
        """How many are on their way."""
        return len(self.queue)
