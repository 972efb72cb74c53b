/** The gateway's work in the background: due retries and expiry, retention, blobs, tokens, audit. */
import type { Gateway } from "./gateway.ts";
import { loop } from "./loops.ts";

/** Due retries and expiries are at most this late. */
const TICK_MS = 250;
const TICK_ROWS = 500;
const RETAIN_MS = 30_000;
/** Between two transactions of retention: others come first. */
const RETAIN_PAUSE_MS = 50;
const RETAIN_ROWS = 1000;
const SWEEP_MS = 60_000;

/** Runs until the signal ends it; resolves when the last of it is written. */
export async function runUpkeep(gateway: Gateway, signal: AbortSignal): Promise<void> {
  const { store, dispatcher, blobs, auth, audit, log } = gateway;
  const tick = async () => {
    const effects = await store.tick(TICK_ROWS);
    dispatcher.apply(effects);
    return effects.more;
  };
  const retain = async () => (await store.retain(RETAIN_ROWS)).deleted >= RETAIN_ROWS;
  await Promise.all([
    loop("tick", tick, { everyMs: TICK_MS, signal, log }),
    loop("retention", retain, { everyMs: RETAIN_MS, pauseMs: RETAIN_PAUSE_MS, signal, log }),
    loop("blobs", () => blobs.sweep(), { everyMs: SWEEP_MS, pauseMs: RETAIN_PAUSE_MS, signal, log }),
    auth.run(signal),
    audit.run(signal),
  ]);
}
