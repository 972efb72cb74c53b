"""The scheduler and the execution daemon of a stand-in, in one process: it lives while jobs live, and is started by a submit."""
import fcntl
import os
import select
import shutil
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from core import placement, sessions  # noqa: E402
from core.state import State, now_ms  # noqa: E402

IDLE_MS = 2_000
TURN_MS = 200


class Server:
    def __init__(self, state):
        self.state = state
        self.ended = {}
        self.outages = set()
        self.children = set()

    def turn(self):
        """One look at everything. Gives the milliseconds until the next one, or None when nothing is left to do."""
        self.reap()
        with self.state.lock():
            control = self.state.control()
            live = self.state.live()
            for job in live:
                before = dict(job)
                self.step(job, live, control)
                if job != before:
                    self.state.write(job)
            return TURN_MS if any(job["state"] != "done" for job in live) else None

    def reap(self):
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.ended[pid] = status

    def step(self, job, live, control):
        if job["state"] == "queued" and placement.may_start(job, control, now_ms()):
            hosts = placement.hosts_for(job, live, control)
            if hosts is not None:
                self.start(job, hosts)
        elif job["state"] == "running":
            self.watch(job, control)
        elif job["state"] == "ending" and now_ms() >= job["until"]:
            self.end(job)

    def start(self, job, hosts):
        spool = self.state.path("spool", str(job["n"]))
        env = placement.environment(job, hosts)
        job.update(state="running", started=now_ms(), hosts=hosts, starts=job["starts"] + 1, cause=None)
        for field in ("cancel", "term", "killAt", "exit"):
            job.pop(field, None)
        out = job["out"] if not job.get("spooled") else spool + ".OU"
        err = out if job.get("join") else (job["err"] if not job.get("spooled") else spool + ".ER")
        job["pid"] = sessions.start(job, env, out, err)
        self.children.add(job["pid"])

    def watch(self, job, control):
        if job["pid"] in self.ended:
            status = self.ended.pop(job["pid"])
            job["exit"] = (
                {"signal": os.WTERMSIG(status)} if os.WIFSIGNALED(status) else {"code": os.WEXITSTATUS(status)}
            )
        elif job.get("exit") is None and job["pid"] not in self.children and not sessions.members(job["pid"]):
            # Started by a server that was killed meanwhile: how it ended is lost, as with a restarted MOM.
            job.update(exit={"signal": signal.SIGKILL}, cause="node-lost")
        if job.get("exit") is not None:
            # Of a job that is being ended, what outlives the top process has until the kill.
            if "term" in job and now_ms() < job["killAt"] and sessions.members(job["pid"]):
                return self.pass_on(job)
            sessions.send(sessions.members(job["pid"]), signal.SIGKILL)
            if job.pop("requeue", False):
                job.update(state="queued", queued=now_ms(), hosts=[], exit=None)
                return
            delay = control.get("endDelayMs", self.state.settings.get("endDelayMs", 0))
            job.update(state="ending", until=now_ms() + delay, cause=job.get("cause") or "end")
            if delay == 0:
                self.end(job)
            return
        self.signal_if_due(job, control)

    def signal_if_due(self, job, control):
        at = now_ms()
        settings = self.state.settings
        for token in ("kill", "requeue"):
            key = (token, job["n"], job["starts"])
            if key not in self.outages and (job["n"] in control.get(token, []) or job["name"] in control.get(token, [])):
                # A node that is lost, or a job that is preempted: no warning.
                self.outages.add(key)
                job["cause"] = "node-lost"
                job["requeue"] = token == "requeue"
                return sessions.send(sessions.members(job["pid"]), signal.SIGKILL)
        limit = job.get("walltimeMs")
        over = limit is not None and at >= job["started"] + limit + control.get("walltimeSlackMs", 0)
        warn = job.get("warn")
        if warn and limit is not None and not warn.get("sent") and at >= job["started"] + limit - warn["beforeMs"]:
            job["warn"] = dict(warn, sent=True)
            whom = [job["pid"]] if warn.get("to") == "top" else sessions.members(job["pid"])
            sessions.send(whom, sessions.number_of(warn["signal"]))
        self.pass_on(job)
        asked = job.get("cancel")
        if not (over or asked):
            return None
        if job.get("cause") is None:
            job["cause"] = "cancelled" if asked else "walltime"
        delay = control.get("killDelayMs", job.get("killDelayMs", settings.get("killDelayMs", 0)))
        first = asked["at"] if asked else job["started"] + limit
        begun = "term" in job
        job.setdefault("term", at)
        job["killAt"] = max(first, job["term"]) + delay
        if not begun:
            sessions.send(sessions.members(job["pid"]), sessions.number_of(settings.get("endSignal", "TERM")))
        # With no delay the KILL comes at the next look, a moment later.
        elif at >= job["killAt"]:
            sessions.send(sessions.members(job["pid"]), signal.SIGKILL)
        return None

    def pass_on(self, job):
        """Signals that somebody sent, and the kill of somebody who does not wait."""
        for name in job.pop("signals", []):
            sessions.send(sessions.members(job["pid"]), sessions.number_of(name))
        if job.get("cancel", {}).get("force"):
            job["cause"] = job.get("cause") or "cancelled"
            sessions.send(sessions.members(job["pid"]), signal.SIGKILL)

    def end(self, job):
        if job.get("spooled"):
            self.deliver(job)
        placement.release(job)
        job.update(state="done", ended=now_ms())

    def deliver(self, job):
        """Output reaches its place at the end only, with mode 0600."""
        spool = self.state.path("spool", str(job["n"]))
        for source, target in ((spool + ".OU", job["out"]), (spool + ".ER", job["err"])):
            try:
                shutil.copyfile(source, target)
                os.chmod(target, 0o600)
            except OSError:
                pass


def main(directory):
    state = State(directory)
    guard = os.open(state.path("server.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    with open(state.path("server.pid"), "w") as file:
        file.write(str(os.getpid()))
    server = Server(state)
    wake, wake_child = os.open(state.path("wake"), os.O_RDWR | os.O_NONBLOCK), os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake_child[1])
    signal.signal(signal.SIGCHLD, lambda *_: None)
    idle_since = None
    while True:
        try:
            wait = server.turn()
        except FileNotFoundError:
            # The test took its directory away.
            return
        if wait is not None:
            idle_since = None
        elif idle_since is None:
            idle_since = now_ms()
        elif now_ms() - idle_since > IDLE_MS:
            with state.lock():
                if not state.live():
                    # With the lock held, so that no submit believes in a server that is leaving.
                    os.close(guard)
                    return
        ready, _, _ = select.select([wake, wake_child[0]], [], [], (wait or IDLE_MS) / 1000)
        for fd in ready:
            try:
                os.read(fd, 65_536)
            except BlockingIOError:
                pass


if __name__ == "__main__":
    main(sys.argv[1])
