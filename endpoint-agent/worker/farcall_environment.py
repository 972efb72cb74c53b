"""What every task finds alike, whatever the one before did: variables, directory, output. And whether a task wrote or started anything."""
import fcntl
import io
import os
import sys


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


class Descriptor:
    """Descriptor 1 or 2: put back where a task has closed it, or led it elsewhere."""

    def __init__(self, fd):
        self.fd, self.inode = fd, os.fstat(fd).st_ino
        self.spare = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100)

    def restore(self):
        try:
            if os.fstat(self.fd).st_ino == self.inode:
                return
        except OSError:
            pass  # it is closed
        try:
            os.dup2(self.spare, self.fd)
        except OSError:
            pass  # that is closed as well: the worker writes no more


class Streams:
    """The user's sys.stdout and sys.stderr."""

    def __init__(self):
        self.descriptors = [Descriptor(fd) for fd in (1, 2)]
        self.renew()

    def renew(self):
        self.out = self.open(io.BufferedWriter(NotingFile(1, "w", closefd=False)), line_buffering=True)
        self.err = self.open(EagerWriter(NotingFile(2, "w", closefd=False)), write_through=True)

    @staticmethod
    def open(file, **buffering):
        return io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", **buffering)

    def settle(self):
        """Puts the streams back and writes out what they hold; returns whether anything was written since the last time."""
        for descriptor in self.descriptors:
            descriptor.restore()
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
            self.renew()
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
        encoded = {os.environ.encodekey(key): os.environ.encodevalue(value) for key, value in variables.items()}
        if any(b"\0" in value for value in encoded.values()):
            raise ValueError("one holds a NUL character, which no program can be given")
        return encoded

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
