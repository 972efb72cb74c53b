"""How many tasks a worker may hold: what its functions' observed times make a few milliseconds."""

HOLD_MS = 10
MAX_HELD = 64
WEIGHT = 0.2


class RunTime:
    """What is known of a function's running time here."""

    def __init__(self):
        self.ewma_ms = None
        #: it starts processes: the search for what they left must be over before the next task starts
        self.spawns = False

    def observe(self, ran_ms):
        self.ewma_ms = ran_ms if self.ewma_ms is None else self.ewma_ms + WEIGHT * (ran_ms - self.ewma_ms)

    def hold(self):
        """How many tasks of the function a worker may hold, the running one included."""
        if self.spawns or self.ewma_ms is None:
            return 1
        return max(1, min(MAX_HELD, int(HOLD_MS / max(self.ewma_ms, 1e-6))))


def hand_over(waiting, held, limit, sharers):
    """How many of `waiting` tasks to give to a worker that holds `held`, when `sharers` workers may take of them."""
    # A worker above half of its hold is left alone, so that it is refilled by a batch and not one by one.
    if held > 0 and held > limit / 2:
        return 0
    return min(limit - held, max(1, -(-waiting // max(1, sharers))))
