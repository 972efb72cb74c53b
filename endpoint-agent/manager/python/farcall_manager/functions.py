"""The code of the functions that tasks here name: asked for once, checked against its hash, kept as files on this node."""
import hashlib
import json
import os

from .agent_frame_checks import is_definition
from .exhaustion import EXHAUSTED_RETRY_S, is_exhausted
from .hold import RunTime
from .private import create_private

EXTENSIONS = {"python": ".py", "command": ".sh"}
NO_NODE = (
    "this endpoint's nodes have no Node.js: their manager is the one in Python (`manager: python`), which runs Python functions and shell "
    "commands, and no JavaScript"
)


class KnownFunction:
    def __init__(self, function_id):
        self.id, self.state = function_id, "asked"
        self.definition, self.file, self.template, self.failure = None, "", "", None
        self.time = RunTime()

    @property
    def runtime(self):
        return self.definition["runtime"]

    @property
    def container(self):
        """In which it runs, on every node; None for none."""
        return self.definition.get("container")

    @property
    def container_key(self):
        return json.dumps(self.container, sort_keys=True) if self.container else None


class Functions:
    """Files go to `cache_dir`, which several managers of a node share."""

    def __init__(self, loop, cache_dir, ask):
        self.loop, self.cache_dir, self.ask, self.known = loop, cache_dir, ask, {}

    def get(self, function_id):
        """The function of that id; asks the agent for it when it is not known."""
        fn = self.known.get(function_id)
        if fn is None:
            fn = self.known[function_id] = KnownFunction(function_id)
            self.ask(function_id)
        return fn

    def arrived(self, function_id, definition, code):
        """The agent sent the code. Returns the function, which is now ready or failed."""
        fn = self.get(function_id)
        wrong = _mismatch(function_id, definition, code)
        if wrong:
            return self._fail(fn, {"code": "LOAD_ERROR", "message": wrong})
        if definition["runtime"] == "javascript":
            return self._fail(fn, {"code": "LOAD_ERROR", "message": NO_NODE, "details": {"missing": "node"}})
        fn.definition = definition
        if definition["runtime"] == "command":
            fn.template = code.decode("utf-8", "replace")
        else:
            fn.file = os.path.join(self.cache_dir, definition["code"] + EXTENSIONS[definition["runtime"]])
            try:
                _keep(fn.file, code)
            except OSError as error:
                if not is_exhausted(error):
                    raise
                self.loop.call_later(EXHAUSTED_RETRY_S, self.ask, function_id)
                return fn
        fn.state = "ready"
        return fn

    def failed(self, function_id, failure):
        """The agent has no such function."""
        return self._fail(self.get(function_id), failure)

    def _fail(self, fn, failure):
        # Forgotten at once: a function that was deleted may be registered again.
        self.known.pop(fn.id, None)
        fn.state, fn.failure = "failed", failure
        return fn

    def ask_again(self, function_id=None):
        """Asks again for what was asked for and not answered: for one id, or for all of them."""
        for fn in list(self.known.values()):
            if fn.state == "asked" and function_id in (None, fn.id):
                self.ask(fn.id)


def definition_text(definition):
    """The text whose SHA-256 is the function's id (protocol/function.ts)."""
    env = sorted([name, value] for name, value in (definition.get("env") or {}).items())
    parts = [definition.get("runtime"), definition.get("entry", "default"), definition.get("code"), env]
    container = definition.get("container")
    if container:
        parts.append([container["runtime"], container["image"], container["binds"]])
    return json.dumps(parts, separators=(",", ":"), ensure_ascii=False)


def _mismatch(function_id, definition, code):
    if not is_definition(definition):
        return "the definition that came for function %s cannot be read" % function_id
    text = definition_text(definition).encode("utf-8", "surrogatepass")
    if hashlib.sha256(text).hexdigest() != function_id:
        return "the definition that came for function %s has another hash" % function_id
    if hashlib.sha256(code).hexdigest() != definition.get("code"):
        return "the code that came for function %s has another hash" % function_id
    return None


def _keep(path, code):
    """Written under another name first: a reader never sees half of it."""
    try:
        with open(path, "rb") as file:
            if file.read() == code:
                return
    except OSError:
        pass
    partial = "%s.%d" % (path, os.getpid())
    with create_private(partial) as file:
        file.write(code)
    os.rename(partial, path)
