"""Payloads above the inline limit: arguments fetched from the agent by hash, results sent up in chunks."""
import collections
import hashlib
import os

from .constants import BLOB_CHUNK_BYTES
from .private import create_private

#: files unused are kept up to this many bytes, as the next task often names the same
UNUSED_BYTES = 512 * 1024 * 1024
MAX_BACKLOG = 4 * BLOB_CHUNK_BYTES
BACKLOG_WAIT_S = 0.005


class _Incoming:
    def __init__(self, path, request):
        self.path, self.request = path, request
        self.users, self.waiting, self.here, self.size = 0, [], False, 0
        self.part = self.hash = None
        self.offset = 0


class BlobsIn:
    """Keeps blobs in `directory` while tasks name them."""

    def __init__(self, directory, send):
        self.directory, self.send = directory, send
        self.entries = collections.OrderedDict()

    def get(self, request, done):
        """Calls back with (file, None), or with (None, why there is none). The file stays until `release`."""
        entry = self.entries.get(request["blob"])
        if entry is None:
            entry = self.entries[request["blob"]] = _Incoming(os.path.join(self.directory, request["blob"]), request)
            self._ask(entry)
        entry.users += 1
        if entry.here:
            done(entry.path, None)
        else:
            entry.waiting.append(done)

    def _ask(self, entry):
        self.send(dict(entry.request, kind="need-blob"))

    def release(self, blob):
        entry = self.entries.get(blob)
        if entry is None:
            return
        entry.users -= 1
        if entry.users > 0:
            return
        # To the end: the longest unused is swept first.
        self.entries.move_to_end(blob)
        unused = 0
        for name, other in reversed(list(self.entries.items())):
            if other.users > 0 or not other.here:
                continue
            unused += other.size
            if unused > UNUSED_BYTES:
                del self.entries[name]
                os.unlink(other.path)

    def chunk(self, frame, body):
        entry = self.entries.get(frame["blob"])
        if entry is None or entry.here:
            return
        if frame["offset"] == 0:
            self._close(entry)
            entry.part = create_private(entry.path + ".part")
            entry.hash, entry.offset = hashlib.sha256(), 0
        if entry.part is None or entry.offset != frame["offset"]:
            return
        entry.part.write(body)
        entry.hash.update(body)
        entry.offset += len(body)
        if not frame["end"]:
            return
        if entry.offset != frame["size"] or entry.hash.hexdigest() != frame["blob"]:
            self.failed(frame["blob"], "the blob that came has another size or hash")
            return
        self._close(entry)
        os.rename(entry.path + ".part", entry.path)
        entry.here, entry.size = True, frame["size"]
        waiting, entry.waiting = entry.waiting, []
        for done in waiting:
            done(entry.path, None)

    def failed(self, blob, message):
        entry = self.entries.get(blob)
        if entry is None or entry.here:
            return
        del self.entries[blob]
        self._close(entry)
        if os.path.exists(entry.path + ".part"):
            os.unlink(entry.path + ".part")
        for done in entry.waiting:
            done(None, message)

    @staticmethod
    def _close(entry):
        if entry.part is not None:
            entry.part.close()
        entry.part = None

    def ask_again(self):
        """After a reconnect: asks again for what had not come."""
        for entry in self.entries.values():
            if not entry.here:
                self._ask(entry)


class BlobsOut:
    """Uploads one blob at a time, never more than a few chunks ahead of the link."""

    def __init__(self, loop, link):
        self.loop, self.link = loop, link
        self.queue = collections.deque()  # (file, task, lease, done)
        self.round, self.file, self.head = 0, None, None

    def send(self, file, task, done):
        """Uploads the file and removes it; calls back with {blob, size} or {error} when the agent has answered."""
        self.queue.append((file, task.id, task.lease, done))
        if len(self.queue) == 1:
            self.again()

    def again(self):
        """Begins the current upload anew, as after a reconnect."""
        self.round += 1
        self._stop()
        if not self.queue:
            return
        path, task, lease, _ = self.queue[0]
        try:
            self.file = open(path, "rb")
            digest = hashlib.sha256()
            for chunk in iter(lambda: self.file.read(BLOB_CHUNK_BYTES), b""):
                digest.update(chunk)
            size = self.file.seek(0, os.SEEK_END)
            self.file.seek(0)
        except OSError as error:
            self._done({"error": str(error)})
            return
        self.head = {"kind": "blob-chunk", "blob": digest.hexdigest(), "task": task, "lease": lease, "size": size}
        self._more(self.round)

    def _more(self, mine):
        while mine == self.round and self.file is not None:
            if self.link.backlog() > MAX_BACKLOG:
                self.loop.call_later(BACKLOG_WAIT_S, self._more, mine)
                return
            offset = self.file.tell()
            chunk = self.file.read(BLOB_CHUNK_BYTES)
            end = offset + len(chunk) >= self.head["size"]
            self.link.send(dict(self.head, offset=offset, end=end), [chunk])
            if end:
                self._stop()

    def taken(self, frame):
        if not self.queue or self.head is None:
            return
        _, task, lease, _ = self.queue[0]
        if (frame["task"], frame["lease"]) != (task, lease):
            return
        error = frame.get("error")
        self._done({"blob": self.head["blob"], "size": self.head["size"]} if error is None else {"error": error})

    def _done(self, sent):
        self._stop()
        path, _, _, done = self.queue.popleft()
        try:
            os.unlink(path)
        except OSError:
            pass
        self.head = None
        done(sent)
        self.again()

    def _stop(self):
        if self.file is not None:
            self.file.close()
        self.file = None

    def pending(self):
        return len(self.queue)
