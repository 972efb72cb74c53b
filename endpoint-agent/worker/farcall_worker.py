"""A worker process for Python functions: one file, standard library only, Python 3.6 or newer.

Started by a manager, which passes three descriptors: 3 brings tasks, 4 takes results, 5 holds permits to start. The frames
are those of protocol/worker-frames.ts, specified in docs/frames.md; the payloads are those of protocol/payload.ts.
"""
import _signal
import array
import asyncio
import collections
import datetime
import io
import json
import math
import os
import re
import signal
import struct
import sys
import time
import traceback
import types

TASKS_FD, RESULTS_FD, PERMITS_FD = 3, 4, 5
# signal.getsignal makes an enum of the answer, which costs more than all else a task needs.
SIGTERM, SIG_DFL, raw_getsignal = int(signal.SIGTERM), int(signal.SIG_DFL), _signal.getsignal
MAX_SAFE = 2 ** 53 - 1
MAX_DEPTH = 500
MAX_JSON_DEPTH = 100
MAX_TEXT = 16 * 1024
UTC = datetime.timezone.utc
to_json = json.JSONEncoder(separators=(",", ":")).encode
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)


# ---------------------------------------------------------------------------------------------------------------- payloads


class NotSerialisable(Exception):
    """A value cannot be sent back; `path` says where in the result it is."""

    def __init__(self, path, what):
        super().__init__("%s is %s, which cannot be sent" % (path, what))
        self.path, self.what = path, what


class Undecodable(Exception):
    """The bytes are no value of this encoding."""


def encode_value(value):
    """Returns (encoding, bytes)."""
    if is_plain(value, 0):
        return "json", to_json(value).encode("ascii")
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "raw", bytes(value)
    return "cbor", encode_cbor(value)


def decode_value(encoding, data):
    if encoding is None or encoding == "json":
        return json.loads(bytes(data).decode("utf-8"))
    if encoding == "raw":
        return bytes(data)
    return decode_cbor(data)


def is_plain(value, depth):
    """Whether JSON gives the same value back, in JavaScript too."""
    kind = type(value)
    if value is None or kind is str or kind is bool:
        return True
    if kind is int:
        return -MAX_SAFE <= value <= MAX_SAFE
    if kind is float:
        return math.isfinite(value)
    if depth > MAX_JSON_DEPTH:
        return False
    if kind is list or kind is tuple:
        for item in value:
            if not is_plain(item, depth + 1):
                return False
        return True
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str or not is_plain(item, depth + 1):
                return False
        return True
    return False


# RFC 8746, little-endian: tag -> (array.array's type code, numpy's). The big-endian tags are these less 4.
TYPED = {
    64: ("B", "u1"), 68: ("B", "u1"), 69: ("H", "<u2"), 70: ("I", "<u4"), 71: ("Q", "<u8"),
    72: ("b", "i1"), 77: ("h", "<i2"), 78: ("i", "<i4"), 79: ("q", "<i8"), 84: ("e", "<f2"), 85: ("f", "<f4"), 86: ("d", "<f8"),
}
TAG_OF_NUMPY = {"u1": 64, "u2": 69, "u4": 70, "u8": 71, "i1": 72, "i2": 77, "i4": 78, "i8": 79, "f2": 84, "f4": 85, "f8": 86}


def encode_cbor(value):
    out = []
    _write(out.append, value, [])
    return b"".join(out)


def _head(major, value):
    if value < 24:
        return bytes((major << 5 | value,))
    if value < 0x100:
        return bytes((major << 5 | 24, value))
    if value < 0x10000:
        return struct.pack(">BH", major << 5 | 25, value)
    if value < 0x100000000:
        return struct.pack(">BI", major << 5 | 26, value)
    return struct.pack(">BQ", major << 5 | 27, value)


