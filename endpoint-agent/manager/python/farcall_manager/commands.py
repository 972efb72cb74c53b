"""Shell commands: one process group each, its output captured, its exit code the outcome."""
import os
import shutil
import signal

from farcall_values import decode_value, encode_value

from .clock import now_ms
from .constants import INLINE_LIMIT_BYTES, WORKER_ENV
from .container import leaving_sign, limits_memory, took_sign, why_not_started
from .deaths import end_of_death, status_of
from .environment import launcher_env, scrubbed_env
from .exhaustion import is_exhausted, until_possible
from .leftovers import cgroup_name
from .memory import MemoryGuard
from .on_nodes import launcher_of
from .output import Capture, last_bytes, output_bytes, output_text
from .private import create_private, make_private
from .processes import Source, signal_group, start_process
from .task import End, not_started
from .template import fill_template

STDERR_WORDS = 2048
DRAIN_S = 0.3


class CommandRun:
    def __init__(self, name, task, pins, node):
        self.name, self.task, self.pins = name, task, pins
        self.home = None  # its directory; of a command on several nodes, one that all of them see
        self.sign = None  # a file that is there once its container has started; None without a container of its own
        limit_mb, by_runtime = task.info.resources["memoryMb"], limits_memory(task.info.fn.container)
        self.memory = MemoryGuard(cgroup_name("%s/%s\0" % (node.nonce, name)), limit_mb, node.oom, by_runtime)
        self.outputs = {"stdout": Capture(node.limits), "stderr": Capture(node.limits)}
        self.started, self.killed, self.pid = False, None, None
        self.status, self.sources, self.finished = None, {}, False


class Commands:
    """Runs commands; how many at once is the caller's business. `engine` hears of everything."""

    def __init__(self, node, engine):
        self.node, self.engine = node, engine
        self.runs, self.count = {}, 0

    def reserve(self, task, pins):
        """Takes a place for the task; returns the place's name."""
        self.count += 1
        run = self.runs[task] = CommandRun("command-%d" % self.count, task, pins, self.node)
        nodes, shared = (task.info.spec.get("resources") or {}).get("nodes"), self.node.config.shared_dir
        spread = nodes is not None and shared is not None
        run.home = os.path.join(shared, "%s-%s" % (self.node.nonce[:8], run.name)) if spread else os.path.join(self.node.dir, run.name)
        return run.name

    def start(self, task):
        run = self.runs[task]
        run.started, task.started_at = True, now_ms()
        try:
            self.launch(run)
        except Exception as error:
            # Whatever a user's arguments or template make of it, or a subprocess.SubprocessError: it is this task's own.
            if is_exhausted(error):
                self.forget(run)
                self.engine.on_exhausted(task, run.pins)
                return
            missing = run.sign is not None and isinstance(error, FileNotFoundError)
            words = why_not_started(task.info.fn.container, str(error)) if missing else str(error)
            end = not_started("LOAD_ERROR", words)
            end.worker = run.name
            self.finish(run, end)

    def start_answered(self, task, go):
        run = self.runs.get(task)
        if run is None or run.started:
            return False
        if go:
            self.start(task)
        else:
            del self.runs[task]
            run.memory.release()
            self.engine.free_command(task, run.pins)
        return True

    def kill(self, task, reason, grace_ms=None):
        run = self.runs.get(task)
        if run is None or run.killed:
            return
        run.killed = reason
        if run.pid is None:
            return
        signal_group(run.pid, signal.SIGTERM)
        grace = self.node.limits["killGraceMs"] if grace_ms is None else grace_ms

        def kill():
            if self.runs.get(task) is run and run.status is None:
                signal_group(run.pid, signal.SIGKILL)

        self.node.loop.call_later(grace / 1000, kill)

    def launch(self, run):
        node, task = self.node, run.task
        home = run.home
        temporary = os.path.join(home, "tmp")
        make_private(temporary)
        on_nodes = launcher_of(task, node.config, temporary)
        run.sign = None if on_nodes or not task.info.fn.container else os.path.join(node.dir, run.name + ".started")
        env = dict(node.env, **task.info.cores_env)
        env.update(on_nodes[1] if on_nodes else {})
        env.update(node.pinning.env(run.pins))
        env.update(task.info.fn.definition.get("env") or {})
        env.update(task.info.spec.get("env") or {})
        env.update(TMPDIR=temporary, FARCALL_TASK=task.id, FARCALL_ATTEMPT=str(task.attempt + 1))
        env[WORKER_ENV] = "%s/%s" % (node.nonce, run.name)
        env = (launcher_env if on_nodes else scrubbed_env)(os.environ, env)
        fields = argument_of(task)
        if on_nodes:
            fields = dict(fields, launcher=on_nodes[0] + self.contained(run, [], env))
        command = ["/bin/sh", "-c", fill_template(task.info.fn.template, fields)]
        command = command if on_nodes else self.contained(run, command, env)
        process = start_process(command, {"cwd": home, "env": env, "cores": run.pins.cores, "cgroup": run.memory.cgroup})
        run.pid = run.memory.pid = process.pid
        self.engine.pool.command_failures = 0
        self.engine.on_group(process.pid, True)
        for name, stream in (("stdout", process.stdout), ("stderr", process.stderr)):
            push = lambda data, name=name: self.on_data(run, name, data)  # noqa: E731
            run.sources[name] = Source(node.loop, stream, push, lambda name=name: self.on_closed(run, name))
        node.children.watch(process, lambda status: self.on_status(run, status))

    def contained(self, run, command, env):
        """In the function's container, if it has one; on several nodes that is behind the launcher."""
        container = run.task.info.fn.container
        if not container:
            return command
        info = run.task.info
        given = dict(info.fn.definition.get("env") or {}, **(info.spec.get("env") or {}))
        request = {"command": leaving_sign(command, run.sign) if run.sign else command, "env": list(env), "given": list(given)}
        gpus = self.node.pinning.gpus_of(run.pins)
        request.update(cwd=run.home, pins=run.pins, gpus=gpus, memory_mb=info.resources["memoryMb"], descriptors=0)
        return self.node.wrap(container, request)

    def on_data(self, run, name, data):
        run.outputs[name].push(data)
        self.engine.on_output(run.task, name, data)

    def on_closed(self, run, name):
        run.sources.pop(name, None)
        self.look(run)

    def on_status(self, run, status):
        run.status = status
        # The command's end is its shell's end: what it left running in its group goes with it.
        signal_group(run.pid, signal.SIGKILL)
        self.node.loop.call_later(DRAIN_S, self.close, run)
        self.look(run)

    def close(self, run):
        for source in list(run.sources.values()):
            source.end()

    def look(self, run):
        if run.status is not None and not run.sources and not run.finished:
            run.finished = True
            end = end_of_command(run)
            until_possible(self.node.loop, lambda: self.finish(run, end))

    def forget(self, run):
        del self.runs[run.task]
        run.memory.release()
        shutil.rmtree(run.home, ignore_errors=True)

    def finish(self, run, end):
        engine = self.engine
        if end.data is not None and len(end.data) > INLINE_LIMIT_BYTES:
            keep_large(end, os.path.join(self.node.uploads, run.name))
        self.forget(run)
        if run.pid is not None:
            engine.on_group(run.pid, False)
        engine.on_leftovers(run.name, None)
        engine.free_command(run.task, run.pins)
        engine.on_end(run.task, end)


