"""What tasks write to one stream of a worker: bounded, counted, and cut at the marks (docs/frames.md)."""
import collections

#: `total` bytes in all; what was between `head` and `tail` is gone when it is larger than both together
Output = collections.namedtuple("Output", "total head tail")
NO_OUTPUT = Output(0, b"", b"")
NUMBER_BYTES = 8 + 1
MAX_CLOSED = 64


class Capture:
    """Keeps the first and the last bytes of a stream of any length in bounded memory."""

    def __init__(self, limits):
        self.head_bytes, self.tail_bytes = limits["outputHeadBytes"], limits["outputTailBytes"]
        self.total, self.head, self.tail = 0, bytearray(), bytearray()

    def push(self, chunk):
        self.total += len(chunk)
        room = self.head_bytes - len(self.head)
        if room > 0:
            self.head += chunk[:room]
            chunk = chunk[room:]
        if chunk and self.tail_bytes:
            self.tail += chunk
            # Cut seldom, so that bytes are not moved with every chunk.
            if len(self.tail) > 2 * self.tail_bytes:
                del self.tail[:len(self.tail) - self.tail_bytes]

    def peek(self):
        if self.total == 0:
            return NO_OUTPUT
        return Output(self.total, bytes(self.head), bytes(self.tail[-self.tail_bytes:]) if self.tail_bytes else b"")

    def take(self):
        """What was captured; starts anew."""
        taken = self.peek()
        self.total, self.head, self.tail = 0, bytearray(), bytearray()
        return taken


def last_bytes(output, count):
    """The last bytes of what was captured, as they travel with a result."""
    tail = output.tail
    if len(tail) < count and output.total <= len(output.head) + len(tail):
        tail = output.head + tail
    return tail[max(0, len(tail) - count):]


def output_text(output):
    """All that was captured, as text; says how much is missing in the middle."""
    missing = output.total - len(output.head) - len(output.tail)
    if missing == 0:
        return (output.head + output.tail).decode("utf-8", "replace")
    parts = (output.head.decode("utf-8", "replace"), missing, output.tail.decode("utf-8", "replace"))
    return "%s\n[… %d bytes left out …]\n%s" % parts


def output_bytes(output):
    """All that was captured, if its text does not say it: it is whole, and not UTF-8. Else None."""
    data = output.head + output.tail
    if output.total > len(data):
        return None
    try:
        data.decode("utf-8")
        return None
    except UnicodeDecodeError:
        return data


class MarkedStream:
    """One output stream of a worker, cut into the output of its tasks; `on_bytes` gets everything but the marks, as it comes."""

    def __init__(self, loop, mark, limits, on_bytes):
        self.loop, self.mark, self.on_bytes = loop, mark, on_bytes
        self.capture, self.rest = Capture(limits), b""
        self.closed, self.waits = collections.OrderedDict(), []

    def push(self, chunk):
        data = self.rest + chunk
        mark = self.mark
        while True:
            at = data.find(mark)
            if at < 0:
                break
            end = at + len(mark) + NUMBER_BYTES
            self.take(data[:at])
            if len(data) < end:
                self.rest = data[at:]
                return
            try:
                self.close(int(data[at + len(mark):end - 1], 16))
            except ValueError:
                pass  # user code has written something like a mark
            data = data[end:]
        keep = _beginning_at_end(data, mark)
        self.take(data[:len(data) - keep])
        self.rest = data[len(data) - keep:]

    def take(self, data):
        if data:
            self.capture.push(data)
            self.on_bytes(data)

    def close(self, n):
        output = self.capture.take()
        wait = next((wait for wait in self.waits if wait[0] == n), None)
        if wait:
            self.settle(wait, output)
            return
        self.closed[n] = output
        # A mark comes a moment before its result, of no more tasks than a worker may hold: others are made up by user code.
        if len(self.closed) > MAX_CLOSED:
            self.closed.popitem(last=False)

    def until(self, n, wait_s, done):
        """Calls back with the output up to the mark of task `n`, now or when it comes, or after `wait_s` without it."""
        if n in self.closed:
            done(self.closed.pop(n))
            return
        wait = [n, done, None]
        wait[2] = self.loop.call_later(wait_s, lambda: self.settle(wait, self.capture.take()))
        self.waits.append(wait)

    def settle(self, wait, output):
        wait[2].cancel()
        self.waits.remove(wait)
        wait[1](output)

    def waiting(self):
        """The first task whose mark is waited for: what comes now is its output."""
        return self.waits[0][0] if self.waits else None

    def peek(self):
        return self.capture.peek()

    def unmarked(self):
        """What came since the last mark, unless a mark is still to come."""
        return None if self.waits or self.closed or self.capture.total == 0 else self.capture.take()

    def end(self):
        """What came since the last mark; every wait ends."""
        self.take(self.rest)
        self.rest = b""
        for wait in list(self.waits):
            self.settle(wait, self.capture.take())
        return self.capture.take()


def _beginning_at_end(data, mark):
    """How many bytes at the end of `data` may be the beginning of `mark`."""
    for count in range(min(len(data), len(mark) - 1), 0, -1):
        if data.endswith(mark[:count]):
            return count
    return 0
