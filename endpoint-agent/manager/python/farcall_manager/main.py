"""Puts a manager together and runs it until its agent, its walltime or its deadline ends it."""
import argparse
import asyncio
import os
import shutil
import signal
import socket
import sys
import zipfile

from .config import read_config
from .constants import EXIT_DO_NOT_RESTART
from .deadline import Deadline, remaining_time
from .engine import Engine
from .leftovers import Sweeper, kill_all
from .lifetime import Lifetime
from .link import Link
from .log import Log
from .private import make_private
from .processes import Children, reserve_descriptors
from .session import Session
from .watchdog_client import WatchdogClient

CLOSE_S = 1.0


class Manager:
    def __init__(self, config, config_file):
        reserve_descriptors()
        self.config, self.config_file = config, config_file
        # No worker starts on this node.
        self.broken = False
        self.loop = loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        loop.set_exception_handler(self.on_error)
        self.nonce = os.urandom(16).hex()
        self.log = Log(config.log_file, config.log_level, {"pid": os.getpid(), "block": config.block, "node": config.node})
        children = Children(loop)
        self.deadline = Deadline(config.orphan_timeout_ms, lambda at: self.watchdog.deadline(at))
        watched = (self.nonce + "/", os.path.join(config.dir, "work"), self.deadline.at, self.deadline.term_before_ms)
        self.watchdog = WatchdogClient(children, loop, watched)
        remaining_ms = remaining_time(config.walltime_ms, os.environ.get("FARCALL_ENDS_AT"))
        # Slurm's name of a node need not be its host name.
        host_name = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
        self.session = Session((config, self.nonce, host_name, remaining_ms), self)
        self.link = Link(loop, self.where_to, (config.block, config.secret), _LinkEvents(self))
        self.lifetime = Lifetime(loop, config.limits["killGraceMs"], self.session.beat, self.end)
        sweeper = Sweeper(loop, self.nonce, lambda killed: self.log.info("killed what user code left running", killed=killed))
        self.engine = self.lifetime.engine = Engine({
            "loop": loop, "children": children, "config": config, "nonce": self.nonce, "deadline": self.deadline, "link": self.session,
            "worker_file": worker_file(config.dir), "on_group": self.watchdog.group, "on_leftovers": sweeper.search, "on_broken": self.on_broken,
        })
        self.session.attach(self.engine, self.link, self.deadline)

    def run(self):
        loop, lifetime = self.loop, self.lifetime
        # SIGUSR2 is how SGE announces SIGKILL.
        for name in ("SIGTERM", "SIGINT", "SIGUSR2"):
            loop.add_signal_handler(getattr(signal, name), lifetime.terminate, name)
        loop.add_signal_handler(signal.SIGUSR1, lifetime.drain, "its walltime ends soon")
        loop.add_signal_handler(signal.SIGHUP, lambda: None)
        self.link.start()
        # The first worker's start is the longest part of the first call.
        self.engine.warm_up()
        version = "%d.%d.%d" % sys.version_info[:3]
        self.log.info("manager started", nonce=self.nonce, capacity=self.config.capacity, python=version)
        loop.run_forever()

    def where_to(self):
        """The agent may have moved since: then it has written there where to."""
        try:
            return read_config(self.config_file, None).dial
        except (OSError, ValueError, KeyError, TypeError):
            return self.config.dial

    def end(self, reason, exit_code):
        self.log.info("the manager ends", reason=reason)
        bye = {"kind": "bye", "reason": reason}
        if self.broken:
            bye["broken"] = True
        self.session.send(bye)
        self.session.stop()
        self.link.close().add_done_callback(lambda _: self.exit(exit_code))
        self.loop.call_later(CLOSE_S, self.exit, exit_code)

    def exit(self, exit_code):
        kill_all(self.nonce + "/")
        self.watchdog.stop()
        shutil.rmtree(self.config.dir, ignore_errors=True)
        os._exit(exit_code)

    # What its session, its engine and the event loop tell.

    def on_refused(self, reason):
        self.lifetime.stop("refused: " + reason, EXIT_DO_NOT_RESTART)

    def on_drain(self):
        self.lifetime.drain("drained")

    def on_deadline(self):
        self.lifetime.stop("its deadline has passed", 1)

    def on_stop(self):
        self.lifetime.stop("stopped by the agent", 0)

    def on_broken(self, message):
        self.broken = True
        self.log.error(message)
        self.lifetime.drain(message)

    def on_error(self, _loop, context):
        error = context.get("exception")
        self.log.error(context.get("message", "an error"), err=repr(error))
        # Of a transport: its connection is lost, which is seen to elsewhere.
        passing = isinstance(error, asyncio.CancelledError) or (isinstance(error, OSError) and "handle" not in context)
        if error is not None and not passing:
            # Half of something was done: what is left cannot be trusted.
            self.loop.default_exception_handler(context)
            self.lifetime.stop("an error of its own", 1)


class _LinkEvents:
    def __init__(self, manager):
        self.manager = manager
        self.on_open, self.on_frame = manager.session.on_open, manager.session.on_frame

    def on_refused(self):
        self.manager.on_refused("this block is not wanted")

    def on_lost(self, reason):
        self.manager.log.warn("no connection to the agent", reason=reason)
        self.manager.session.on_lost()


def worker_file(directory):
    """The worker's first file. Out of the one file its modules are written to this node, so that no worker's start reads a shared disk."""
    own = os.path.abspath(sys.argv[0])
    if os.path.isdir(own):
        return os.path.normpath(os.path.join(own, "..", "..", "worker", "farcall_worker.py"))
    target = os.path.join(directory, "worker")
    make_private(target)
    with zipfile.ZipFile(own) as archive:
        for name in archive.namelist():
            if name.startswith("farcall_") and "/" not in name:
                archive.extract(name, target)
    return os.path.join(target, "farcall_worker.py")


def main(arguments):
    parser = argparse.ArgumentParser(prog="farcall-manager")
    parser.add_argument("--config", required=True)
    parser.add_argument("--dir", help="this manager's own directory, instead of the configuration's")
    options = parser.parse_args(arguments)
    Manager(read_config(options.config, options.dir), options.config).run()
