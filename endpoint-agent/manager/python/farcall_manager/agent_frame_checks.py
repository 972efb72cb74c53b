"""
What is wrong with a frame of the agent, if anything is: such a connection is given up, and nothing of the frame is done. Frames of kinds not
known here are passed over, as a newer agent may send them.
"""
import math
import re

MAX_INTEGER = 2 ** 53 - 1
HASH = re.compile(r"[0-9a-f]{64}\Z")
RUNTIMES = ("javascript", "python", "command")
CONTAINERS = ("apptainer", "docker", "podman", "shifter")
RESOURCES = ("cores", "memoryMb", "gpus", "nodes", "ranksPerNode")


def frame_problem(frame, body):
    """None for a frame that may be acted upon."""
    if not isinstance(frame, dict) or not isinstance(frame.get("kind"), str):
        return "a frame of no kind"
    kind = frame["kind"]
    for name, check in FIELDS.get(kind, {}).items():
        if not check(frame.get(name)):
            return "a frame %s with another %s than there may be" % (kind, name)
    if kind == "tasks" and not _fits(frame["specs"], frame["tasks"], body):
        return "a frame tasks that does not fit its body or its specs"
    return None


def _text(value):
    return isinstance(value, str)


def _truth(value):
    return isinstance(value, bool)


def _count(value):
    return type(value) is int and 0 <= value <= MAX_INTEGER


def _number(value):
    return type(value) in (int, float) and math.isfinite(value) and abs(value) <= MAX_INTEGER


def _hash(value):
    return isinstance(value, str) and HASH.match(value) is not None


def _optional(check):
    return lambda value: value is None or check(value)


def _every(check):
    return lambda value: isinstance(value, list) and all(map(check, value))


def _lease(value):
    return isinstance(value, list) and len(value) == 2 and _text(value[0]) and _count(value[1])


def _variables(value):
    return isinstance(value, dict) and all(map(_text, value.values()))


def _resources(value):
    return isinstance(value, dict) and all(_count(value[name]) for name in RESOURCES if name in value)


def _container(value):
    known = isinstance(value, dict) and value.get("runtime") in CONTAINERS
    return known and _text(value.get("image")) and _every(_text)(value.get("binds"))


def _having(fields):
    def check(value):
        if not isinstance(value, dict):
            return False
        for name, inner in fields:
            if not inner(value.get(name)):
                return False
        return True

    return check


is_definition = _having([
    ("runtime", lambda value: value in RUNTIMES), ("entry", _text), ("code", _hash), ("env", _optional(_variables)),
    ("container", _optional(_container)),
])
_spec = _having([
    ("key", _count), ("owner", _text), ("function", _text), ("env", _optional(_variables)), ("resources", _optional(_resources)),
    ("timeoutMs", _optional(_number)),
])
_task = _having([
    ("blob", _optional(_hash)), ("encoding", _optional(_text)), ("hosts", _optional(_every(_text))),
])


def _fits(specs, tasks, body):
    """Each task names a spec, and together they name all of the body. In one loop, as there are many."""
    length = 0
    for task in tasks:
        if not isinstance(task, dict):
            return False
        spec, own = task.get("spec") or 0, task.get("length") or 0
        numbers = type(spec) is int and type(own) is int and type(task.get("lease")) is int and type(task.get("attempt")) is int
        if not numbers or not 0 <= spec < len(specs) or own < 0 or not isinstance(task.get("id"), str):
            return False
        if ("blob" in task or "encoding" in task or "hosts" in task) and not _task(task):
            return False
        if task.get("blob") is None:
            length += own
    return length == len(body)


FIELDS = {
    "welcome": {"remainingDeadlineMs": _number, "keep": _every(_lease)},
    "refused": {"reason": _text},
    "beat-answer": {"sentAt": _number, "remainingDeadlineMs": _number},
    "tasks": {"specs": _every(_spec), "tasks": lambda value: isinstance(value, list)},
    "taken": {"message": _count},
    "start": {"id": _text, "lease": _count, "go": _truth},
    "cancel": {"leases": _every(_lease)},
    "give-back": {"count": _count},
    "function": {"function": _text},
    "function-error": {"function": _text, "code": _text, "message": _text},
    "blob-chunk": {"blob": _text, "offset": _count, "size": _count, "end": _truth},
    "blob-error": {"blob": _text, "message": _text},
    "taken-blob": {"blob": _text, "task": _text, "lease": _count, "error": _optional(_text)},
    "watch": {"task": _text, "watch": _truth},
}
