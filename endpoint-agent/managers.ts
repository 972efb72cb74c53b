/** The managers of this endpoint: who may connect, what they hold, and when one is gone (PROTOCOL.md rules 13, 18, 19, 22). */
import { MANAGER_PROTOCOL, type ManagerToAgent } from "../protocol/manager-frames.ts";
import type { HeldLease } from "../protocol/messages.ts";
import { uptimeMs } from "./clock.ts";
import { crashPoint } from "./crash-point.ts";
import { adoptedTask, type HeldTask, type TaskTable } from "./held-task.ts";
import type { Interchange } from "./interchange.ts";
import type { Journal } from "./journal.ts";
import type { Log } from "./log.ts";
import { createManager, type Manager, type ManagerHello, managerKey } from "./manager.ts";
import type { ManagerLink, ManagerLinkHandlers } from "./manager-link.ts";
import { sameText } from "./same-text.ts";

type Hello = Extract<ManagerToAgent, { kind: "hello" }>;

export type ManagersOptions = {
  table: TaskTable;
  interchange: Interchange;
  journal: Journal;
  log: Log;
  workersPerNode: number;
  /** the secret of a live block, or undefined when there is none of that id */
  secretOf(block: string): string | undefined;
  /** when the agent's own work must have been killed, on the clock that counts suspend */
  deadlineAt(): number;
  /** whether a manager that is not connected is known to be dead, with all that it started */
  provenDead(manager: ManagerHello, silentMs: number): boolean;
  /** whether its node is one where managers fail (FAULTS.md B15) */
  isExcluded?(node: string): boolean;
  /** every frame but hello and beat */
  onFrame(manager: Manager, frame: ManagerToAgent, body: Uint8Array): void;
  /** a manager came, or lost its connection, or says goodbye: look at its block */
  onChange(manager: Manager): void;
  /** a manager that connected has said all that it had to say: results from before come ahead of the first beat */
  onSettled(manager: Manager): void;
  /** something may be placed, sent or stated anew */
  turn(): void;
};

export type Managers = {
  accept(link: ManagerLink): ManagerLinkHandlers;
  of(block: string): Manager[];
  /** Forgets the managers of a block whose end is proven; returns the tasks that they had. */
  lost(block: string): { manager: Manager; tasks: HeldTask[] }[];
  /** Forgets managers that died while their block goes on; returns the tasks that they had. */
  takeDead(): { manager: Manager; tasks: HeldTask[] }[];
  /** Closes the connections of those that have not said anything for a while. */
  checkSilence(): void;
};

/** Work without contact is dead so long after its deadline (PROTOCOL.md rule 19). */
export const DEAD_AFTER_DEADLINE_MS = 15_000;
/** Three beats. */
const SILENCE_MS = 6_000;

