"""Arguments above the inline limit: fetched from the agent by hash, kept as files while tasks name them."""
import collections
import hashlib
import os

from .exhaustion import EXHAUSTED_RETRY_S, is_exhausted
from .private import create_private

#: files unused are kept up to this many bytes, as the next task often names the same
UNUSED_BYTES = 512 * 1024 * 1024


class _Incoming:
    def __init__(self, path, request):
        self.path, self.request = path, request
        self.users, self.waiting, self.here, self.size = 0, [], False, 0
        self.part = self.hash = None
        self.offset = 0


class BlobsIn:
    """Keeps blobs in `directory` while tasks name them."""

    def __init__(self, loop, directory, send):
        self.loop, self.directory, self.send = loop, directory, send
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
            entry.part = self._begin(entry)
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

    def _begin(self, entry):
        """None where there is no descriptor for it: what comes is passed over, and asked for again."""
        try:
            return create_private(entry.path + ".part")
        except OSError as error:
            if not is_exhausted(error):
                raise
            self.loop.call_later(EXHAUSTED_RETRY_S, self._ask, entry)
            return None

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
