/** Sends what was handed out, and keeps what is not receipted until it is known what became of it (PROTOCOL.md rule 8). */
import type { Logger } from "pino";
import type { LeaseEntry } from "../../protocol/batch.ts";
import { freeLarge } from "../../protocol/large-buffers.ts";
import type { HeldLease } from "../../protocol/messages.ts";
import type { Effects, Handout, Store } from "../store/port.ts";
import type { Wire } from "../wire/wire.ts";
import { encodeBatch, sizeOf, splitHandout } from "./batches.ts";
import type { Clock } from "./clock.ts";
import type { Controls } from "./control.ts";
import type { PullState, Pulls, SentBatch } from "./pulls.ts";

export type Sender = {
  /** Sends hand-outs; what cannot be sent goes back to the queue, which counts no attempt. */
  send(handouts: readonly Handout[]): void;
  /** Every batch up to `received` has arrived. */
  receipt(state: PullState, received: number): void;
  /** Asks for batches older than `olderThanMs` that nobody receipted. */
  ask(state: PullState, olderThanMs: number): void;
  /** Whether batches of the endpoint are being asked for: until it answers it gets nothing new. */
  inDoubt(endpoint: string): boolean;
  /** Leases of the endpoint in batches that may still be on their way. */
  onTheWay(endpoint: string): HeldLease[];
};

export const RECEIPT_AFTER_MS = 5_000;

export type SenderParts = {
  store: Pick<Store, "takeBack">;
  wire: Wire;
  pulls: Pulls;
  controls: Controls;
  clock: Clock;
  log: Logger;
  apply: (effects: Effects) => void;
  /** the endpoint's agent may be given work again */
  settled: (endpoint: string) => void;
};

/** Makes the sender of one gateway. */
export function createSender(parts: SenderParts): Sender {
  const { wire, pulls, controls, clock, log } = parts;
  const doubts = new Map<string, Set<SentBatch[]>>();

  async function takeBack(endpoint: string, leases: HeldLease[]): Promise<void> {
    try {
      parts.apply(await parts.store.takeBack(endpoint, leases));
    } catch (err) {
      // They stay leased until the agent's digest shows that it does not hold them.
      log.error({ err, endpoint, leases: leases.length }, "hand-outs that did not arrive could not be taken back");
    }
  }

  function sendOne(handout: Handout): void {
    const state = pulls.get(handout.endpoint);
    if (!state || state.pull !== handout.pull || state.epoch !== handout.epoch) {
      void takeBack(handout.endpoint, leasesOf(handout.tasks));
      return;
    }
    for (const part of splitHandout(handout)) {
      const number = state.batch + 1;
      const frame = encodeBatch(part, { epoch: state.epoch, pull: state.pull, batch: number });
      if (!wire.work(state.endpoint, frame)) {
        void takeBack(handout.endpoint, leasesOf(part.tasks));
        continue;
      }
      const size = sizeOf(part);
      state.room.spend(size);
      state.batch = number;
      const sentAt = clock.monotonic();
      state.unreceipted.push({ number, sentAt, bytes: frame.length, tasks: part.tasks, size, asked: false });
      state.unreceiptedBytes += frame.length;
    }
  }

  function settle(state: PullState, batches: readonly SentBatch[]): void {
    const gone = new Set(batches);
    state.unreceipted = state.unreceipted.filter((batch) => !gone.has(batch));
    state.unreceiptedBytes = state.unreceipted.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  async function askFor(state: PullState, batches: SentBatch[]): Promise<void> {
    const { endpoint, epoch, pull } = state;
    for (const batch of batches) batch.asked = true;
    const ofEndpoint = doubts.get(endpoint) ?? new Set();
    doubts.set(endpoint, ofEndpoint.add(batches));
    const numbers = batches.map(({ number }) => number);
    const answer = await controls.ask(
      endpoint,
      { kind: "received?", pull, batches: numbers },
      { epoch, onlyEpoch: true },
    );
    settle(state, batches);
    const denied = new Set(answer?.denied);
    const lost = batches.filter(({ number }) => denied.has(number));
    // The agent counts its limits from what it got, so what it did not get is room again.
    for (const { size } of lost) state.room.release(size);
    // Without an answer there is a newer epoch, whose agent's digest will tell.
    if (lost.length > 0) await takeBack(endpoint, leasesOf(lost.flatMap(({ tasks }) => tasks)));
    ofEndpoint.delete(batches);
    if (ofEndpoint.size > 0) return;
    doubts.delete(endpoint);
    parts.settled(endpoint);
  }

  return {
    send(handouts) {
      for (const handout of handouts) {
        sendOne(handout);
        freeLarge(handout.body);
      }
    },
    receipt(state, received) {
      let arrived = 0;
      for (const batch of state.unreceipted) {
        if (batch.number > received) break;
        state.unreceiptedBytes -= batch.bytes;
        arrived++;
      }
      if (arrived > 0) state.unreceipted.splice(0, arrived);
    },
    ask(state, olderThanMs) {
      const before = clock.monotonic() - olderThanMs;
      const batches = state.unreceipted.filter(({ asked, sentAt }) => !asked && sentAt <= before);
      if (batches.length > 0) void askFor(state, batches);
    },
    inDoubt: (endpoint) => doubts.has(endpoint),
    onTheWay(endpoint) {
      const asked = [...(doubts.get(endpoint) ?? [])].flat();
      const sent = pulls.get(endpoint)?.unreceipted.filter((batch) => !batch.asked) ?? [];
      return leasesOf([...asked, ...sent].flatMap(({ tasks }) => tasks));
    },
  };
}

function leasesOf(tasks: readonly LeaseEntry[]): HeldLease[] {
  return tasks.map(({ id, lease }) => [id, lease]);
}
