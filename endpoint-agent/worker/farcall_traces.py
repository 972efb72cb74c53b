"""Takes away what a task leaves in its process: signal handlers, timers, masks, the umask, sys.path and limits.

What a module does while it is loaded belongs to the module and stays.
"""
import _signal
import functools
import os
import signal
import sys

# signal.getsignal makes an enum of the answer, which costs more than all else a task needs; _signal's does not.
SIGTERM, SIG_DFL = int(signal.SIGTERM), int(signal.SIG_DFL)
TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)


class Traces:
    """Notes through the functions that make traces that there are some, so that a task that makes none costs next to nothing."""

    def __init__(self):
        self.handlers = {}
        self.umask = None
        self.timers = self.mask = False
        self.blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        self.wakeup = _signal.set_wakeup_fd(-1)
        self.watch(signal, "signal", self.note_handler)
        self.watch(signal, "setitimer", self.note_timer)
        self.watch(signal, "alarm", self.note_timer)
        self.watch(signal, "pthread_sigmask", self.note_mask)
        self.set_umask = self.watch(os, "umask", None, self.note_umask)
        self.keep()

    @staticmethod
    def watch(module, name, before, after=None):
        original = getattr(module, name)

        @functools.wraps(original)
        def noting(*args, **kwargs):
            if before is not None:
                before(*args, **kwargs)
            value = original(*args, **kwargs)
            if after is not None:
                after(value)
            return value

        setattr(module, name, noting)
        return original

    def note_handler(self, signalnum, *_rest, **_named):
        try:
            self.handlers.setdefault(int(signalnum), _signal.getsignal(signalnum))
        except (TypeError, ValueError):
            pass  # the call itself will say what is wrong with it

    def note_timer(self, *_args, **_named):
        self.timers = True

    def note_mask(self, *_args, **_named):
        self.mask = True

    def note_umask(self, before):
        if self.umask is None:
            self.umask = before

    def keep(self):
        """Takes what there is for what is to be: a module was loaded."""
        self.handlers.clear()
        self.timers = False
        self.path = list(sys.path)
        self.limit = sys.getrecursionlimit()
        self.trace, self.profile = sys.gettrace(), sys.getprofile()

    def clear(self):
        """A task has ended."""
        if self.timers:
            self.timers = False
            for timer in TIMERS:
                _signal.setitimer(timer, 0)
        if self.handlers:
            self.restore_handlers()
        # Not only what was noted: it would keep the worker from being ended.
        if _signal.getsignal(SIGTERM) != SIG_DFL:
            _signal.signal(SIGTERM, SIG_DFL)
        if self.mask:
            self.mask = False
            _signal.pthread_sigmask(signal.SIG_SETMASK, self.blocked)
        if self.umask is not None:
            self.set_umask(self.umask)
            self.umask = None
        if sys.path != self.path:
            sys.path[:] = self.path
        if sys.getrecursionlimit() != self.limit:
            sys.setrecursionlimit(self.limit)
        if sys.gettrace() is not self.trace:
            sys.settrace(self.trace)
        if sys.getprofile() is not self.profile:
            sys.setprofile(self.profile)

    def restore_handlers(self):
        _signal.set_wakeup_fd(-1)
        for number, handler in self.handlers.items():
            # One that is not Python's own cannot be put back.
            if handler is not None and _signal.getsignal(number) is not handler:
                _signal.signal(number, handler)
        self.handlers.clear()