def _write(put, value, path):
    # One frame a level: Python's own recursion limit must not be met before MAX_DEPTH.
    if value is None:
        put(b"\xf6")
    elif value is True:
        put(b"\xf5")
    elif value is False:
        put(b"\xf4")
    elif isinstance(value, int):
        put(_integer(int(value)))
    elif isinstance(value, float):
        put(struct.pack(">Bd", 0xFB, value))
    elif isinstance(value, str):
        put(_text(value, path))
    elif isinstance(value, (list, tuple, set, frozenset)):
        if isinstance(value, (set, frozenset)):
            put(_head(6, 258))
        put(_head(4, len(value)))
        _check_depth(path)
        for index, item in enumerate(value):
            path.append(index)
            _write(put, item, path)
            path.pop()
    elif isinstance(value, dict):
        _check_depth(path)
        plain = all(isinstance(key, str) for key in value)
        if not plain:
            put(_head(6, 259))
        put(_head(5, len(value)))
        for key, item in value.items():
            path.append(key)
            if plain and key == "__proto__":
                _refuse(path, "a field named __proto__")
            _write(put, key, path)
            _write(put, item, path)
            path.pop()
    elif isinstance(value, (bytes, bytearray, memoryview)):
        data = bytes(value)
        put(_head(2, len(data)))
        put(data)
    elif isinstance(value, datetime.datetime):
        # As Python itself has it, a time without zone is local time.
        seconds = value.timestamp()
        put(_head(6, 1))
        _write(put, int(seconds) if seconds == int(seconds) else seconds, path)
    elif isinstance(value, datetime.date):
        put(_head(6, 1004))
        put(_text(value.isoformat(), path))
    elif isinstance(value, array.array):
        _write_array(put, value, path)
    elif isinstance(value, BaseException):
        put(_head(6, 27))
        _write(put, [type(value).__name__, str(value)], path)
    elif type(value).__module__ == "numpy":
        _write_numpy(put, value, path)
    else:
        _refuse(path, "a " + type(value).__name__)


def _check_depth(path):
    if len(path) >= MAX_DEPTH:
        del path[8:]
        _refuse(path, "a cycle, or nested deeper than %d levels" % MAX_DEPTH)


