/** How tasks end or go back to the gateway when it is not their manager that says so. */
import type { ResultEntry } from "../protocol/batch.ts";
import { type BlockEnd, diedAtOnce } from "./block-steps.ts";
import { uptimeMs } from "./clock.ts";
import { lostEntry, returnedEntry, strandedEntry, takenEntry, takenFailure, unbegunEntry } from "./ends.ts";
import type { HeldTask } from "./held-task.ts";
import type { Interchange } from "./interchange.ts";
import type { Manager } from "./manager.ts";
import type { Managers } from "./managers.ts";
import type { Outbox } from "./outbox.ts";
import { roomOnNodes } from "./placement-on-nodes.ts";
import type { ResourceClass } from "./resource-classes.ts";
import { countFitting } from "./units.ts";

export type WorkEndsParts = {
  interchange: Interchange;
  outbox: Pick<Outbox, "addResult">;
  managers: Pick<Managers, "lost" | "takeDead">;
  turn(): void;
};

/** Completes attempts that the gateway has without the reason. */
export type TellWhy = (why: Pick<BlockEnd, "cause" | "reason">) => void;

export type WorkEnds = {
  end(tasks: readonly HeldTask[], entryOf: (task: HeldTask) => ResultEntry): void;
  /** Hands back all that has not been placed. */
  returnQueued(): void;
  /** The end of a block is proven. Returns what to tell why the site ended it, if that is still to be asked. */
  blockGone(block: string, end: BlockEnd): TellWhy | undefined;
  /** Ends the tasks of managers that died while their block goes on, or, as `lostEnd` tells, is lost. */
  buryDead(lostEnd: (block: string) => BlockEnd | undefined): void;
  /** A manager hands back what ran on it, as its node is being taken away: why, only the scheduler can tell. */
  takenAway(entry: ResultEntry, manager: Manager): void;
  /** Hands back what waits here for slots that have gone: it is to wait where it can be cancelled and ordered (PROTOCOL.md rule 4). */
  returnStranded(): void;
  /** Tasks on their way back, by class: they still want slots. */
  readonly returning: Readonly<Record<string, number>>;
};

/** A manager that has lost its connection may be back at once. */
const STRANDED_MS = 3_000;
/** By then the gateway says itself that they wait there. */
const RETURNING_MS = 3_000;
/** Tasks of one block whose reason is told later. */
const MOST_UNTOLD = 10_000;

/** Makes the ends of an agent's work. */
export function createWorkEnds({ interchange, outbox, managers, turn }: WorkEndsParts): WorkEnds {
  /** handed back before it was known how their block ends */
  const untold = new Map<string, { id: string; lease: number }[]>();
  let strandedSince: number | undefined;
  let returning: Record<string, number> = {};
  let returnedAt = Number.NEGATIVE_INFINITY;
  const none: Record<string, number> = {};

  const end = (tasks: readonly HeldTask[], entryOf: (task: HeldTask) => ResultEntry) => {
    for (const task of tasks) {
      const entry = entryOf(task);
      interchange.ended(task);
      outbox.addResult(entry, NOTHING);
    }
    turn();
  };

  const tellWhyOf = (block: string): TellWhy | undefined => {
    const tasks = untold.get(block);
    untold.delete(block);
    if (tasks === undefined) return undefined;
    return (why) => {
      const failure = takenFailure(block, why);
      for (const { id, lease } of tasks) {
        outbox.addResult({ id, lease, outcome: "returned", failure, length: 0, block }, NOTHING);
      }
      turn();
    };
  };

  return {
    end,
    returnQueued: () => end(interchange.takeQueued(), returnedEntry),
    blockGone(block, how) {
      for (const { manager, tasks } of managers.lost(block)) {
        end(tasks, (task) => {
          if (how.taken) return takenEntry(task, { block, end: how });
          return unbegun(manager, task) ? unbegunEntry(task, block) : lostEntry(task, { block, reason: how.reason });
        });
      }
      const tellWhy = tellWhyOf(block);
      if (!how.cause) return tellWhy;
      tellWhy?.(how);
      return undefined;
    },
    buryDead(lostEnd) {
      for (const { manager, tasks } of managers.takeDead()) {
        const { block, node } = manager.hello;
        const reason = `the manager of node ${node} is dead`;
        const lost = lostEnd(block);
        end(tasks, (task) => {
          if (lost) return takenEntry(task, { block, end: lost });
          return unbegun(manager, task) ? unbegunEntry(task, block) : lostEntry(task, { block, reason });
        });
      }
    },
    takenAway(entry, manager) {
      const { block } = manager.hello;
      const over = manager.expiresAt !== null && manager.expiresAt - uptimeMs() < NEAR_END_MS;
      const cause = over ? ("walltime" as const) : undefined;
      entry.failure = takenFailure(block, {
        cause,
        reason: over ? "its walltime ended" : "the site took its node away",
      });
      if (over) return;
      const tasks = untold.get(block) ?? [];
      if (tasks.length < MOST_UNTOLD) tasks.push({ id: entry.id, lease: entry.lease });
      untold.set(block, tasks);
    },
    returnStranded() {
      const now = uptimeMs();
      const stranded = new Set<string>();
      for (const one of interchange.classes.all()) {
        if (one.queued > 0 && !hasSlot(interchange.managers, one)) stranded.add(one.key);
      }
      if (stranded.size === 0) {
        strandedSince = undefined;
        return;
      }
      strandedSince ??= now;
      if (now - strandedSince < STRANDED_MS) return;
      strandedSince = undefined;
      const tasks = interchange.takeQueued((spec) => stranded.has(spec.class.key));
      returning = {};
      for (const { spec } of tasks) if (spec) returning[spec.class.key] = (returning[spec.class.key] ?? 0) + 1;
      returnedAt = now;
      end(tasks, strandedEntry);
    },
    get returning() {
      return uptimeMs() - returnedAt < RETURNING_MS ? returning : none;
    },
  };
}

/** A start that was reported is an attempt, however soon the manager died of whatever it was; one of an earlier agent may have been. */
function unbegun(manager: Manager, { started, spec }: HeldTask): boolean {
  return diedAtOnce(manager) && !started && spec !== undefined;
}

const NOTHING = new Uint8Array(0);
/** The kill may come that long before the end that the manager counts with. */
const NEAR_END_MS = 60_000;

function hasSlot(managers: Iterable<Manager>, { cost, resources }: ResourceClass): boolean {
  if (resources.nodes !== undefined) return roomOnNodes(managers, resources.nodes).live > 0;
  for (const { link, draining, capacity } of managers) {
    if (link && !draining && countFitting(capacity, cost) > 0) return true;
  }
  return false;
}
