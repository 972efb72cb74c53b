"""The manager's log: JSON lines like those of the manager in Node.js."""
import json
import os
import time

LEVELS = {"trace": 10, "debug": 20, "info": 30, "warn": 40, "error": 50, "fatal": 60}


class Log:
    def __init__(self, path, level, base):
        self.fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.least, self.base = LEVELS.get(level, 30), base

    def write(self, level, message, **facts):
        if LEVELS[level] < self.least:
            return
        line = dict({"level": LEVELS[level], "time": int(time.time() * 1000)}, **self.base)
        line.update(facts, msg=message)
        try:
            os.write(self.fd, json.dumps(line).encode("ascii") + b"\n")
        except OSError:
            pass  # a full disk is no reason to end

    def info(self, message, **facts):
        self.write("info", message, **facts)

    def warn(self, message, **facts):
        self.write("warn", message, **facts)

    def error(self, message, **facts):
        self.write("error", message, **facts)
