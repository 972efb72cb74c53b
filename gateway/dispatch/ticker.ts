/** What has to happen by the clock: beats, receipts that are late, looks at the table, repeated requests, silence. */

import { encodeFrame } from "../../protocol/frame.ts";
import type { WorkMessage } from "../../protocol/messages.ts";
import type { Wire } from "../wire/wire.ts";
import type { Agents } from "./agents.ts";
import type { Clock } from "./clock.ts";
import type { Controls } from "./control.ts";
import type { Popper } from "./popper.ts";
import type { PullState, Pulls } from "./pulls.ts";
import { RECEIPT_AFTER_MS, type Sender } from "./sender.ts";
import type { WaitingCounts } from "./waiting.ts";

export type TickerParts = {
  pulls: Pulls;
  agents: Agents;
  wire: Wire;
  sender: Sender;
  popper: Popper;
  waiting: WaitingCounts;
  controls: Controls;
  clock: Clock;
};

const TICK_MS = 250;
const REPEAT_MS = 1_000;
const BEAT_MS = 5_000;
const LOOK_MS = 2_000;
/** Three heartbeats: nothing more is handed to an agent that is not heard for so long. */
const CLOSE_AFTER_MS = 30_000;

/** Ticks until it is stopped. */
export function startTicker(parts: TickerParts): { stop: () => void } {
  const { pulls, agents, wire, sender, popper, waiting, controls, clock } = parts;
  let repeatedAt = clock.monotonic();

  function keep(state: PullState, now: number): void {
    const { endpoint, epoch, pull } = state;
    if (!agents.answers(endpoint, CLOSE_AFTER_MS)) {
      pulls.close(state);
      // Asked once it is heard again, before it gets anything new.
      sender.ask(state, 0);
      return;
    }
    if (now - state.beatAt >= BEAT_MS) {
      state.beatAt = now;
      const message: WorkMessage = { kind: "beat", epoch, pull };
      wire.work(endpoint, encodeFrame(message));
    }
    const oldest = state.unreceipted[0];
    if (oldest && now - oldest.sentAt >= RECEIPT_AFTER_MS) sender.ask(state, RECEIPT_AFTER_MS);
    if (now - state.poppedAt >= LOOK_MS) popper.want(state);
  }

  const timer = setInterval(() => {
    const now = clock.monotonic();
    for (const state of pulls.all()) keep(state, now);
    waiting.tick();
    if (now - repeatedAt < REPEAT_MS) return;
    repeatedAt = now;
    controls.repeat();
  }, TICK_MS);
  return { stop: () => clearInterval(timer) };
}
