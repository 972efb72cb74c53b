/**
 * The audit log: one record for each request that changes something, denied ones included. Submits and denials come in
 * floods, so equal ones within a second become one record with their number; all others are written before the answer.
 */
import type { Logger } from "pino";
import { loop } from "./loops.ts";
import type { Store } from "./store/port.ts";

/** Who did what to what, and how it ended. */
export type AuditEntry = { actor: string; action: string; target: string; outcome: string };

/** Writes audit records, at once or gathered. */
export type Audit = {
  /** Resolves when the entry is on disk; a failure is logged, because the request it tells of has happened. */
  record(entry: AuditEntry): Promise<void>;
  /** Counts the entry; it is written within a second. */
  fold(entry: AuditEntry): void;
  /** Writes what is folded until the signal ends it, and once more then. */
  run(signal: AbortSignal): Promise<void>;
};

const FLUSH_EVERY_MS = 1000;
/** Distinct folded entries between two flushes; what is beyond is counted under one name. */
const MAX_FOLDED = 500;

/** Makes the audit log of one gateway. */
export function createAudit(store: Pick<Store, "audit">, log: Logger): Audit {
  let folded = new Map<string, { entry: AuditEntry; times: number }>();

  async function record(entry: AuditEntry): Promise<void> {
    try {
      await store.audit(entry);
    } catch (err) {
      log.error({ err, entry }, "an audit record could not be written");
    }
  }

  async function flush(): Promise<undefined> {
    if (folded.size === 0) return;
    const entries = [...folded.values()];
    folded = new Map();
    await Promise.all(
      entries.map(({ entry, times }) =>
        record(times === 1 ? entry : { ...entry, target: `${entry.target} (${times} times)`.trimStart() }),
      ),
    );
  }

  return {
    record,
    fold(entry) {
      const full = folded.size >= MAX_FOLDED;
      const kept = full ? { ...entry, actor: "others", target: "" } : entry;
      const key = `${kept.actor}\n${kept.action}\n${kept.target}\n${kept.outcome}`;
      const known = folded.get(key);
      if (known) known.times++;
      else folded.set(key, { entry: kept, times: 1 });
    },
    async run(signal) {
      await loop("audit", flush, { everyMs: FLUSH_EVERY_MS, signal, log });
      await flush();
    },
  };
}
