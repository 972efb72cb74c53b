"""The moment at which work without contact ends (PROTOCOL.md rules 19 and 20), and how long the block may still live."""
import time

from .clock import now_ms, uptime_ms

#: shorter when the whole time is short, as in tests
TERM_BEFORE_MS = 5000


class Deadline:
    """Starts `orphan_timeout_ms` from now; `on_move` hears of every later moment."""

    def __init__(self, orphan_timeout_ms, on_move):
        self.at = uptime_ms() + orphan_timeout_ms
        self.term_before_ms = min(TERM_BEFORE_MS, orphan_timeout_ms / 4)
        self.on_move = on_move

    def extend(self, sent_at, remaining_ms):
        """The agent answered what was sent at `sent_at`. It never moves backwards, nor from the past."""
        # Once passed, it stays so: the work may have been given to others since.
        if sent_at + remaining_ms <= self.at or uptime_ms() >= self.at:
            return
        self.at = sent_at + remaining_ms
        self.on_move(self.at)

    def passed(self):
        return uptime_ms() >= self.at

    def near(self):
        """Whether it is so near that a new start would be killed."""
        return uptime_ms() >= self.at - self.term_before_ms


def remaining_time(walltime_ms, ends_at):
    """
    A function that says how many ms are left until the walltime's end. `ends_at` (Unix seconds) was noted by the block's script; it
    is believed only if it is plausible, as it is another machine's clock.
    """
    if walltime_ms is None:
        return lambda: None
    noted = int(ends_at) * 1000 - time.time() * 1000 if ends_at and ends_at.isdigit() and 9 <= len(ends_at) <= 11 else 0
    at_start = noted if 0 < noted < walltime_ms else walltime_ms
    started_at = now_ms()
    return lambda: at_start - (now_ms() - started_at)
