"""One warm worker: the tasks that it holds, and what its frames and its death mean for them."""
from .clock import now_ms
from .deaths import end_of_death
from .output import last_bytes
from .task import End
from .worker_results import checked_failure, result_problem

#: how long a task's output is waited for after its result
MARK_WAIT_S = 1.0
STDERR_WORDS = 2048


class Worker:
    """`pool` hears of it: on_ready, on_end, on_room, on_children and on_broken."""

    def __init__(self, name, runtime, kind, pool):
        self.name, self.runtime, self.pool = name, runtime, pool
        self.memory_mb, self.pins, self.pin_class, self.container = kind
        self.process = self.memory = None
        self.key = None  # which queues it may serve; None while it has served none
        self.queue = None  # the queue that it serves now: it holds the resources of one of its tasks
        self.state = "starting"  # ready, ending
        self.tasks = []  # what it holds; the first is running
        self.marking = {}  # tasks that have ended, and whose output has not come yet
        self.reserved = None  # at-most-once: waits for its start to be committed
        self.idle_since = now_ms()
        self.deaf_since = None  # since when it has not taken up what it was given
        self.functions, self.done = set(), 0
        self.own_pid = None  # as it says itself, when it is ready
        self.killed = None
        self.last_number, self.calls = 0, {}
        self.theft = None  # the task behind which permits were gone, and for how many rounds

    def hand(self, tasks):
        """Hands over tasks for which it has room."""
        entries, numbers, chunks, now = [], [], [], now_ms()
        for task in tasks:
            self.last_number += 1
            task.n, task.started_at = self.last_number, now
            numbers.append(task.n)
            entry = {"n": task.n, "id": task.id, "call": self.call_of(task), "attempt": task.attempt}
            if task.encoding and task.encoding != "json":
                entry["encoding"] = task.encoding
            if task.file is not None:
                entry["file"] = task.file
            else:
                entry["length"] = len(task.body)
                chunks.append(task.body)
            entries.append(entry)
            self.tasks.append(task)
        if self.process.permits.grant(numbers):
            self.process.send({"kind": "tasks", "tasks": entries}, chunks)
        else:
            self.not_handed(tasks)

    def not_handed(self, tasks):
        """User code has filled the pipe: without a permit none of them was started."""
        del self.tasks[-len(tasks):]
        for task in tasks:
            task.n = 0
        self.pool.on_unpermitted(self, tasks)

    def call_of(self, task):
        info = task.info
        call = self.calls.get(info)
        if call is None:
            call = self.calls[info] = len(self.calls) + 1
            fn = info.fn
            self.functions.add(fn.id)
            frame = {"kind": "call", "call": call, "file": fn.file, "entry": fn.definition.get("entry", "default")}
            env = dict(info.cores_env, **dict(fn.definition.get("env") or {}, **(info.spec.get("env") or {})))
            if env:
                frame["env"] = env
            self.process.send(frame)
        return call

    def take_back(self):
        """Takes back what the worker has not started, in order."""
        numbers = set(self.process.permits.take_back())
        back = [task for task in self.tasks if task.n in numbers]
        if back:
            self.tasks[:] = [task for task in self.tasks if task.n not in numbers]
            for task in back:
                task.n = 0
        return back

    def on_frame(self, frame, body):
        """Takes a frame of the worker; returns what is wrong with it, if anything is."""
        if not isinstance(frame, dict) or frame.get("token") != self.process.token:
            return "a frame without its token came from it"
        if "kind" in frame:
            if frame["kind"] != "ready":
                return self.on_trouble(frame)
            if self.state != "starting":
                return "it said ready twice" if self.state == "ready" else None
            self.state, self.own_pid = "ready", frame.get("pid")
            self.pool.on_ready(self)
            return None
        task = self.tasks[0] if self.tasks else None
        if task is None or type(frame.get("n")) is not int or task.n != frame["n"]:
            return "it reported a task that it was not running"
        problem = result_problem(frame, body)
        if problem:
            return problem
        self.on_result(task, frame, body)
        return None

    def on_result(self, task, frame, body):
        self.tasks.pop(0)
        self.done += 1
        self.deaf_since = None
        if self.tasks:
            self.tasks[0].started_at = now_ms()
        time = task.info.fn.time
        time.observe(frame["ms"])
        end = self.end_of_result(frame, body)
        if frame.get("children"):
            time.spawns = True
            self.pool.on_children(self)
        if frame.get("marked"):
            self.with_marked_output(task, end)
        else:
            for name, stream in self.process.outputs.items():
                setattr(end, name, stream.unmarked())
            self.pool.on_end(task, end)
        self.pool.on_room(self)

    def on_trouble(self, frame):
        """Tells what is so for a moment from what user code has done to the descriptors."""
        if frame["kind"] == "broken":
            self.pool.on_broken(self, str(frame.get("what"))[:200])
        elif frame["kind"] != "stuck" or type(frame.get("n")) is not int:
            return "a frame of no known kind came from it"
        elif frame.get("awaits") and any(task.n == frame["n"] for task in self.tasks):
            self.process.send({"kind": "sent", "n": frame["n"]})
        elif frame.get("awaits"):
            self.pool.on_broken(self, "a permit came that was not given")
        elif any(task.n <= frame["n"] for task in self.tasks):
            self.pool.on_broken(self, "permits were taken by somebody else")
        return None

    def end_of_result(self, frame, body):
        end = End("succeeded", True, ran_ms=frame["ms"], worker=self.name, encoding=frame.get("encoding"))
        if frame.get("failure") is not None:
            end.outcome, end.failure = "failed", checked_failure(frame["failure"])
        elif frame.get("file") is None:
            end.data = body
        else:
            try:
                end.file = self.process.take_file(frame["n"])
            except OSError as error:
                end.outcome, end.failure = "failed", {"code": "INTERNAL", "message": "its result was not found: %s" % error}
        return end

    def with_marked_output(self, task, end):
        n, names = task.n, ["stdout", "stderr"]
        self.marking[n] = task

        def came(name, output):
            setattr(end, name, output)
            names.remove(name)
            if not names:
                self.marking.pop(n, None)
                self.pool.on_end(task, end)

        for name in list(names):
            self.process.outputs[name].until(n, MARK_WAIT_S, lambda output, name=name: came(name, output))

    def writing_task(self, stream):
        """Whose output comes from it now."""
        n = self.process.outputs[stream].waiting()
        if n is not None:
            return self.marking.get(n)
        return self.tasks[0] if self.tasks else None

    def on_death(self, status):
        """Splits what it held: (started task, its end, tasks that were not started, last words)."""
        unstarted = self.take_back()
        held, self.tasks[:] = list(self.tasks), []
        started, rest = (held[0], held[1:]) if held else (None, [])
        stdout, stderr = (self.process.outputs[name].end() for name in ("stdout", "stderr"))
        words = last_bytes(stderr, STDERR_WORDS).decode("utf-8", "replace").strip()
        outcome, failure = end_of_death(status, self.killed, self.memory, words)
        ran_ms = now_ms() - started.started_at if started else 0
        end = End(outcome, True, failure, ran_ms=ran_ms, worker=self.name, stdout=stdout, stderr=stderr)
        # Counted as a hand-out, so that one which tampers with its own is not handed out for ever.
        if started and self.killed and self.killed["kind"] == "broken" and not started.info.at_most_once:
            end.outcome, end.started, end.failure = "returned", False, None
        return started, end, rest + unstarted, words
