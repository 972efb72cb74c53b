/** Background work: each loop ends with its signal, and one failure is logged and does not end it. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";

/** How often a loop runs, and until when. */
export type LoopOptions = {
  everyMs: number;
  /** between two runs when there is more to do */
  pauseMs?: number;
  signal: AbortSignal;
  log: Logger;
};

/** Runs `work` every `everyMs`, counted from its end; again after `pauseMs` when it returns true (there is more to do). */
export async function loop(
  name: string,
  work: () => Promise<boolean | undefined> | boolean | undefined,
  { everyMs, pauseMs = 0, signal, log }: LoopOptions,
): Promise<void> {
  while (!signal.aborted) {
    let more: boolean | undefined = false;
    try {
      more = await work();
    } catch (err) {
      if (!signal.aborted) log.error({ err, loop: name }, "a background loop failed; it goes on");
    }
    await sleep(more === true ? pauseMs : everyMs, undefined, { signal }).catch(() => undefined);
  }
}
