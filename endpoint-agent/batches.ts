/** Which batches of which pull arrived (PROTOCOL.md rule 8): each number is taken once, and a denied one never. */

/** Pulls before the newest whose batches may still be on the wire or be asked for. */
const KEPT_PULLS = 1024;

type PullRecord = { contiguous: number; beyond: Set<number>; denied: Set<number> };

export type Batches = {
  /** Whether to take this batch: false when it came before or was denied. */
  take(pull: number, batch: number): boolean;
  /** Every batch of the pull up to and including this number has arrived or was denied. */
  receivedUpTo(pull: number): number;
  /** Those that did not arrive, and from now on never will. */
  deny(pull: number, batches: readonly number[]): number[];
};

/** Keeps the record of batches of the last pulls; numbers begin with 1. */
export function createBatches(): Batches {
  const pulls = new Map<number, PullRecord>();
  let newest = 0;
  const recordOf = (pull: number): PullRecord | undefined => {
    let record = pulls.get(pull);
    if (record || pull <= newest - KEPT_PULLS) return record;
    record = { contiguous: 0, beyond: new Set(), denied: new Set() };
    pulls.set(pull, record);
    newest = Math.max(newest, pull);
    for (const old of pulls.keys()) if (old <= newest - KEPT_PULLS) pulls.delete(old);
    return record;
  };
  const seen = (record: PullRecord, batch: number) => batch <= record.contiguous || record.beyond.has(batch);
  const mark = (record: PullRecord, batch: number) => {
    record.beyond.add(batch);
    while (record.beyond.delete(record.contiguous + 1)) record.contiguous++;
  };
  return {
    take(pull, batch) {
      const record = recordOf(pull);
      // So old that its record is gone: not taken, and the heartbeats show that nobody here holds it.
      if (!record || seen(record, batch) || record.denied.has(batch)) return false;
      mark(record, batch);
      return true;
    },
    receivedUpTo: (pull) => pulls.get(pull)?.contiguous ?? 0,
    deny(pull, batches) {
      const record = recordOf(pull);
      // Forgotten: a wrong denial would run tasks twice, a wrong receipt is repaired by the next heartbeats (rule 9).
      if (!record) return [];
      const denied = batches.filter((batch) => record.denied.has(batch) || !seen(record, batch));
      for (const batch of denied) {
        record.denied.add(batch);
        mark(record, batch);
      }
      return denied;
    },
  };
}
