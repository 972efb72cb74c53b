/** The pulls that stand open at this gateway (PROTOCOL.md rules 4 to 6), and what may be sent in each. */
import type { LeaseEntry } from "../../protocol/batch.ts";
import type { Limit, Limits, Pull } from "../../protocol/messages.ts";
import type { OpenPull } from "../store/port.ts";
import { createRoom, type Room } from "./room.ts";

/** A batch that was sent and is not receipted (PROTOCOL.md rule 8). */
export type SentBatch = {
  number: number;
  sentAt: number;
  /** of the message */
  bytes: number;
  tasks: LeaseEntry[];
  /** what it took of the room */
  size: Limits;
  asked: boolean;
};

export type PullState = {
  readonly endpoint: string;
  readonly epoch: number;
  readonly pull: number;
  readonly room: Room;
  countUpTo: number;
  /** the number of the last batch */
  batch: number;
  unreceipted: SentBatch[];
  unreceiptedBytes: number;
  /** something may wait in the database; false only when the database said that nothing does */
  queued: boolean;
  popping: boolean;
  /** transactions under way that hold room of it */
  reservations: number;
  /** a pop took nothing while others held room: what waits may fit once they are over */
  starved: boolean;
  beatAt: number;
  poppedAt: number;
  /** the counts last told in this pull, as JSON, and when; `stale` when they may be others by now */
  told: { classes: string; at: number; stale: boolean; asking: boolean };
};

/** What one transaction may hand out: `pulls` for the store, `release` once it is over. */
export type Reservation = { pulls: OpenPull[]; held: { state: PullState; room: Limits }[] };

export type Pulls = {
  get(endpoint: string): PullState | undefined;
  all(): IterableIterator<PullState>;
  /** Puts a pull in the place of the endpoint's older one, which is returned. */
  open(pull: Pull & { endpoint: string }): { state: PullState; older: PullState | undefined };
  close(state: PullState): void;
  size(): number;
  /** Whether anything may be handed out in this pull now. */
  ready(state: PullState): boolean;
  /** Reserves room of one pull: at most `most` of each class, or of the classes that it names. */
  reserve(state: PullState, most: Limits | Limit, into: Reservation): void;
  release(reservation: Reservation): void;
};

export type PullsOptions = {
  /** false while nothing can be sent */
  connected: () => boolean;
  /** endpoints whose agent has to say first what became of earlier batches */
  inDoubt: (endpoint: string) => boolean;
  /** there is room again that a pop did not find */
  freed: (state: PullState) => void;
};

/** What may be on the way to one agent unreceipted; a nats-server cuts a connection that is 64 MiB behind. */
const MAX_UNRECEIPTED_BYTES = 16 * 1024 * 1024;

/** Makes an empty table. */
export function createPulls(options: PullsOptions): Pulls {
  const table = new Map<string, PullState>();
  const pulls: Pulls = {
    get: (endpoint) => table.get(endpoint),
    all: () => table.values(),
    open(pull) {
      const older = table.get(pull.endpoint);
      const state = stateOf(pull);
      table.set(pull.endpoint, state);
      return { state, older };
    },
    close(state) {
      if (table.get(state.endpoint) === state) table.delete(state.endpoint);
    },
    size: () => table.size,
    ready(state) {
      return (
        options.connected() &&
        table.get(state.endpoint) === state &&
        state.unreceiptedBytes < MAX_UNRECEIPTED_BYTES &&
        !options.inDoubt(state.endpoint)
      );
    },
    reserve(state, most, into) {
      if (!pulls.ready(state)) return;
      const room = state.room.reserve(most);
      if (!room) return;
      const { endpoint, epoch, pull } = state;
      state.reservations++;
      into.held.push({ state, room });
      into.pulls.push({ endpoint, epoch, pull, room });
    },
    release({ held }) {
      for (const { state, room } of held) {
        state.room.release(room);
        state.reservations--;
        if (!state.starved) continue;
        state.starved = false;
        options.freed(state);
      }
    },
  };
  return pulls;
}

/** A reservation of nothing. */
export function noReservation(): Reservation {
  return { pulls: [], held: [] };
}

function stateOf({ endpoint, epoch, pull, limits, countUpTo }: Pull & { endpoint: string }): PullState {
  return {
    endpoint,
    epoch,
    pull,
    room: createRoom(limits),
    countUpTo,
    batch: 0,
    unreceipted: [],
    unreceiptedBytes: 0,
    queued: true,
    popping: false,
    reservations: 0,
    starved: false,
    beatAt: Number.NEGATIVE_INFINITY,
    poppedAt: Number.NEGATIVE_INFINITY,
    // Not even that nothing waits: the agent may still have what an older pull told it.
    told: { classes: "", at: Number.NEGATIVE_INFINITY, stale: false, asking: false },
  };
}
