"""What the end of a worker process means for the task that it was running (FAULTS.md W1 to W5), and for one that the site took away."""
import re
import signal

from .task import End

#: signals that somebody outside sends; what a crash raises is not among them
FROM_OUTSIDE = {"SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGPWR"}
MEMORY_ENDED = re.compile(r"std::bad_alloc|MemoryError")
#: schedulers signal every process of a job at once: a worker's end may be seen before the manager's own signal
TAKEN_WAIT_S = 0.3
NOTICES = ("SIGTERM", "SIGUSR1", "SIGUSR2", "SIGINT", "SIGXCPU")
#: as shells pass on that a signal ended their command
NOTICE_CODES = {128 + int(getattr(signal, name)) for name in NOTICES}


def status_of(status):
    """(exit code, signal's name) of a child's status, one of them None."""
    if status >= 0:
        return status, None
    try:
        return None, signal.Signals(-status).name
    except ValueError:
        return None, "SIG%d" % -status


def end_of_death(status, killed, memory, stderr_tail):
    """(outcome, failure) of the started task. `killed` says why the manager itself ended the process, if it did."""
    exit_code, name = status_of(status)
    kind = killed["kind"] if killed else None
    if kind == "timeout":
        return "failed", {"code": "TIMEOUT", "message": "it ran longer than its timeout of %d ms" % killed["timeoutMs"]}
    if kind == "cancel":
        return "failed", {"code": "CANCELLED", "message": "it was cancelled while it ran"}
    if kind == "stop":
        return "lost", {"code": "MANAGER_LOST", "message": killed["why"]}
    if kind == "broken":
        return "lost", {"code": "MANAGER_LOST", "message": "its worker was replaced: " + killed["what"]}
    if kind == "forged":
        return "lost", {"code": "WORKER_LOST", "message": "its worker was killed: " + killed["what"], "details": {"forged": True}}
    if kind == "memory" or memory.ran_out(status) or (name is not None and MEMORY_ENDED.search(stderr_tail)):
        return "failed", _out_of_memory(memory)
    if name in FROM_OUTSIDE:
        return "lost", {"code": "WORKER_LOST", "message": "its worker was ended from outside by " + name, "signal": name}
    words = "; the end of stderr: " + stderr_tail if stderr_tail else ""
    if name is not None:
        return "failed", {"code": "SIGNAL", "message": "the worker was ended by %s (%d)%s" % (name, -status, words), "signal": name}
    message = "the worker process exited with code %d while the function ran%s" % (exit_code, words)
    return "failed", {"code": "EXITED", "message": message, "exitCode": exit_code}


def _out_of_memory(memory):
    limit = "its limit of %d MB" % memory.limit_mb if memory.limit_mb else "the memory there was"
    peak = "" if memory.peak_mb is None else "; its peak was %d MB resident" % round(memory.peak_mb)
    details = {"limitMb": memory.limit_mb}
    if memory.peak_mb is not None:
        details["peakMb"] = round(memory.peak_mb)
    return {"code": "OOM", "message": "it needed more than %s%s" % (limit, peak), "details": details}


def may_be_taken(end):
    """Whether a task may have ended so because its node is being taken away."""
    failure = end.failure
    if failure is None or end.outcome not in ("lost", "failed"):
        return False
    if failure["code"] == "MANAGER_LOST":
        return True
    if failure.get("signal") is not None:
        return failure["signal"] in NOTICES
    return failure.get("exitCode") in NOTICE_CODES


def taken_end(end):
    """The same end, once it is known that the node is being taken away."""
    if not may_be_taken(end):
        return end
    return End("returned", end.started, ran_ms=end.ran_ms, worker=end.worker, stdout=end.stdout, stderr=end.stderr)
