"""A function and what is said of it when it fails."""
import os
import sys
import traceback
import types

MAX_TEXT = 16 * 1024


class Call:
    """A function that tasks name: where its source is, and the function once it is loaded."""

    def __init__(self, frame, environment):
        self.file, self.entry = frame["file"], frame["entry"]
        self.function = self.text = self.environment = self.wrong = None
        try:
            self.environment = environment.of_call(frame.get("env"))
        except ValueError as error:
            self.wrong = ValueError("its variables cannot be set: %s" % error)

    def enter(self, environment):
        """Gives the process the variables and the directory that its tasks get."""
        environment.enter(environment.wanted if self.wrong else self.environment)

    def source(self):
        """What the manager has put there: that it cannot be read is no fault of the function."""
        with open(self.file, "rb") as source:
            return source.read()

    def load(self, text):
        """Runs the source, and finds the function in it."""
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
    """As it goes to the user; the first `skip` levels of its stack are the worker's own."""
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
