/** How long tasks are in each phase, for metrics: counted where the writer changes their state, so that it costs an increment. */
import { createHistogram } from "../../../histogram.ts";
import type { TaskPhases } from "../../port.ts";

export type Phases = {
  /** Handed out so long after they were submitted. */
  handedOut(waitedMs: number, tasks?: number): void;
  /** One that had started has ended, with whatever state. */
  ended(task: { leasedAt: number; startedAt: number | null }, end: { ranMs: number | null; now: number }): void;
  snapshot(): TaskPhases;
};

/** Counts from now on. */
export function createPhases(): Phases {
  const [queued, handedOut, ran] = [createHistogram(), createHistogram(), createHistogram()];
  return {
    handedOut: (waitedMs, tasks) => queued.add(waitedMs, tasks),
    ended({ leasedAt, startedAt }, { ranMs, now }) {
      if (startedAt === null) return;
      handedOut.add(startedAt - leasedAt);
      ran.add(ranMs ?? now - startedAt);
    },
    snapshot: () => ({ queued: queued.snapshot(), "handed-out": handedOut.snapshot(), running: ran.snapshot() }),
  };
}
