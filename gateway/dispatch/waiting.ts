/** Tells agents how much waits, by resource class, so that blocks grow while tasks stay queued (PROTOCOL.md rule 6). */
import type { Logger } from "pino";
import { encodeFrame } from "../../protocol/frame.ts";
import type { WorkMessage } from "../../protocol/messages.ts";
import type { Store } from "../store/port.ts";
import type { Wire } from "../wire/wire.ts";
import type { Clock } from "./clock.ts";
import type { PullState, Pulls } from "./pulls.ts";

export type WaitingCounts = {
  /** The counts may have changed: told at once, or when 200 ms have passed since the last time. */
  changed(state: PullState): void;
  /** Tells what could not be told at once. */
  tick(): void;
};

const AT_MOST_EVERY_MS = 200;

export type WaitingParts = { store: Pick<Store, "waiting">; wire: Wire; pulls: Pulls; clock: Clock; log: Logger };

/** Makes the counts of one gateway. */
export function createWaitingCounts({ store, wire, pulls, clock, log }: WaitingParts): WaitingCounts {
  const stale = new Set<PullState>();

  async function tell(state: PullState): Promise<void> {
    const { told, endpoint, epoch, pull } = state;
    told.at = clock.monotonic();
    told.stale = false;
    told.asking = true;
    try {
      const classes = state.queued ? nonZero(await store.waiting(endpoint, state.countUpTo)) : {};
      const text = JSON.stringify(classes);
      if (text === told.classes || pulls.get(endpoint) !== state) return;
      const message: WorkMessage = { kind: "waiting", epoch, pull, classes };
      if (wire.work(endpoint, encodeFrame(message))) told.classes = text;
      else told.stale = true;
    } catch (err) {
      told.stale = true;
      log.error({ err, endpoint }, "the waiting tasks could not be counted");
    } finally {
      told.asking = false;
      if (told.stale) stale.add(state);
    }
  }

  const due = ({ told }: PullState) => !told.asking && clock.monotonic() - told.at >= AT_MOST_EVERY_MS;

  return {
    changed(state) {
      if (due(state)) {
        void tell(state);
        return;
      }
      state.told.stale = true;
      stale.add(state);
    },
    tick() {
      for (const state of stale) {
        if (pulls.get(state.endpoint) !== state) stale.delete(state);
        else if (due(state)) {
          stale.delete(state);
          void tell(state);
        }
      }
    },
  };
}

function nonZero(classes: Record<string, number>): Record<string, number> {
  const entries = Object.entries(classes).filter(([, count]) => count > 0);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