def keep_large(end, path):
    """Puts a result above the inline limit into a file, which goes up later."""
    try:
        with create_private(path) as file:
            file.write(end.data)
        end.file = path
    except OSError as error:
        if is_exhausted(error):
            raise
        end.outcome, end.failure = "failed", {"code": "UNAVAILABLE", "message": "its result could not be stored: %s" % error}


def end_of_command(run):
    stdout, stderr = run.outputs["stdout"].take(), run.outputs["stderr"].take()
    task = run.task
    words = last_bytes(stderr, STDERR_WORDS).decode("utf-8", "replace").strip()
    end = End("succeeded", True, ran_ms=now_ms() - task.started_at, worker=run.name, stdout=stdout, stderr=stderr)
    exit_code, name = status_of(run.status)
    not_started = run.sign is not None and not took_sign(run.sign)
    if not_started and not run.killed and name is None and exit_code != 0:
        message = why_not_started(task.info.fn.container, "exit code %s: %s" % (exit_code, words))
        end.outcome, end.failure = "failed", {"code": "LOAD_ERROR", "message": message}
    elif run.killed or name is not None or run.memory.ran_out(run.status):
        end.outcome, end.failure = end_of_death(run.status, run.killed, run.memory, words)
    elif exit_code != 0 and not task.info.spec.get("allowFailure"):
        said = ": " + words if words else " and wrote nothing to stderr"
        message = "the command ended with exit code %d%s" % (exit_code, said)
        end.outcome, end.failure = "failed", {"code": "COMMAND_FAILED", "message": message, "exitCode": exit_code}
    else:
        end.encoding, end.data = encode_value(command_result(exit_code, stdout, stderr))
    return end


def command_result(exit_code, stdout, stderr):
    result = {"stdout": output_text(stdout), "stderr": output_text(stderr), "exitCode": exit_code}
    if any(output.total > len(output.head) + len(output.tail) for output in (stdout, stderr)):
        result["truncated"] = True
    for name, output in (("stdoutBytes", stdout), ("stderrBytes", stderr)):
        data = output_bytes(output)
        if data is not None:
            result[name] = data
    return result


def argument_of(task):
    body = task.body
    if task.file is not None:
        with open(task.file, "rb") as file:
            body = file.read()
    args = decode_value(task.encoding, body)
    if isinstance(args, dict):
        if args.get("kwargs"):
            raise TypeError("keyword arguments are for Python functions; pass a command its fields as one object")
        args = args.get("args") or []
    first = args[0] if isinstance(args, list) and args else None
    if first is None:
        return {}
    if isinstance(first, dict):
        return first
    raise TypeError("a command takes one argument, an object with a field for each {name} in its template")