def _integer(value):
    if 0 <= value <= MAX_SAFE:
        return _head(0, value)
    if -MAX_SAFE <= value < 0:
        return _head(1, -1 - value)
    tag, magnitude = (2, value) if value > 0 else (3, -1 - value)
    data = magnitude.to_bytes((magnitude.bit_length() + 7) // 8, "big")
    return _head(6, tag) + _head(2, len(data)) + data


def _text(value, path):
    try:
        data = value.encode("utf-8")
    except UnicodeEncodeError:
        _refuse(path, "text with half of a surrogate pair, which UTF-8 cannot carry")
    return _head(3, len(data)) + data


def _write_array(put, value, path):
    kind = {"B": "u", "H": "u", "I": "u", "L": "u", "Q": "u", "f": "f", "d": "f"}.get(value.typecode, "i")
    tag = TAG_OF_NUMPY.get(kind + str(value.itemsize))
    if tag is None or value.typecode == "u":
        _refuse(path, "an array of characters")
    if sys.byteorder == "big":
        value = array.array(value.typecode, value)
        value.byteswap()
    data = value.tobytes()
    put(_head(6, tag) + _head(2, len(data)))
    put(data)


def _write_numpy(put, value, path):
    import numpy

    if isinstance(value, numpy.generic) or (isinstance(value, numpy.ndarray) and value.ndim == 0):
        item = value.item()
        if type(item).__module__ == "numpy":
            _refuse(path, "a " + type(value).__name__)
        _write(put, item, path)
        return
    if not isinstance(value, numpy.ndarray):
        _refuse(path, "a numpy " + type(value).__name__)
    tag = TAG_OF_NUMPY.get(value.dtype.kind + str(value.dtype.itemsize))
    if tag is None:
        if value.dtype.kind not in "bUSO":
            _refuse(path, "a numpy array of " + str(value.dtype))
        _write(put, value.tolist(), path)
        return
    data = numpy.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<")).tobytes()
    if value.ndim > 1:
        put(_head(6, 40) + _head(4, 2))
        _write(put, list(value.shape), path)
    put(_head(6, tag) + _head(2, len(data)))
    put(data)


def _refuse(path, what):
    text = "value"
    for key in path:
        if isinstance(key, str) and re.match(r"^[^\W\d]\w*$", key):
            text += "." + key
        else:
            text += "[%s]" % (json.dumps(key) if isinstance(key, (str, int, float)) else repr(key)[:40])
    raise NotSerialisable(text, what)


def decode_cbor(data):
    reader = _Reader(bytes(data))
    try:
        value = reader.read(0)
    except (struct.error, IndexError):
        raise Undecodable("the CBOR value is cut short")
    if reader.at != len(reader.data):
        raise Undecodable("the CBOR value is followed by more")
    return value


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def unsigned(self, info):
        if info < 24:
            return info
        if info > 27:
            raise Undecodable("the CBOR value has a length of no known kind")
        size = 1 << (info - 24)
        self.at += size
        return int.from_bytes(self.take_at(self.at - size, size), "big")

    def take_at(self, at, size):
        if at + size > len(self.data):
            raise Undecodable("the CBOR value is cut short")
        return self.data[at:at + size]

    def string(self, info, major):
        if info != 31:
            size = self.unsigned(info)
            self.at += size
            return self.take_at(self.at - size, size)
        parts = []
        while self.data[self.at] != 0xFF:
            head = self.data[self.at]
            self.at += 1
            if head >> 5 != major or head & 31 == 31:
                raise Undecodable("the CBOR value has a chunk of another kind")
            parts.append(self.string(head & 31, major))
        self.at += 1
        return b"".join(parts)

    def more(self, info):
        """Yields once for each item of an array or map."""
        if info != 31:
            for _ in range(self.unsigned(info)):
                yield
            return
        while self.data[self.at] != 0xFF:
            yield
        self.at += 1

    def read(self, depth, hashable=False):
        if depth > 2 * MAX_DEPTH:
            raise Undecodable("the CBOR value is nested deeper than %d levels" % MAX_DEPTH)
        head = self.data[self.at]
        self.at += 1
        major, info = head >> 5, head & 31
        if major == 0:
            return self.unsigned(info)
        if major == 1:
            return -1 - self.unsigned(info)
        if major == 2:
            return self.string(info, 2)
        if major == 3:
            return self.string(info, 3).decode("utf-8")
        if major == 4:
            items = [self.read(depth + 1, hashable) for _ in self.more(info)]
            return tuple(items) if hashable else items
        if major == 5:
            found = {}
            for _ in self.more(info):
                key = self.read(depth + 1, True)
                found[key] = self.read(depth + 1)
            return found
        if major == 6:
            tag = self.unsigned(info)
            return _tagged(tag, self.read(depth + 1, hashable or tag == 258))
        return self.simple(info)

    def simple(self, info):
        if info in (20, 21):
            return info == 21
        if info in (22, 23):
            return None
        if info in (25, 26, 27):
            size = 1 << (info - 24)
            self.at += size
            return struct.unpack({25: ">e", 26: ">f", 27: ">d"}[info], self.data[self.at - size:self.at])[0]
        raise Undecodable("the CBOR value has the simple value %d, which is not known here" % info)


def _tagged(tag, value):
    if tag == 2:
        return int.from_bytes(value, "big")
    if tag == 3:
        return -1 - int.from_bytes(value, "big")
    if tag == 1:
        # JavaScript's invalid date is no date.
        return EPOCH + datetime.timedelta(seconds=value) if math.isfinite(value) else None
    if tag == 0:
        return _date_of_text(value)
    if tag == 1004:
        return datetime.date(*map(int, value.split("-")))
    if tag == 258:
        return set(value)
    if tag in (259, 55799):
        return value
    if tag == 27:
        return {"name": value[0], "message": value[1]}
    if tag == 40:
        return _shaped(value[0], value[1])
    if 64 <= tag <= 87:
        return _typed_array(tag, value)
    raise Undecodable("the CBOR value has the tag %d, which is not known here" % tag)


def _date_of_text(text):
    match = re.match(r"^(\d+)-(\d+)-(\d+)[Tt ](\d+):(\d+):(\d+)(\.\d+)?(?:[Zz]|([+-])(\d+):(\d+))$", text)
    if not match:
        raise Undecodable("the CBOR value has a date of unknown form: " + text[:40])
    fraction, sign, hours, minutes = match.group(7, 8, 9, 10)
    offset = datetime.timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
    date = datetime.datetime(*map(int, match.groups()[:6]), tzinfo=UTC)
    return date + datetime.timedelta(seconds=float(fraction or 0)) - offset


def _numpy():
    try:
        import numpy
    except ImportError:
        return None
    return numpy


def _typed_array(tag, data):
    little = TYPED.get(tag)
    kind = little or TYPED.get(tag + 4)
    if kind is None or not isinstance(data, bytes):
        raise Undecodable("the CBOR value has the tag %d, which is not known here" % tag)
    numpy = _numpy()
    if numpy:
        found = numpy.frombuffer(data, dtype=kind[1] if little else kind[1].replace("<", ">"))
        return found.astype(found.dtype.newbyteorder("="))
    if kind[0] == "e":
        count = len(data) // 2
        return array.array("f", struct.unpack(("<" if little else ">") + "%de" % count, data))
    found = array.array(kind[0])
    found.frombytes(data)
    if (sys.byteorder == "little") != bool(little) and kind[0] not in "bB":
        found.byteswap()
    return found


def _shaped(shape, data):
    if hasattr(data, "reshape"):
        return data.reshape(shape)
    items = list(data)
    for length in reversed(shape[1:]):
        items = [items[at:at + length] for at in range(0, len(items), length)]
    return items


# ------------------------------------------------------------------------------------------------------------- environment


class NotingFile(io.FileIO):
    """Descriptor 1 or 2, noting that something was written to it."""

    wrote = False

    def write(self, data):
        NotingFile.wrote = True
        return super().write(data)


class EagerWriter(io.BufferedWriter):
    """Keeps nothing back: the last words before a crash matter most."""

    def write(self, data):
        written = super().write(data)
        self.flush()
        return written


class Children:
    started = False

    @staticmethod
    def note(event, _arguments=None):
        if event in ("subprocess.Popen", "os.fork", "os.forkpty", "os.system", "os.posix_spawn", "pty.spawn"):
            Children.started = NotingFile.wrote = True


def watch_children():
    if hasattr(sys, "addaudithook"):
        sys.addaudithook(Children.note)
        return
    import subprocess

    for holder, name, event in ((subprocess.Popen, "__init__", "subprocess.Popen"), (os, "fork", "os.fork"), (os, "system", "os.system")):
        setattr(holder, name, _noting(getattr(holder, name), event))


def _noting(original, event):
    def noted(*args, **kwargs):
        Children.note(event)
        return original(*args, **kwargs)

    return noted


class Streams:
    """The user's sys.stdout and sys.stderr."""

    def __init__(self):
        self.out = self.open(io.BufferedWriter(NotingFile(1, "w", closefd=False)), line_buffering=True)
        self.err = self.open(EagerWriter(NotingFile(2, "w", closefd=False)), write_through=True)

    @staticmethod
    def open(file, **buffering):
        return io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", **buffering)

    def settle(self):
        """Puts the streams back and writes out what they hold; returns whether anything was written since the last time."""
        try:
            if sys.stdout is not self.out:
                _flush(sys.stdout)
                sys.stdout = self.out
            if sys.stderr is not self.err:
                _flush(sys.stderr)
                sys.stderr = self.err
            self.out.flush()
            self.err.flush()
        except ValueError:
            # User code closed them.
            self.__init__()
            sys.stdout, sys.stderr = self.out, self.err
        wrote, NotingFile.wrote = NotingFile.wrote, False
        return wrote


def _flush(stream):
    try:
        stream.flush()
    except Exception:  # whatever user code put there
        pass


class Environment:
    """Gives every task the same variables and directory, whatever the one before did to them."""

    def __init__(self):
        self.base = dict(os.environ)
        self.directory = os.getcwd()
        self.wanted = self.encoded(self.base)

    @staticmethod
    def encoded(variables):
        return {os.environ.encodekey(key): os.environ.encodevalue(value) for key, value in variables.items()}

    def of_call(self, variables):
        return self.encoded(dict(self.base, **variables)) if variables else self.wanted

    def enter(self, wanted):
        data = os.environ._data
        if data != wanted:
            for key in [key for key in data if key not in wanted]:
                del os.environ[os.environ.decodekey(key)]
            for key, value in wanted.items():
                if data.get(key) != value:
                    os.environ[os.environ.decodekey(key)] = os.environ.decodevalue(value)
        if _directory() != self.directory:
            os.chdir(self.directory)


def _directory():
    try:
        return os.getcwd()
    except OSError:
        return None


# ------------------------------------------------------------------------------------------------------------------- tasks


class Call:
    """A function that tasks name: where its source is, and the function once it is loaded."""

    def __init__(self, frame, environment):
        self.file, self.entry = frame["file"], frame["entry"]
        self.environment = environment.of_call(frame.get("env"))
        self.function = None

    def load(self):
        with open(self.file, "rb") as source:
            text = source.read()
        # A module of its own, known to sys.modules as dataclasses and pickle expect of a class's module.
        module = types.ModuleType("farcall_function_" + os.path.basename(self.file)[:12])
        module.__file__ = self.file
        sys.modules[module.__name__] = module
        exec(compile(text, self.file, "exec"), module.__dict__)
        function = module.__dict__.get(self.entry)
        if not callable(function):
            found = [name for name, value in vars(module).items() if isinstance(value, types.FunctionType)]
            names = ", ".join(found) or "none"
            raise NameError("the source defines no function %r; functions it defines: %s" % (self.entry, names))
        self.function = function
        return function


def failure_of(error, code, skip=2):
    trace = error.__traceback__
    for _ in range(skip):
        # The worker's own frames say nothing to the user.
        trace = trace.tb_next if trace is not None else None
    stack = "".join(traceback.format_exception(type(error), error, trace))
    return {"code": code, "type": type(error).__qualname__, "message": _cut(_message(error)), "stack": _cut(stack)}


def _message(error):
    try:
        return str(error)
    except Exception:  # __str__ of an exception is user code too
        return "something was raised that cannot be described"


def _cut(text):
    whole = text.encode("utf-8", "backslashreplace").decode("utf-8")
    # The end of a Python traceback is what matters.
    return whole if len(whole) <= MAX_TEXT else "(%d characters) …%s" % (len(whole), whole[-MAX_TEXT:])


class Worker:
    def __init__(self):
        self.buffer = bytearray()
        self.held = collections.deque()
        self.calls = {}
        self.setup = None
        self.environment = Environment()
        self.streams = Streams()
        self.pid = os.getpid()
        self.current = types.ModuleType("farcall_task")
        sys.modules["farcall_task"] = self.current

    def run(self):
        while self.setup is None:
            self.read_frames()
        version = "%d.%d.%d" % sys.version_info[:3]
        ready = {"kind": "ready", "token": self.setup["token"], "runtime": "python", "version": version, "pid": self.pid}
        self.write(json.dumps(ready), b"")
        sys.stdout, sys.stderr = self.streams.out, self.streams.err
        held = self.held
        while True:
            permit = os.read(PERMITS_FD, 4)
            if len(permit) < 4:
                return
            n = int.from_bytes(permit, "big")
            while not held or held[-1][0]["n"] < n:
                self.read_frames()
            # A permit drops the tasks of lower numbers: they were taken back.
            task, body = held.popleft()
            while task["n"] < n:
                task, body = held.popleft()
            self.run_task(task, body)

    def read_frames(self):
        data = os.read(TASKS_FD, 262144)
        if not data:
            os._exit(0)
        buffer = self.buffer
        buffer += data
        at = 0
        while len(buffer) - at >= 8:
            head, body = struct.unpack_from(">II", buffer, at)
            end = at + 8 + head + body
            if len(buffer) < end:
                break
            self.on_frame(json.loads(buffer[at + 8:at + 8 + head].decode("utf-8")), bytes(buffer[at + 8 + head:end]))
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

    def run_task(self, task, body):
        call = self.calls[task["call"]]
        self.environment.enter(call.environment)
        self.current.id, self.current.attempt = task["id"], task["attempt"] + 1
        started = time.perf_counter()
        try:
            function = call.function or call.load()
            args, kwargs = self.arguments(task, body)
        except BaseException as error:
            self.report(task["n"], 0.0, failure=failure_of(error, "LOAD_ERROR", 1))
            return
        started = time.perf_counter()
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
        ran = (time.perf_counter() - started) * 1000
        if os.getpid() != self.pid:
            # User code forked, and this is the child: only its parent may answer.
            os._exit(0)
        if failure:
            self.report(task["n"], ran, failure=failure)
            return
        try:
            encoding, data = encode_value(value)
        except NotSerialisable as error:
            details = {"path": error.path, "what": error.what}
            self.report(task["n"], ran, failure={"code": "RESULT_NOT_SERIALISABLE", "message": str(error), "details": details})
        except MemoryError:
            self.report(task["n"], ran, failure={"code": "RESULT_TOO_LARGE", "message": "the result does not fit into memory"})
        except Exception as error:
            self.report(task["n"], ran, failure=failure_of(error, "RESULT_NOT_SERIALISABLE", 1))
        else:
            self.report(task["n"], ran, encoding, data)

    def arguments(self, task, body):
        if "file" in task:
            with open(task["file"], "rb") as payload:
                body = payload.read()
        encoding = task.get("encoding")
        value = decode_value(encoding, body)
        if encoding == "raw":
            return (value,), {}
        if type(value) is list:
            return value, {}
        if isinstance(value, dict) and isinstance(value.get("args", []), list) and set(value) <= {"args", "kwargs"}:
            return value.get("args", []), value.get("kwargs", {})
        raise TypeError("the arguments are neither an array nor { args, kwargs }")

    def report(self, n, ran, encoding=None, data=b"", failure=None):
        setup = self.setup
        header = '{"n":%d,"token":"%s","ms":%.3f' % (n, setup["token"], ran)
        if encoding is not None and encoding != "json":
            header += ',"encoding":"%s"' % encoding
        if len(data) > setup["inlineLimit"]:
            if len(data) > setup["blobLimit"]:
                failure = {"code": "RESULT_TOO_LARGE"}
                failure["message"] = "the result has %d bytes; the limit is %d" % (len(data), setup["blobLimit"])
            else:
                header += self.write_file("result-%d" % n, data)
            data = b""
        if failure is not None:
            header += ',"failure":' + json.dumps(failure)
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
        if raw_getsignal(SIGTERM) != SIG_DFL:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
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
        _write_all(RESULTS_FD, struct.pack(">II", len(head), len(body)) + head + body)


def _run_coroutine(coroutine):
    if hasattr(asyncio, "run"):
        return asyncio.run(coroutine)
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


def _write_all(fd, data):
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, memoryview(data)[written:])


def main():
    for fd in (TASKS_FD, RESULTS_FD, PERMITS_FD):
        os.set_inheritable(fd, False)
    # The directory of this file is no place to import the user's modules from; their working directory is.
    sys.path[0] = os.getcwd()
    sys.argv = [""]
    watch_children()
    Worker().run()
    os._exit(0)


if __name__ == "__main__":
    main()