/** Makes the keeper of an endpoint's managers. */
export function createManagers(options: ManagersOptions): Managers {
  const { table, interchange, log } = options;
  const byNonce = new Map<string, Manager>();
  /** placed on a manager that, after a reconnect, did not name them; its next beat tells whether it ever got them */
  const unnamed = new Map<Manager, HeldTask[]>();
  const unsettled = new Set<Manager>();

  const refuse = (link: ManagerLink, hello: Hello, reason: string) => {
    log.warn({ block: hello.block, node: hello.node, reason }, "manager refused");
    link.send({ kind: "refused", reason });
    link.close();
    return undefined;
  };

  const greet = (link: ManagerLink, hello: Hello): Manager | undefined => {
    if (hello.protocol !== MANAGER_PROTOCOL) {
      return refuse(link, hello, `this agent speaks protocol ${MANAGER_PROTOCOL}, not ${hello.protocol}`);
    }
    const secret = options.secretOf(hello.block);
    if (secret === undefined || !sameText(secret, hello.secret)) {
      return refuse(link, hello, "this block is not wanted");
    }
    const known = byNonce.get(hello.nonce);
    const manager = known ?? createManager(hello, { workers: options.workersPerNode, now: uptimeMs() });
    if (!known) {
      fencePredecessor(hello);
      byNonce.set(hello.nonce, manager);
    }
    manager.link?.close();
    manager.link = link;
    manager.lastSeenAt = uptimeMs();
    const keep = known ? held(manager, hello.holds) : adopt(manager, hello);
    unsettled.add(manager);
    if (known) unnamed.set(manager, missing(manager, hello.holds));
    link.send({ kind: "welcome", remainingDeadlineMs: answerDeadline(manager), keep });
    for (const [id, lease] of keep) {
      // The word may have been lost with the connection.
      if (table.match(id, lease)?.granted) link.send({ kind: "start", id, lease, go: true });
    }
    const safe = manager.receipts.current();
    if (safe > 0) link.send({ kind: "taken", message: safe });
    if (!known && hello.holds.length === 0 && options.isExcluded?.(hello.host)) return letGo(manager);
    if (!known) void record(manager);
    log.info({ block: hello.block, node: hello.node, pid: hello.pid, holds: keep.length }, "manager connected");
    options.onChange(manager);
    options.turn();
    return manager;
  };

  /** Before it has any work. The other nodes of its block go on. */
  const letGo = (manager: Manager) => {
    const { block, node, host } = manager.hello;
    log.warn({ block, node, host }, "a manager came up on an excluded node: it is let go");
    manager.draining = true;
    manager.unwelcome = true;
    manager.link?.send({ kind: "drain" });
    options.onChange(manager);
    return manager;
  };

  /** A second incarnation of a node's manager: the scheduler started the block's script again (FAULTS.md B6). */
  const fencePredecessor = (hello: Hello) => {
    for (const other of byNonce.values()) {
      if (other.hello.block !== hello.block || other.hello.node !== hello.node) continue;
      log.warn(
        { block: hello.block, node: hello.node },
        "another manager came in this one's place: the older is stopped",
      );
      other.draining = true;
      other.link?.send({ kind: "stop" });
    }
  };

  /** Rule 22: on disk before its first task. */
  const record = async (manager: Manager) => {
    const { block, node, nonce, host, bootId, pid, startTime } = manager.hello;
    const known = options.journal.state.managers.get(managerKey(block, node));
    try {
      if (known?.nonce !== nonce) {
        await options.journal.append([{ kind: "manager", block, node, nonce, host, bootId, pid, startTime }]);
      }
    } catch (error) {
      log.error({ err: error }, "a manager cannot be recorded, so it gets no work");
      manager.link?.close();
      byNonce.delete(nonce);
      return;
    }
    crashPoint("manager-journaled");
    interchange.attach(manager);
    options.onChange(manager);
    options.turn();
  };

  const held = (manager: Manager, holds: readonly HeldLease[]): HeldLease[] =>
    holds.filter(([id, lease]) => {
      const task = table.match(id, lease);
      if (task?.manager !== manager) return false;
      if (!task.unwanted) return true;
      // Cancelled while it was out of reach: it kills what is not kept, and says nothing more of it.
      interchange.ended(task);
      table.remove(task);
      return false;
    });

  const adopt = (manager: Manager, hello: Hello): HeldLease[] =>
    hello.holds.filter((lease) => {
      // Handed to another manager meanwhile, or given up: then this copy must not go on.
      if (table.get(lease[0])) return false;
      const task = adoptedTask(lease, manager);
      table.add(task);
      manager.tasks.add(task);
      manager.idleSince = undefined;
      const hosts = hello.spread?.[task.id];
      if (hosts) interchange.adoptOnNodes(task, hosts);
      return true;
    });

  const answerDeadline = (manager: Manager): number => {
    const remaining = Math.round(options.deadlineAt() - uptimeMs());
    manager.deadlineAt = uptimeMs() + remaining;
    return remaining;
  };

  const beat = (manager: Manager, frame: Extract<ManagerToAgent, { kind: "beat" }>) => {
    manager.report = { busy: frame.busy, workers: frame.workers, rssMb: frame.rssMb };
    if (frame.draining && !manager.draining) {
      manager.draining = true;
      options.onChange(manager);
    }
    manager.link?.send({
      kind: "beat-answer",
      sentAt: frame.sentAt,
      remainingDeadlineMs: answerDeadline(manager),
    });
    if (unsettled.delete(manager)) settle(manager);
  };

  const settle = (manager: Manager) => {
    const never = unnamed.get(manager) ?? [];
    unnamed.delete(manager);
    options.onSettled(manager);
    const lost = never.filter((task) => task.manager === manager && task.phase === "placed");
    if (lost.length === 0) return;
    interchange.requeue(
      manager,
      lost.map((task): HeldLease => [task.id, task.lease]),
    );
    options.turn();
  };

  /** The scheduler has started its block's script again. */
  const hasSuccessor = (manager: Manager) =>
    [...byNonce.values()].some(
      ({ hello, link }) => link && hello.block === manager.hello.block && hello.node === manager.hello.node,
    );

  const drop = (manager: Manager): HeldTask[] => {
    unnamed.delete(manager);
    unsettled.delete(manager);
    manager.link?.close();
    manager.link = undefined;
    return interchange.detach(manager);
  };

  return {
    accept(link) {
      let manager: Manager | undefined;
      return {
        frame(frame, body) {
          if (!manager) {
            if (frame.kind === "hello") manager = greet(link, frame);
            else link.close();
            return;
          }
          if (manager.link !== link) return;
          manager.lastSeenAt = uptimeMs();
          if (frame.kind === "beat") beat(manager, frame);
          else options.onFrame(manager, frame, body);
        },
        closed() {
          if (manager?.link !== link) return;
          manager.link = undefined;
          log.info({ block: manager.hello.block, node: manager.hello.node }, "manager disconnected");
          options.onChange(manager);
        },
      };
    },
    of: (block) => [...byNonce.values()].filter((manager) => manager.hello.block === block),
    lost(block) {
      const lost: { manager: Manager; tasks: HeldTask[] }[] = [];
      for (const [nonce, manager] of byNonce) {
        if (manager.hello.block !== block) continue;
        byNonce.delete(nonce);
        lost.push({ manager, tasks: drop(manager) });
      }
      return lost;
    },
    takeDead() {
      const dead: { manager: Manager; tasks: HeldTask[] }[] = [];
      const now = uptimeMs();
      for (const [nonce, manager] of byNonce) {
        if (manager.link) continue;
        const over = now > manager.deadlineAt + DEAD_AFTER_DEADLINE_MS;
        if (!over && !options.provenDead(manager.hello, hasSuccessor(manager) ? Infinity : now - manager.lastSeenAt))
          continue;
        byNonce.delete(nonce);
        dead.push({ manager, tasks: drop(manager) });
      }
      return dead;
    },
    checkSilence() {
      const before = uptimeMs() - SILENCE_MS;
      for (const manager of byNonce.values()) {
        if (!manager.link || manager.lastSeenAt > before) continue;
        log.warn({ block: manager.hello.block, node: manager.hello.node }, "manager silent: disconnected");
        manager.link.close();
        manager.link = undefined;
        options.onChange(manager);
      }
    },
  };
}

/** What is placed on the manager and it did not name: lost on the way to it, or its result follows. */
function missing(manager: Manager, holds: readonly HeldLease[]): HeldTask[] {
  const named = new Set(holds.map(([id, lease]) => `${id}/${lease}`));
  return [...manager.tasks].filter((task) => !named.has(`${task.id}/${task.lease}`));
}
