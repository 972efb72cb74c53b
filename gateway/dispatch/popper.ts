/** Takes waiting tasks out of the database for the pulls that have room (PROTOCOL.md rule 5). */
import type { Logger } from "pino";
import type { Effects, Handout, Store } from "../store/port.ts";
import type { Clock } from "./clock.ts";
import { noReservation, type PullState, type Pulls, type Reservation } from "./pulls.ts";

export type Popper = {
  /** Something may wait, or there is more room: looks once what else has just arrived is handled. */
  want(state: PullState): void;
  /** Forgets a wish: a transaction that just began takes the room along. */
  unwant(state: PullState): void;
};

/** At most so much of a class in one transaction, so that none holds up the commits behind it. */
export const POP_AT_MOST = { tasks: 2048, bytes: 4 * 1024 * 1024 };

export type PopperParts = {
  store: Pick<Store, "pop">;
  pulls: Pulls;
  clock: Clock;
  log: Logger;
  send: (handouts: readonly Handout[]) => void;
  apply: (effects: Effects) => void;
  /** what waits at the endpoint has changed, or could not be taken */
  counted: (state: PullState) => void;
};

/** Makes the popper of one gateway. */
export function createPopper(parts: PopperParts): Popper {
  const { store, pulls, clock } = parts;
  const wanted = new Set<PullState>();
  let scheduled = false;

  async function pop(states: readonly PullState[], reservation: Reservation): Promise<void> {
    try {
      const effects = await store.pop(reservation.pulls).finally(() => pulls.release(reservation));
      parts.send(effects.handouts);
      const waiting = new Set(effects.queued);
      const took = new Set(effects.handouts.map(({ endpoint }) => endpoint));
      for (const state of states) {
        state.popping = false;
        const before = state.queued;
        state.queued = waiting.has(state.endpoint);
        // With nothing taken, what waits does not fit: looking again at once would find the same.
        if (state.queued && took.has(state.endpoint) && state.room.some()) popper.want(state);
        else if (state.queued && state.reservations > 0) state.starved = true;
        if (state.queued || before) parts.counted(state);
      }
      parts.apply({ ...effects, queued: [] });
    } catch (err) {
      for (const state of states) state.popping = false;
      parts.log.error({ err }, "a pop failed; the next is in two seconds");
    }
    schedule();
  }

  function run(): void {
    scheduled = false;
    const reservation = noReservation();
    const states: PullState[] = [];
    for (const state of wanted) {
      if (state.popping) continue;
      wanted.delete(state);
      if (!pulls.ready(state)) continue;
      pulls.reserve(state, POP_AT_MOST, reservation);
      state.popping = true;
      state.poppedAt = clock.monotonic();
      states.push(state);
    }
    if (states.length === 0) return;
    const named = new Set(reservation.held.map(({ state }) => state));
    // Without room too: the answer says whether anything waits.
    for (const state of states) {
      if (named.has(state)) continue;
      const { endpoint, epoch, pull } = state;
      reservation.pulls.push({ endpoint, epoch, pull, room: {} });
    }
    void pop(states, reservation);
  }

  function schedule(): void {
    if (scheduled || wanted.size === 0) return;
    scheduled = true;
    // Results that came in the same read as the credit take the room along in their own transaction.
    setImmediate(run);
  }

  const popper: Popper = {
    want(state) {
      wanted.add(state);
      schedule();
    },
    unwant: (state) => wanted.delete(state),
  };
  return popper;
}
