/** Asks a gateway for work and receives it: an open pull with cumulative limits (PROTOCOL.md rules 4 to 6 and 8). */
import type { LeaseHeader } from "../protocol/batch.ts";
import type { Credit, Limits, Pull, WorkMessage } from "../protocol/messages.ts";
import { DEFAULT_RESOURCES, resourceClass } from "../protocol/task.ts";
import { type Batches, createBatches } from "./batches.ts";
import { nowMs } from "./clock.ts";
import { countEnds, noEnds, type RecentEnds } from "./window.ts";

/** How much may come of a class beside what is here. */
export type RoomOf = (classKey: string, recent: number) => { tasks: number; bytes: number };

export type PullOptions = {
  epoch: number;
  publish: { pull(message: Pull): void; credit(message: Credit): void };
  roomOf: RoomOf;
  countUpTo(): number;
  /** a batch to take; false when nobody can (its leases then count as never arrived) */
  onTasks(header: LeaseHeader, body: Uint8Array): void;
  /** how much waits at the gateway has changed */
  onWaiting(): void;
  /** the gateway says that this epoch is over: make sure */
  onSuperseded(): void;
};

export type PullLink = {
  readonly waiting: Readonly<Record<string, number>>;
  /** Opens a pull, ending the one before. */
  open(): void;
  /** Opens a pull after a moment, as many agents may do so for one reason. */
  reopen(): void;
  receive(message: WorkMessage | LeaseHeader, body: Uint8Array): void;
  /** Counts ended tasks of a class: the look-ahead follows their rate. */
  ended(classKey: string, tasks: number): void;
  /** States the limits anew if that is worth a message; to be called once a turn. */
  tick(): void;
  deny(pull: number, batches: readonly number[]): number[];
  stop(): void;
};

/** Silence after which the gateway that kept the pull is taken to be gone. */
const SILENCE_MS = 10_000;
/** A gateway beats at once when it takes a pull: one that nobody took is repeated soon, then ever more rarely. */
const UNTAKEN_MS = 1_000;
const CHECK_MS = 1_000;
/** A receipt waits so long for a credit message to ride on. */
const RECEIPT_MS = 1_000;
/** ... unless so much is unreceipted: the gateway stops at a few times this. */
const RECEIPT_BYTES = 2 * 1024 * 1024;
/** Credit messages are at least so far apart unless the window is used up. */
const CREDIT_GAP_MS = 3;
/** Credit above the room by more than this for so long is taken back, by a new pull. */
const EXCESS_TASKS = 8;
const EXCESS_MS = 150;

type ClassWindow = {
  received: number;
  receivedBytes: number;
  limit: number;
  limitBytes: number;
  recent: RecentEnds;
  usedAt: number;
};

const DEFAULT_CLASS = resourceClass(DEFAULT_RESOURCES);

