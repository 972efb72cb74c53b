"""A worker process for Python functions: standard library only, Python 3.6 or newer.

Started by a manager, which passes three descriptors: 3 brings tasks, 4 takes results, 5 holds permits to start; or, in place of them,
the directory where they are named pipes. The frames are those of protocol/worker-frames.ts, specified in docs/frames.md; the payloads
are those of protocol/payload.ts.
"""
import collections
import json
import os
import struct
import sys
import time
import types

# The files beside this one may be on a disk that is read-only or another's: nothing is written there.
writes_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
from farcall_call import Call, failure_of  # noqa: E402
from farcall_cbor import NotSerialisable  # noqa: E402
from farcall_channel import open_channel  # noqa: E402
from farcall_environment import Children, Environment, Streams, watch_children  # noqa: E402
from farcall_traces import Traces  # noqa: E402
from farcall_values import decode_value, encode_value  # noqa: E402

sys.dont_write_bytecode = writes_bytecode

# Kept from here on: tests of users replace what modules have, and do not always put it back.
read, write, leave, process_id, now = os.read, os.write, os._exit, os.getpid, time.perf_counter
to_json, from_json = json.JSONEncoder().encode, json.JSONDecoder().decode


class Worker:
    def __init__(self, arguments):
        self.buffer = bytearray()
        self.held = collections.deque()
        self.calls = {}
        self.setup = None
        self.environment = Environment()
        self.streams = Streams()
        self.traces = Traces()
        self.tasks, self.results, self.permits = open_channel(arguments)
        self.stuck_at, self.awaited = 0, None
        self.pid = process_id()
        self.current = types.ModuleType("farcall_task")
        sys.modules["farcall_task"] = self.current

    def run(self):
        while self.setup is None:
            self.read_frames()
        version = "%d.%d.%d" % sys.version_info[:3]
        ready = {"kind": "ready", "token": self.setup["token"], "runtime": "python", "version": version, "pid": self.pid}
        self.write(to_json(ready), b"")
        sys.stdout, sys.stderr = self.streams.out, self.streams.err
        held = self.held
        while True:
            while not held:
                self.read_frames()
            try:
                permit = read(self.permits, 4)
            except BlockingIOError:
                # They were taken back, or somebody has their permits.
                self.say_stuck(held[-1][0]["n"], "")
                self.read_frames()
                continue
            if len(permit) < 4:
                return
            n = int.from_bytes(permit, "big")
            self.awaited = n
            while not held or held[-1][0]["n"] < n:
                self.say_stuck(n, ',"awaits":true')
                self.read_frames()
            self.awaited = None
            # A permit drops the tasks of lower numbers: they were taken back.
            task, body = held.popleft()
            while task["n"] < n:
                task, body = held.popleft()
            if task["n"] != n:
                self.broken("a permit for %d came, which is no task's" % n)
            self.run_task(task, body)

    def say_stuck(self, n, more):
        """Each number is said once."""
        if n != self.stuck_at:
            self.stuck_at = n
            self.write('{"kind":"stuck","token":"%s","n":%d%s}' % (self.setup["token"], n, more), b"")

    def broken(self, what):
        """The manager places elsewhere what is here and was not started."""
        self.write(to_json({"kind": "broken", "token": self.setup["token"], "what": what}), b"")
        leave(1)

    def read_frames(self):
        data = read(self.tasks, 262144)
        if not data:
            leave(0)
        try:
            self.cut_frames(data)
        except (ValueError, KeyError, TypeError):
            if self.setup is None:
                raise
            self.broken("what came was no frame")

    def cut_frames(self, data):
        buffer = self.buffer
        buffer += data
        at = 0
        while len(buffer) - at >= 8:
            head, body = struct.unpack_from(">II", buffer, at)
            end = at + 8 + head + body
            if len(buffer) < end:
                break
            self.on_frame(from_json(buffer[at + 8:at + 8 + head].decode("utf-8")), bytes(buffer[at + 8 + head:end]))
            at = end
        del buffer[:at]

    def on_frame(self, frame, body):
        kind = frame["kind"]
        if kind == "tasks":
            at = 0
            for task in frame["tasks"]:
                length = task.get("length", 0)
                self.held.append((task, body[at:at + length]))
                at += length
        elif kind == "call":
            self.calls[frame["call"]] = Call(frame, self.environment)
        elif kind == "setup":
            self.setup = frame
        elif kind == "sent":
            if frame["n"] == self.awaited and not any(task["n"] == self.awaited for task, _ in self.held):
                self.broken("task %d did not come" % self.awaited)

    def run_task(self, task, body):
        call = self.calls[task["call"]]
        self.prepare(call)
        self.current.id, self.current.attempt = task["id"], task["attempt"] + 1
        started = now()
        try:
            if call.wrong:
                raise call.wrong
            function = call.function or self.load(call)
            args, kwargs = self.arguments(task, body)
        except BaseException as error:
            self.report(task["n"], 0.0, failure=failure_of(error, "LOAD_ERROR", 1))
            return
        started = now()
        failure = value = None
        try:
            value = function(*args, **kwargs)
            if isinstance(value, types.CoroutineType):
                value = _run_coroutine(value)
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
            failure = {"code": "EXITED", "message": "the function called sys.exit(%r)" % (error.code,), "exitCode": status}
        except MemoryError as error:
            failure = failure_of(error, "OOM", 1)
            failure["message"] = failure["message"] or "it needed more memory than there was"
        except BaseException as error:
            failure = failure_of(error, "USER_ERROR", 1)
        ran = (now() - started) * 1000
        if process_id() != self.pid:
            # User code forked, and this is the child: only its parent may answer.
            leave(0)
        if failure:
            self.report(task["n"], ran, failure=failure)
            return
        try:
            encoding, data = encode_value(value)
            file = self.kept(task["n"], data)
        except NotSerialisable as error:
            details = {"path": error.path, "what": error.what}
            self.report(task["n"], ran, failure={"code": "RESULT_NOT_SERIALISABLE", "message": str(error), "details": details})
        except MemoryError:
            self.report(task["n"], ran, failure={"code": "RESULT_TOO_LARGE", "message": "the result does not fit into memory"})
        except Exception as error:
            self.report(task["n"], ran, failure=failure_of(error, "RESULT_NOT_SERIALISABLE", 1))
        else:
            self.report(task["n"], ran, encoding, data, file=file)

    def prepare(self, call):
        """What every task needs: where it fails, one before it has used this process up."""
        try:
            call.enter(self.environment)
            if call.function is None and call.text is None:
                call.text = call.source()
        except OSError as error:
            self.broken("it can be used no more: %s" % error)

    def load(self, call):
        function = call.load(call.text)
        call.text = None
        self.traces.keep()
        return function

    def arguments(self, task, body):
        if "file" in task:
            try:
                with open(task["file"], "rb") as payload:
                    body = payload.read()
            except OSError as error:
                self.broken("it can be used no more: %s" % error)
        encoding = task.get("encoding")
        value = decode_value(encoding, body)
        if encoding == "raw":
            return (value,), {}
        if type(value) is list:
            return value, {}
        if isinstance(value, dict) and isinstance(value.get("args", []), list) and set(value) <= {"args", "kwargs"}:
            return value.get("args", []), value.get("kwargs", {})
        raise TypeError("the arguments are neither an array nor { args, kwargs }")

    def kept(self, n, data):
        """Puts a result above the inline limit into a file; what the header says of it."""
        inline, limit = self.setup["inlineLimit"], self.setup["blobLimit"]
        return self.write_file("result-%d" % n, data) if inline < len(data) <= limit else ""

    def report(self, n, ran, encoding=None, data=b"", failure=None, file=""):
        self.traces.clear()
        setup = self.setup
        header = '{"n":%d,"token":"%s","ms":%.3f' % (n, setup["token"], ran)
        if encoding is not None and encoding != "json":
            header += ',"encoding":"%s"' % encoding
        if len(data) > setup["inlineLimit"]:
            if len(data) > setup["blobLimit"]:
                failure = {"code": "RESULT_TOO_LARGE"}
                failure["message"] = "the result has %d bytes; the limit is %d" % (len(data), setup["blobLimit"])
            header += file
            data = b""
        if failure is not None:
            header += ',"failure":' + to_json(failure)
        if self.streams.settle():
            mark = (setup["mark"] + "%08x\n" % n).encode()
            for fd in (1, 2):
                try:
                    _write_all(fd, mark)
                except OSError:
                    pass  # the task closed it: there is nothing to mark the end of
            header += ',"marked":true'
        if Children.started:
            Children.started = False
            header += ',"children":true'
        self.write(header + "}", data)

    def write_file(self, name, data):
        fd = os.open(os.path.join(self.setup["dir"], name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _write_all(fd, data)
        finally:
            os.close(fd)
        return ',"file":"%s","size":%d' % (name, len(data))

    def write(self, header, body):
        head = header.encode("utf-8")
        _write_all(self.results, struct.pack(">II", len(head), len(body)) + head + body)


def _run_coroutine(coroutine):
    import asyncio  # as long to load as all the rest of the worker, and seldom needed

    if hasattr(asyncio, "run"):
        return asyncio.run(coroutine)
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


def _write_all(fd, data):
    written = write(fd, data)
    while written < len(data):
        written += write(fd, memoryview(data)[written:])


def main():
    # The directory of this file is no place to import the user's modules from; their working directory is.
    sys.path[0] = os.getcwd()
    arguments, sys.argv = sys.argv[1:], [""]
    watch_children()
    Worker(arguments).run()
    leave(0)


if __name__ == "__main__":
    main()
