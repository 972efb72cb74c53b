"""One call of a stand-in's command: its log, the faults that a test asked for, its answer."""
import json
import os
import re
import sys
import time

from core.state import State, now_ms

HTML = "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"


class Call:
    def __init__(self, directory, name, argv):
        self.state = State(directory)
        self.settings = self.state.settings
        self.name = name
        self.argv = argv
        self.faults = []
        self._log({"command": name, "argv": argv, "pid": os.getpid(), "start": now_ms()})

    def begin(self, down=None):
        """Applies what a test wants to happen instead of the work. `down(name)` is the kind's answer when its server is down."""
        text = " ".join(self.argv)
        for fault in self.state.control().get("faults", []):
            if fault.get("command", "*") not in ("*", self.name) or not re.search(fault.get("when", ""), text):
                continue
            if not self._count(fault):
                continue
            does = fault["do"]
            if does == "hang":
                time.sleep(fault.get("forMs", 3_600_000) / 1000)
            elif does == "answer":
                self._end(fault.get("stdout", ""), fault.get("stderr", ""), fault.get("code", 1))
            elif does == "down":
                self._end(*down(self.name))
            else:
                self.faults.append(fault)

    def ignored(self):
        """True when the command is to say that it worked, and to do nothing."""
        return any(fault["do"] == "ignore" for fault in self.faults)

    def jobs(self):
        """The jobs that the scheduler has not been told to forget."""
        forget = self.state.control().get("forget", [])
        return [job for job in self.state.all() if forget is not True and not {job["n"], job["name"]} & set(forget)]

    def answer(self, out="", err="", code=0):
        """Prints the answer, unless a test wants it lost or spoilt, and exits."""
        for fault in self.faults:
            if fault["do"] == "lose":
                if "code" not in fault:
                    time.sleep(3_600)
                self._end("", fault.get("stderr", ""), fault["code"])
            if fault["do"] == "mangle":
                out = mangle(out, fault)
        self._end(out, err, code)

    def _end(self, out, err, code):
        self._log({"pid": os.getpid(), "end": now_ms(), "code": code})
        for fd, data in ((1, out), (2, err)):
            data = data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape")
            try:
                while data:
                    data = data[os.write(fd, data) :]
            except OSError:
                pass
        os._exit(code & 255)

    def _log(self, record):
        with open(self.state.path("calls.log"), "a") as file:
            file.write(json.dumps(record) + "\n")

    def _count(self, fault):
        """False when the fault has happened as often as it should. The file grows by a byte a time."""
        if "times" not in fault:
            return True
        fd = os.open(self.state.path("fault-" + str(fault["id"])), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with self.state.lock():
            happened = os.fstat(fd).st_size < fault["times"]
            if happened:
                os.write(fd, b"x")
        os.close(fd)
        return happened


def mangle(out, fault):
    """What a test makes of a good answer: `how` is empty, half, html, binary, banner, shouted, or `text` replaces it."""
    how = fault.get("how", "text")
    if how == "empty":
        return ""
    if how == "half":
        return out[: len(out) // 2]
    if how == "html":
        return HTML
    if how == "binary":
        return bytes((i * 73) % 256 for i in range(4096))
    if how == "banner":
        return "*** This system is for authorised use only ***\n\x1b[1mMaintenance on Monday\x1b[0m\n" + out
    if how == "shouted":
        return out.upper()
    return fault.get("text", "")


def run(kind, name, directory):
    """What the generated executables call."""
    module = __import__("%s.%s" % (kind, name.replace("-", "_")), fromlist=["main"])
    call = Call(directory, name, sys.argv[1:])
    call.begin(getattr(module, "down", None))
    module.main(call)
    call.answer()
