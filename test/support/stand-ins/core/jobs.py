"""What commands do to jobs: submit, cancel, hold, release, signal, requeue. The server process does the rest."""
import fcntl
import os

from core.state import now_ms


def submit(state, describe):
    """Adds a job. `describe(n)` gives its fields once the number is known: see README.md for what they mean."""
    with state.lock():
        number = state.next_number()
        job = {"n": number, "state": "queued", "queued": now_ms(), "nodes": 1, "starts": 0, "umask": 0o077}
        job.update(describe(number))
        if job.get("held"):
            job["state"] = "held"
        state.write(job)
        wake(state)
    return job


def change(state, numbers, changes):
    """Changes live jobs under the lock, and wakes the server."""
    with state.lock():
        for job in state.live():
            if job["n"] in numbers:
                job.update(changes(job) if callable(changes) else changes)
                state.write(job)
        wake(state)


def cancel(state, numbers, force=False):
    """Queued jobs end at once, as `qdel` does it; running ones are signalled by the server."""
    ask = {"at": now_ms(), "force": force}
    with state.lock():
        for job in state.live():
            if job["n"] not in numbers:
                continue
            if job["state"] in ("queued", "held"):
                job.update(state="done", ended=now_ms(), exit=None, cause="cancelled-pending")
            else:
                # A second cancel starts the delay anew: PBS does so.
                job["cancel"] = dict(ask, force=force or job.get("cancel", {}).get("force", False))
            state.write(job)
        wake(state)


def wake(state):
    """Tells the server that something changed; starts it when there is none. Call it with the lock held."""
    try:
        fd = os.open(state.path("wake"), os.O_WRONLY | os.O_NONBLOCK)
        os.write(fd, b"x")
        os.close(fd)
    except OSError:
        pass
    guard = os.open(state.path("server.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    finally:
        os.close(guard)
    _start_server(state)


def _start_server(state):
    import sys

    if os.fork() != 0:
        os.wait()
        return
    os.setsid()
    if os.fork() != 0:
        os._exit(0)
    null = os.open("/dev/null", os.O_RDWR)
    log = os.open(state.path("server.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.closerange(3, 256)
    main = os.path.join(os.path.dirname(os.path.abspath(__file__)), "server.py")
    os.execv(sys.executable, [sys.executable, "-SE", main, state.directory])