/** Makes the pulls of an epoch; none is open before `open`. */
export function createPull(options: PullOptions): PullLink {
  const { epoch, publish } = options;
  const batches: Batches = createBatches();
  const classes = new Map<string, ClassWindow>();
  let waiting: Record<string, number> = {};
  let number = 0;
  let heardAt = nowMs();
  let untaken = 0;
  let creditAt = 0;
  let receipted = 0;
  let unreceiptedBytes = 0;
  let countedUpTo = -1;
  let excessTimer: NodeJS.Timeout | undefined;
  let reopenTimer: NodeJS.Timeout | undefined;

  const windowOf = (classKey: string): ClassWindow => {
    let window = classes.get(classKey);
    if (!window) {
      window = { received: 0, receivedBytes: 0, limit: 0, limitBytes: 0, recent: noEnds(), usedAt: nowMs() };
      classes.set(classKey, window);
    }
    return window;
  };
  windowOf(DEFAULT_CLASS);

  const open = () => {
    clearTimeout(excessTimer);
    clearTimeout(reopenTimer);
    excessTimer = reopenTimer = undefined;
    number++;
    untaken++;
    heardAt = creditAt = nowMs();
    receipted = unreceiptedBytes = 0;
    const limits: Limits = {};
    for (const [key, window] of classes) {
      const idle = window.usedAt < heardAt - 60_000 && !waiting[key];
      if (idle && key !== DEFAULT_CLASS) {
        classes.delete(key);
        continue;
      }
      const room = options.roomOf(key, countEnds(window.recent, 0, heardAt));
      window.received = window.receivedBytes = 0;
      window.limit = room.tasks;
      window.limitBytes = room.bytes;
      limits[key] = { tasks: room.tasks, bytes: room.bytes };
    }
    countedUpTo = options.countUpTo();
    publish.pull({ epoch, pull: number, limits, countUpTo: countedUpTo });
  };

  const reopen = () => {
    reopenTimer ??= setTimeout(open, 20 + Math.random() * 250);
  };

  const credit = (now: number) => {
    const limits: Limits = {};
    for (const [key, window] of classes) limits[key] = { tasks: window.limit, bytes: window.limitBytes };
    receipted = batches.receivedUpTo(number);
    unreceiptedBytes = 0;
    creditAt = now;
    countedUpTo = options.countUpTo();
    publish.credit({ epoch, pull: number, limits, received: receipted, countUpTo: countedUpTo });
  };

  const tick = () => {
    if (number === 0) return;
    const now = nowMs();
    let wanted = options.countUpTo() !== countedUpTo;
    let urgent = false;
    let excess = false;
    for (const [key, window] of classes) {
      const room = options.roomOf(key, countEnds(window.recent, 0, now));
      const outstanding = window.limit - window.received;
      const outstandingBytes = window.limitBytes - window.receivedBytes;
      if (outstanding > room.tasks + EXCESS_TASKS) excess = true;
      // A message for every task would cost more than the task; half a window is enough to keep it flowing.
      if (outstanding * 2 <= room.tasks && room.tasks > outstanding) {
        wanted = true;
        if (outstanding === 0) urgent = true;
      }
      if (outstandingBytes * 2 <= room.bytes && room.bytes > outstandingBytes) wanted = true;
    }
    if (excess) excessTimer ??= setTimeout(checkExcess, EXCESS_MS);
    const receiptDue = batches.receivedUpTo(number) !== receipted && now - creditAt > RECEIPT_MS;
    if (!receiptDue && unreceiptedBytes < RECEIPT_BYTES && !(wanted && (urgent || now - creditAt >= CREDIT_GAP_MS)))
      return;
    for (const [key, window] of classes) {
      const room = options.roomOf(key, countEnds(window.recent, 0, now));
      window.limit = Math.max(window.limit, window.received + room.tasks);
      window.limitBytes = Math.max(window.limitBytes, window.receivedBytes + room.bytes);
    }
    credit(now);
  };

  const checkExcess = () => {
    excessTimer = undefined;
    const now = nowMs();
    for (const [key, window] of classes) {
      const room = options.roomOf(key, countEnds(window.recent, 0, now));
      if (window.limit - window.received > room.tasks + EXCESS_TASKS) return open();
    }
  };

  const receiveTasks = (header: LeaseHeader, body: Uint8Array) => {
    if (header.pull > number || !batches.take(header.pull, header.batch)) return;
    const now = nowMs();
    // Of an older pull that crossed the newer one on the way: leased to this epoch all the same.
    if (header.pull === number) {
      unreceiptedBytes += body.length;
      for (const entry of header.tasks) {
        const spec = header.specs[entry.spec ?? 0];
        const window = windowOf(resourceClass(spec?.resources ?? DEFAULT_RESOURCES));
        window.received++;
        window.receivedBytes += entry.length ?? 0;
        window.usedAt = now;
      }
    }
    options.onTasks(header, body);
  };

  const check = setInterval(() => {
    const silence = untaken === 0 ? SILENCE_MS : Math.min(SILENCE_MS, UNTAKEN_MS * 2 ** (untaken - 1));
    if (number > 0 && nowMs() - heardAt >= silence) open();
    tick();
  }, CHECK_MS);

  return {
    get waiting() {
      return waiting;
    },
    open,
    reopen,
    receive(message, body) {
      if (message.epoch !== epoch) return;
      if (message.kind === "tasks") {
        heardAt = nowMs();
        if (message.pull === number) untaken = 0;
        return receiveTasks(message, body);
      }
      if (message.pull !== number) return;
      heardAt = nowMs();
      untaken = 0;
      if (message.kind === "waiting") {
        waiting = message.classes;
        for (const key of Object.keys(waiting)) windowOf(key).usedAt = heardAt;
        options.onWaiting();
      } else if (message.kind === "end") {
        if (message.reason === "superseded") options.onSuperseded();
        else reopen();
      }
    },
    ended(classKey, tasks) {
      const window = classes.get(classKey);
      if (window) countEnds(window.recent, tasks, nowMs());
    },
    tick,
    deny: (pull, asked) => batches.deny(pull, asked),
    stop() {
      clearInterval(check);
      clearTimeout(excessTimer);
      clearTimeout(reopenTimer);
    },
  };
}
