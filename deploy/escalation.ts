/**
 * How a process is asked to end: SIGTERM lets running work end, a second one does not wait for it, SIGKILL comes when that
 * did not help. An agent that is killed outright leaves its managers running.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { isSameProcess, type ProcessIdentity } from "./process-identity.ts";

/** Two signals in less than this may arrive as one. */
const BETWEEN_SIGNALS_MS = 150;
const HURRY_MS = 10_000;
const STEPS = ["SIGTERM", "SIGTERM", "SIGKILL"] as const;

export type Escalation = {
  /** Sends the first signal, the next after `graceMs`. Called again, it only changes when the next comes. */
  begin(graceMs: number): void;
  /** The process has ended. */
  over(): void;
};

/** Makes the sequence for one process. */
export function createEscalation(send: (signal: NodeJS.Signals) => void): Escalation {
  let step = 0;
  let timer: NodeJS.Timeout | undefined;
  const next = (waitMs: number) => {
    const signal = STEPS[step++];
    if (signal === undefined) return;
    send(signal);
    timer = setTimeout(next, waitMs, HURRY_MS);
  };
  return {
    begin(graceMs) {
      const waitMs = Math.max(graceMs, BETWEEN_SIGNALS_MS);
      if (step === 0) next(waitMs);
      else if (step === 1) {
        clearTimeout(timer);
        timer = setTimeout(next, waitMs, HURRY_MS);
      }
    },
    over() {
      step = STEPS.length;
      clearTimeout(timer);
    },
  };
}

/** Ends a process that is not our child, in the same way; resolves when it is gone. */
export async function endProcess(identity: ProcessIdentity, graceMs: number): Promise<void> {
  const escalation = createEscalation((signal) => {
    if (isSameProcess(identity)) process.kill(identity.pid, signal);
  });
  escalation.begin(graceMs);
  while (isSameProcess(identity)) await sleep(20);
  escalation.over();
}
