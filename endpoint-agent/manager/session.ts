/** The talk with the agent: hello, welcome, beats; after a reconnect everything that was not answered is said again. */
import type { AgentToManager, ManagerToAgent } from "../../protocol/manager-frames.ts";
import { MANAGER_PROTOCOL } from "../../protocol/manager-frames.ts";
import type { HeldLease } from "../../protocol/messages.ts";
import type { ManagerConfig } from "../manager-config.ts";
import { bootId, ownIdentity } from "../process-identity.ts";
import { rssMb } from "../rss.ts";
import { dropSilently, giveBack, onAgentFrame } from "./agent-frames.ts";
import type { Deadline } from "./deadline.ts";
import type { Engine } from "./engine.ts";
import type { ManagerLink } from "./link.ts";

export type SessionEvents = {
  onRefused(reason: string): void;
  onDrain(): void;
  onStop(): void;
  onDeadline(): void;
};

export type SessionParts = {
  config: ManagerConfig;
  secret: string;
  nonce: string;
  engine: Engine;
  deadline: Deadline;
  link: Pick<ManagerLink, "send" | "reconnect">;
  /** what the site's launchers call this node */
  hostName: string;
  /** ms until the block's walltime ends */
  remainingMs(): number | null;
};

export type Session = {
  onOpen(): void;
  onFrame(frame: AgentToManager, body: Uint8Array): void;
  onClose(): void;
  /** Whether the agent has welcomed this connection: nothing else is sent before. */
  welcomed(): boolean;
  /** Says now what the next beat would say. */
  beat(): void;
  stop(): void;
};

const BEAT_MS = 2_000;
/** An agent that answers no beat for this long is taken for unreachable on this connection. */
const SILENCE_MS = 10_000;

/** Speaks for `engine` over `link`. */
export function createSession(parts: SessionParts, events: SessionEvents): Session {
  const { config, secret, nonce, engine, deadline, link, remainingMs, hostName } = parts;
  const boot = bootId();
  const { pid, startTime } = ownIdentity();
  /** handed back, but perhaps not heard: said again after a reconnect */
  const gaveBack = new Map<string, { lease: number; at: number }>();
  let welcomed = false;
  let heardAt = 0;
  let timer: NodeJS.Timeout | undefined;

  const beat = () => {
    clearTimeout(timer);
    timer = setTimeout(beat, BEAT_MS);
    if (deadline.passed()) {
      events.onDeadline();
      return;
    }
    if (performance.now() - heardAt > SILENCE_MS) {
      link.reconnect();
      return;
    }
    link.send({
      kind: "beat",
      sentAt: deadline.now(),
      busy: engine.resources.busy(),
      workers: engine.pool.workers.length,
      rssMb: rssMb(),
      ...(engine.draining() ? { draining: true as const } : {}),
    });
    engine.housekeep();
  };

  const onWelcome = (frame: AgentToManager & { kind: "welcome" }, openedAt: number) => {
    welcomed = true;
    deadline.extend(openedAt, frame.remainingDeadlineMs);
    const keep = new Map(frame.keep);
    for (const task of [...engine.intake.tasks.values()]) {
      if (keep.get(task.id) !== task.lease && held.has(task.id)) dropSilently(engine, task);
    }
    engine.functions.askAgain();
    engine.blobsIn.askAgain();
    engine.blobsOut.again();
    // Before the first beat, by which the agent takes what was not named for never received.
    engine.outbox.resend();
    engine.outbox.flush();
    engine.placement.askStartsAgain();
    if (gaveBack.size > 0) {
      link.send({ kind: "gave-back", leases: [...gaveBack].map(([id, { lease }]): HeldLease => [id, lease]) });
    }
    beat();
    engine.schedule();
  };

  let openedAt = 0;
  let held = new Map<string, number>();
  return {
    onOpen() {
      openedAt = deadline.now();
      heardAt = performance.now();
      held = new Map(engine.holds());
      const hello: ManagerToAgent & { kind: "hello" } = {
        kind: "hello",
        protocol: MANAGER_PROTOCOL,
        secret,
        block: config.block,
        node: config.node,
        nonce,
        host: hostName,
        bootId: boot,
        pid,
        startTime,
        capacity: config.capacity,
        remainingMs: remainingMs(),
        holds: [...held],
      };
      const spread = [...engine.intake.tasks.values()].filter(({ hosts }) => hosts !== undefined);
      if (spread.length > 0) hello.spread = Object.fromEntries(spread.map(({ id, hosts }) => [id, hosts as string[]]));
      link.send(hello);
    },
    onFrame(frame, body) {
      heardAt = performance.now();
      if (frame.kind === "welcome") onWelcome(frame, openedAt);
      else if (frame.kind === "refused") events.onRefused(frame.reason);
      else if (!welcomed) return;
      else if (frame.kind === "beat-answer") {
        deadline.extend(frame.sentAt, frame.remainingDeadlineMs);
        for (const [id, { at }] of gaveBack) if (at < frame.sentAt) gaveBack.delete(id);
      } else if (frame.kind === "give-back") {
        const leases = giveBack(engine, frame.count);
        for (const [id, lease] of leases) gaveBack.set(id, { lease, at: deadline.now() });
        link.send({ kind: "gave-back", leases });
      } else if (frame.kind === "drain") events.onDrain();
      else if (frame.kind === "stop") events.onStop();
      else {
        if (frame.kind === "tasks") for (const task of frame.tasks) gaveBack.delete(task.id);
        onAgentFrame(engine, frame, body);
      }
    },
    onClose() {
      welcomed = false;
      clearTimeout(timer);
    },
    welcomed: () => welcomed,
    beat: () => (welcomed ? beat() : undefined),
    stop: () => clearTimeout(timer),
  };
}
