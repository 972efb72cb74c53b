"""The talk with the agent: hello, welcome, beats; after a reconnect everything that was not answered is said again."""
import os

from .agent_frames import drop_silently, give_back, on_agent_frame
from .clock import boot_id, now_ms, own_start_time, uptime_ms
from .constants import PROTOCOL
from .memory import resident_mb

BEAT_S = 2.0
#: an agent that answers no beat for this long is taken for unreachable on this connection
SILENCE_MS = 10000


class Session:
    """`events` has on_refused(reason), on_drain(), on_stop() and on_deadline()."""

    def __init__(self, parts, events):
        self.config, self.nonce, self.host_name, self.remaining_ms = parts
        self.events = events
        self.engine = self.link = self.deadline = None
        self.welcomed, self.heard_at, self.opened_at, self.timer = False, 0.0, 0.0, None
        self.held, self.gave_back = {}, {}
        self.boot, self.start_time = boot_id(), own_start_time()

    def attach(self, engine, link, deadline):
        self.engine, self.link, self.deadline = engine, link, deadline

    # As a link for the engine: nothing is said on a connection before the agent has welcomed it; what would be is said again then.

    def send(self, header, chunks=()):
        if self.welcomed:
            self.link.send(header, chunks)

    def send_bytes(self, frame):
        if self.welcomed:
            self.link.send_bytes(frame)

    def backlog(self):
        return self.link.backlog()

    # What the connection tells.

    def on_open(self):
        self.opened_at, self.heard_at = uptime_ms(), now_ms()
        holds = self.engine.holds()
        self.held = dict(holds)
        config = self.config
        hello = {
            "kind": "hello", "protocol": PROTOCOL, "secret": config.secret, "block": config.block, "node": config.node,
            "nonce": self.nonce, "host": self.host_name, "bootId": self.boot, "pid": os.getpid(), "startTime": self.start_time,
            "capacity": config.capacity, "remainingMs": self.remaining_ms(), "holds": holds,
        }
        spread = {task.id: task.hosts for task in self.engine.intake.tasks.values() if task.hosts is not None}
        if spread:
            hello["spread"] = spread
        self.link.send(hello)

    def on_frame(self, frame, body):
        self.heard_at = now_ms()
        kind = frame["kind"]
        if kind == "welcome":
            self.on_welcome(frame)
        elif kind == "refused":
            self.events.on_refused(frame["reason"])
        elif not self.welcomed:
            return
        elif kind == "beat-answer":
            self.deadline.extend(frame["sentAt"], frame["remainingDeadlineMs"])
            self.gave_back = {key: known for key, known in self.gave_back.items() if known[1] >= frame["sentAt"]}
        elif kind == "give-back":
            leases = give_back(self.engine, frame["count"])
            self.gave_back.update((task, (lease, uptime_ms())) for task, lease in leases)
            self.link.send({"kind": "gave-back", "leases": leases})
        elif kind == "drain":
            self.events.on_drain()
        elif kind == "stop":
            self.events.on_stop()
        else:
            if kind == "tasks":
                for task in frame["tasks"]:
                    self.gave_back.pop(task["id"], None)
            on_agent_frame(self.engine, frame, body)

    def on_lost(self):
        self.welcomed = False
        self.stop()

    def on_welcome(self, frame):
        engine = self.engine
        self.welcomed = True
        self.deadline.extend(self.opened_at, frame["remainingDeadlineMs"])
        keep = {task: lease for task, lease in frame["keep"]}
        for task in list(engine.intake.tasks.values()):
            if keep.get(task.id) != task.lease and task.id in self.held:
                drop_silently(engine, task)
        engine.functions.ask_again()
        engine.blobs_in.ask_again()
        engine.blobs_out.again()
        # Before the first beat, by which the agent takes what was not named for never received.
        engine.outbox.resend()
        engine.outbox.flush()
        engine.placement.ask_starts_again()
        if self.gave_back:
            self.link.send({"kind": "gave-back", "leases": [[task, lease] for task, (lease, _) in self.gave_back.items()]})
        self.beat()
        engine.schedule()

    def beat(self):
        """Says now what the next beat would say."""
        self.stop()
        if not self.welcomed:
            return
        engine = self.engine
        self.timer = engine.loop.call_later(BEAT_S, self.beat)
        if self.deadline.passed():
            self.events.on_deadline()
            return
        if now_ms() - self.heard_at > SILENCE_MS:
            self.link.reconnect()
            return
        frame = {"kind": "beat", "sentAt": uptime_ms(), "busy": engine.resources.busy, "workers": len(engine.pool.workers)}
        frame["rssMb"] = resident_mb()
        if engine.draining:
            frame["draining"] = True
        self.link.send(frame)
        engine.placement.retire_idle(engine.config.limits["workerIdleMs"])

    def stop(self):
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
