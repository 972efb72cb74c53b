"""What this process or its node has no more of just now: descriptors, processes, memory (FAULTS.md A9). It is waited for."""
import errno

CODES = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)

#: so long until what could not be done for want of something is tried again
EXHAUSTED_RETRY_S = 1.0


def is_exhausted(error):
    """Whether an error says that something is used up: no fault of what was tried."""
    return isinstance(error, OSError) and error.errno in CODES


def until_possible(loop, act):
    """Does it now, or as soon as there is something to do it with."""
    try:
        act()
    except OSError as error:
        if not is_exhausted(error):
            raise
        loop.call_later(EXHAUSTED_RETRY_S, until_possible, loop, act)
