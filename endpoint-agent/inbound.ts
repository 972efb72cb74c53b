/** What managers report: results, starts, and tasks given back. */
import type { ResultEntry } from "../protocol/batch.ts";
import type { ManagerToAgent } from "../protocol/manager-frames.ts";
import { nowMs, uptimeMs } from "./clock.ts";
import { crashPoint } from "./crash-point.ts";
import { adoptedTask, type TaskTable } from "./held-task.ts";
import type { Interchange } from "./interchange.ts";
import type { Manager } from "./manager.ts";
import type { Outbox } from "./outbox.ts";
import type { Receipt } from "./receipts.ts";

export type InboundOptions = {
  table: TaskTable;
  interchange: Interchange;
  outbox: Outbox;
  /** tasks of the class have ended, so there is room and the rate is known better */
  onEnded(classKey: string, tasks: number): void;
  /** a manager has run its first task */
  onWorked?(manager: Manager): void;
  /** what ran comes back because the node is being taken away; its entry may be completed */
  onTakenAway?(entry: ResultEntry, manager: Manager): void;
  turn(): void;
};

/** Receipts are so far apart: nobody waits for one, and to wake a manager costs both sides as much as a result does. */
const RECEIPT_GAP_MS = 20;

type Results = Extract<ManagerToAgent, { kind: "results" }>;

export type Inbound = {
  results(manager: Manager, frame: Results, body: Uint8Array): void;
  /** Tells managers what is safe, at once or soon; to be called once a turn. */
  sendReceipts(): void;
};

/** Takes managers' results to the outbox and tells them when these are safe (PROTOCOL.md rule 13). */
export function createInbound(options: InboundOptions): Inbound {
  const { table, interchange, outbox } = options;
  const settled = new Set<Manager>();
  let receiptedAt = Number.NEGATIVE_INFINITY;
  let waiting = false;

  const settle = (manager: Manager, receipt: Receipt) => {
    manager.receipts.settle(receipt);
    if (receipt.left > 0) return;
    if (settled.size === 0) options.turn();
    settled.add(manager);
  };

  const results = (manager: Manager, frame: Results, body: Uint8Array) => {
    if (frame.results.length > 0) crashPoint("results-received");
    if (frame.starts.length > 0) crashPoint("starts-received");
    const receipt = manager.receipts.open(frame.message, frame.results.length + frame.starts.length);
    // Sent again over a new connection: it is on its way, or safe already.
    if (!receipt) return;
    const safe = () => settle(manager, receipt);
    const ends = new Map<string, number>();
    let offset = 0;
    for (const entry of frame.results) {
      const length = (entry.blob ? 0 : (entry.length ?? 0)) + (entry.stdout ?? 0) + (entry.stderr ?? 0);
      const task = table.match(entry.id, entry.lease);
      if (task) {
        const classKey = task.spec?.class.key;
        interchange.ended(task, entry.outcome === "succeeded" ? entry.ranMs : undefined);
        if (classKey !== undefined) ends.set(classKey, (ends.get(classKey) ?? 0) + 1);
      } else if (!table.get(entry.id)) {
        // It ended while this agent, or its connection, was away: held until the gateway has judged it.
        table.add(adoptedTask([entry.id, entry.lease], undefined));
      }
      entry.block ??= manager.hello.block;
      if (entry.outcome === "returned" && entry.started && !entry.failure) options.onTakenAway?.(entry, manager);
      else if (!manager.proven && ran(entry)) {
        manager.proven = true;
        options.onWorked?.(manager);
      }
      outbox.addResult(entry, body.subarray(offset, offset + length), safe);
      offset += length;
    }
    for (const start of frame.starts) {
      start.block ??= manager.hello.block;
      const begun = table.match(start.id, start.lease);
      if (begun) begun.started = true;
      outbox.addStart({
        entry: start,
        answered(go) {
          const task = table.match(start.id, start.lease);
          const { id, lease } = start;
          // Unknown after a restart: then the manager knows whether it waits for this word.
          if (task?.spec?.atMostOnce !== false) manager.link?.send({ kind: "start", id, lease, go });
          else if (!go) manager.link?.send({ kind: "cancel", leases: [[id, lease]] });
          if (task && go) task.granted = true;
          else if (task?.spec?.atMostOnce) {
            // The lease is not ours any more, and the manager forgets it without a word.
            interchange.ended(task);
            table.remove(task);
          }
          safe();
        },
      });
    }
    if (receipt.left === 0) {
      receipt.left = 1;
      safe();
    }
    for (const [classKey, tasks] of ends) options.onEnded(classKey, tasks);
    manager.progressAt = uptimeMs();
    options.turn();
  };

  const due = () => {
    waiting = false;
    options.turn();
  };

  return {
    results,
    sendReceipts() {
      if (settled.size === 0) return;
      const now = nowMs();
      if (now - receiptedAt < RECEIPT_GAP_MS) {
        if (!waiting) setTimeout(due, RECEIPT_GAP_MS).unref();
        waiting = true;
        return;
      }
      receiptedAt = now;
      for (const manager of settled) {
        const message = manager.receipts.next();
        if (message !== undefined) manager.link?.send({ kind: "taken", message });
      }
      settled.clear();
    },
  };
}

/** Whether user code came to an end of its own. */
function ran({ outcome, started, ranMs }: ResultEntry): boolean {
  return outcome === "succeeded" || (outcome === "failed" && (started === true || ranMs !== undefined));
}
